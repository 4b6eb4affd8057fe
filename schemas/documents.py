"""Documents as readers give them, and passages as the splitter cuts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

JSON: TypeAlias = str | int | float | bool | list[Any] | dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A contiguous piece of a document's text and where it stands in its source.

    ``document.text[text_start : text_start + length]`` is
    ``source[source_start : source_start + length]``. All counts are characters.
    """

    text_start: int
    source_start: int
    length: int


@dataclass(frozen=True, slots=True)
class Document:
    r"""One hotel, chapter or record.

    ``source`` is the file's whole path. The *source text* is the whole decoded file (newlines as ``\n``,
    no byte-order mark) for a novel, and the text field itself for a row. ``stretches`` says
    where the document's text stands there; empty means that the text is the source text.
    ``position`` is that of a chapter in its book, or of a row in its table, and counts from 0.
    """

    id: str
    title: str
    text: str
    kind: str
    source: str
    position: int = 0
    chapter: str | None = None
    stretches: tuple[Stretch, ...] = ()
    payload: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document: ``source_text[start:end] == text`` (characters)."""

    document_id: str
    position: int
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row set aside: where it stands, why, and the whole row.

    ``row`` is the row's text as it stands in the file, without the line feed; of Parquet, which has none, a JSON
    object; empty for a chapter of a book. ``cut``: it was too long to be read, and ``row`` is its beginning.
    ``undecodable``: it held bytes that are no text, for which ``row`` has U+FFFD. ``repeats``: only because its
    id was met before.
    """

    source: str
    line: int | None
    reason: str
    row: str = ""
    repeats: bool = False
    cut: bool = False
    undecodable: bool = False
