"""Decides for each file what it is and how to read it."""

from __future__ import annotations

import csv
import itertools
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.decoding import broken_bytes, find_encoding, read_lines, replaced_bytes
from ingest.readers.columns import find_columns, lacks_columns, looks_like_hotels
from ingest.readers.epub import open_book
from ingest.readers.files import BOOKS, FORMATS, REJECTS, find_files, is_blank, refuse_foreign, stems_of
from ingest.readers.novel import describe, novel_outline
from ingest.readers.options import Format, Kind, ReadOptions, Source
from ingest.readers.parquet import parquet_columns
from ingest.readers.row import MAX_ROW_CHARS
from ingest.readers.rows import csv_header, stated_delimiter
from ingest.unreadable import unreadable
from schemas.documents import Rejected
from schemas.errors import InputError

_NAMES: dict[Format, str] = {
    "csv": "CSV",
    "jsonl": "JSONL",
    "parquet": "Parquet",
    "text": "plain text",
    "markdown": "Markdown",
    "epub": "EPUB",
}
_SAMPLE_LINES = 100
_SAMPLE_CHARS = 1 << 17
_REJECTED, _PERHAPS_REJECTED = {"source", "line", "reason", "row"}, {"cut", "undecodable"}
"""What ``RejectedFile`` writes of each row."""
_MOST_NAMES = 10_000
"""Objects that are keyed by their values have no end of names; so many are looked at."""


def open_sources(paths: Sequence[str | os.PathLike[str]], options: ReadOptions | None = None) -> list[Source]:
    """What each file is, found from its name and content or taken from ``options``; folders are walked, sorted.

    Hidden files and files of unknown kinds in folders are passed over; a file given by name never is.

    Raises:
        InputError: a path is missing, a file is empty, binary or lacks a column, a folder holds nothing readable.
        DecodeError: a file's encoding cannot be found.
        UsageError: an encoding does not exist.
    """
    return find_sources(paths, options, strict=True).sources


@dataclass(slots=True)
class Found:
    """The sources of a run, the books that could not be read, and how many files were passed over, by suffix."""

    sources: list[Source]
    unread: list[Rejected]
    passed_over: Counter[str]


class _RejectedRows(InputError):
    """A file is what ``--rejected`` wrote."""


def find_sources(
    paths: Sequence[str | os.PathLike[str]], options: ReadOptions | None = None, *, strict: bool = False
) -> Found:
    """As :func:`open_sources`; of several files, those that are books and cannot be read are set aside.

    Raises:
        InputError: no file can be read, or a table cannot, or with ``strict`` any.
    """
    options = options or ReadOptions()
    files = find_files([Path(path) for path in paths], options.kind)
    if not files.paths and not files.unread:
        raise InputError("no file was given; name at least one file or folder.")
    found = Found([], [], files.passed_over)
    named = {Path(path) for path in paths}
    unread = list(files.unread)
    if strict and unread:
        raise unread[0][1]
    for file, stem in zip(files.paths, stems_of(files.paths), strict=True):
        try:
            found.sources.append(_source(file, stem, options))
        except _RejectedRows:
            if file in named:
                raise
            # An ingest wrote it into the folder that it reads.
            found.passed_over[REJECTS] += 1
        except InputError as error:
            is_table = FORMATS.get(file.suffix.lower(), "text") not in BOOKS or options.kind in {"hotels", "records"}
            # A table that is empty says as plainly as a book that nothing of it is read.
            if strict or (is_table and not is_blank(file)):
                raise
            unread.append((file, error))
    if unread and not found.sources:
        raise unread[0][1]
    found.unread = [Rejected(str(at), None, str(error).removeprefix(str(at)).lstrip(",: ")) for at, error in unread]
    return found


def _source(path: Path, stem: str, options: ReadOptions) -> Source:
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            start = file.read(8)
    except OSError as error:
        raise unreadable(path, error) from error
    if not size:
        raise InputError(f"{path} is empty; give a file with text in it.")
    refuse_foreign(path, start)
    form = _format(path, start)
    if form == "epub":
        if options.kind not in {None, "novel"}:
            raise InputError(f"{path} is an EPUB book, not {options.kind}; read it with --as novel.")
        return _epub_source(path, stem)
    if form == "parquet":
        if options.kind == "novel":
            raise InputError(f"{path} is a Parquet table, not a novel; read it with --as records.")
        return _table(path, stem, options, form, None, ",", parquet_columns(path))
    # Who reads a table sets a broken row aside; who reads a book is strict, whatever this says.
    by_row = form not in BOOKS or options.kind in {"hotels", "records"} or start.lstrip().startswith(b"{")
    return _text_source(
        path, stem, options, form, find_encoding(path, options.encoding, by_row=by_row, replace=options.replace)
    )


def _text_source(path: Path, stem: str, options: ReadOptions, form: Format, encoding: str) -> Source:
    first = next((line for line in _start(path, encoding, options.replace) if line.strip()), None)
    if first is None:
        raise InputError(f"{path} is empty; give a file with text in it.")
    known = path.suffix.lower() in FORMATS
    is_json = first.lstrip().startswith("{")
    if form in BOOKS and (options.kind in {"hotels", "records"} or (not known and is_json)):
        form = "jsonl" if is_json else "csv"
    if form in BOOKS or options.kind == "novel":
        return _novel_source(path, stem, options, encoding, form if form in BOOKS else "text")
    if form == "jsonl":
        if first.lstrip().startswith("["):
            raise InputError(f"{path} is a JSON array; write one JSON object a line (JSONL).")
        return _table(path, stem, options, form, encoding, ",", _jsonl_columns(path, encoding, options))
    delimiter = stated_delimiter(first) or _delimiter(path, encoding, first, options.replace)
    names = csv_header(path, encoding, delimiter, options.replace)
    return _table(path, stem, options, form, encoding, delimiter, names)


def _format(path: Path, start: bytes) -> Format:
    form = FORMATS.get(path.suffix.lower())
    if form is not None:
        return form
    if start.startswith(b"PAR1"):
        return "parquet"
    return "epub" if start.startswith(b"PK\x03\x04") else "text"


def _start(path: Path, encoding: str, replace: bool) -> Iterator[str]:
    """The first lines, as few as show what a file is."""
    size = 0
    lines = read_lines(path, encoding, MAX_ROW_CHARS, escape=True, replace=replace)
    for line in itertools.islice(lines, _SAMPLE_LINES):
        yield line
        size += len(line)
        if size > _SAMPLE_CHARS:
            return


def _jsonl_columns(path: Path, encoding: str, options: ReadOptions) -> list[str]:
    """The names in the first lines; where one is lacking, as of optional fields, those in all lines."""
    names = _names(_start(path, encoding, options.replace))
    if lacks_columns(_kind(names, options), names, options.roles):
        names = _names(read_lines(path, encoding, MAX_ROW_CHARS, escape=True, replace=options.replace))
    if not names:
        raise InputError(f"{path} holds no JSON object; write one JSON object a line (JSONL).")
    if not options.roles and set(names) - _PERHAPS_REJECTED == _REJECTED:
        raise _RejectedRows(
            f"{path} is a list of rows that an ingest set aside; mend each, and write what it has as row to a file."
        )
    return names


def _kind(names: Iterable[str], options: ReadOptions) -> Kind:
    """What a table with these columns holds."""
    return options.kind or ("hotels" if looks_like_hotels(names) else "records")


def _names(lines: Iterable[str]) -> list[str]:
    """The names in JSON objects, in the order in which they are met."""
    names: dict[str, None] = {}
    for line in lines:
        if broken_bytes(line):
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            names.update(dict.fromkeys(value))
        if len(names) > _MOST_NAMES:
            break
    return list(names)


def _delimiter(path: Path, encoding: str, header: str, replace: bool) -> str:
    if path.suffix.lower() in {".tsv", ".tab"}:
        return "\t"
    counts = {delimiter: len(next(csv.reader([header], delimiter=delimiter), [])) for delimiter in ",;\t|"}
    best = max(counts, key=lambda delimiter: counts[delimiter])
    if counts[best] > counts[","] > 1:
        # A comma stands in the header too: let the rows decide.
        try:
            sample = "".join(_start(path, encoding, replace))[:_SAMPLE_CHARS]
            return csv.Sniffer().sniff(sample, delimiters=",;\t|").delimiter
        except csv.Error:
            return best
    return best if counts[best] > counts[","] else ","


def _table(
    path: Path, stem: str, options: ReadOptions, form: Format, encoding: str | None, delimiter: str, names: list[str]
) -> Source:
    kind = _kind(names, options)
    columns = find_columns(kind, names, options.roles, str(path))
    reason = f"{path.name} is read as {kind} from {_written(path, form, encoding, options)}; {_roles(columns)}."
    return Source(path, kind, encoding, reason, form, stem, columns, delimiter, replace=options.replace)


def _roles(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{role} from {column!r}" for role, column in columns.items())


def _written(path: Path, form: Format, encoding: str | None, options: ReadOptions) -> str:
    if not encoding:
        return _NAMES[form]
    count = replaced_bytes(path, encoding) if options.replace else 0
    replaced = f", {count:,} byte{'s' if count > 1 else ''} replaced" if count else ""
    return f"{_NAMES[form]} in {encoding}{replaced}"


def _novel_source(path: Path, stem: str, options: ReadOptions, encoding: str, form: Format) -> Source:
    found = novel_outline(path, encoding, markdown=form == "markdown", replace=options.replace)
    reason = f"{path.name} is read as a novel from {_written(path, form, encoding, options)}; {describe(found)}."
    return Source(path, "novel", encoding, reason, form, stem, replace=options.replace)


def _epub_source(path: Path, stem: str) -> Source:
    book = open_book(path)
    title = f" {book.title!r}" if book.title else ""
    reason = f"{path.name} is read as a novel from EPUB;{title} {len(book.spine)} text files."
    return Source(path, "novel", None, reason.replace(";  ", "; ").replace("; '", "; '"), "epub", stem)
