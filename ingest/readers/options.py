"""What a caller may ask of the readers, and what they decided about each file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from ingest.readers.own_headings import HeadingPattern
from schemas.errors import UsageError

Kind: TypeAlias = Literal["hotels", "novel", "records"]
Format: TypeAlias = Literal["csv", "jsonl", "parquet", "text", "markdown", "epub"]

EncodingErrors: TypeAlias = Literal["strict", "replace"]

KINDS: tuple[Kind, ...] = get_args(Kind)

_ROLES = {
    "id": "id",
    "title": "title",
    "name": "title",
    "text": "text",
    "desc": "text",
    "description": "text",
    "body": "text",
    "address": "address",
}


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read: all files as one ``kind``, in one ``encoding``, with named ``columns``.

    ``columns`` maps a role to a column's name: ``id``, ``title`` (or ``name``), ``text`` (or
    ``desc``, ``body``) and ``address``. ``heading`` is a regular expression of the lines that head the
    chapters of novels in plain text and Markdown, whose group ``title``, or first group, is the title; an
    empty one takes back a corpus's own. What is None or left out is found from each file. Bytes that are no text
    are an error, or a row's that is set aside; with ``encoding_errors="replace"`` U+FFFD stands for each (an EPUB's
    pages have encodings of their own, and are set aside).

    Raises:
        UsageError: an unknown kind or role, another ``encoding_errors``, or a heading that is no regular expression.
    """

    kind: Kind | None = None
    encoding: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    heading: str | None = None
    encoding_errors: EncodingErrors = "strict"

    def __post_init__(self) -> None:
        if self.encoding_errors not in get_args(EncodingErrors):
            raise UsageError(f"encoding_errors {self.encoding_errors!r}: use one of strict, replace.")
        if self.kind is not None and self.kind not in KINDS:
            raise UsageError(f"there is no kind {self.kind!r}; use one of {', '.join(KINDS)}.")
        for role in self.columns:
            if role not in _ROLES:
                raise UsageError(f"there is no column role {role!r}; use one of {', '.join(_ROLES)}.")
        if self.heading:
            HeadingPattern.of(self.heading)

    @property
    def replace(self) -> bool:
        """Whether U+FFFD stands for bytes that are no text."""
        return self.encoding_errors == "replace"

    @property
    def roles(self) -> dict[str, str]:
        """``columns`` with each role under its one name: id, title, text or address."""
        return {_ROLES[role]: column for role, column in self.columns.items()}


@dataclass(frozen=True, slots=True)
class Source:
    """One file and what was decided about it; ``reason`` is a sentence for people.

    ``stem`` names the file in document ids, and differs between the files of one run.
    ``columns`` maps the roles of a table to its columns, ``encoding`` is None where a format
    has its own, ``delimiter`` is that of a CSV file, ``heading`` the pattern of a novel's headings.
    With ``replace`` U+FFFD is read for every byte that is no text.
    """

    path: Path
    kind: Kind
    encoding: str | None
    reason: str
    format: Format
    stem: str
    columns: Mapping[str, str] = field(default_factory=dict)
    delimiter: str = ","
    heading: str | None = None
    replace: bool = False

    @property
    def recorded(self) -> str:
        """The file as its documents record it: by its whole path, the same from whatever folder it was named."""
        return os.path.normpath(self.path.absolute())
