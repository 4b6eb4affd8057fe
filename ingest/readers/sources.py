"""Decides for each file what it is and how to read it."""

from __future__ import annotations

import csv
import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ingest.decoding import broken_bytes, find_encoding, read_lines
from ingest.readers.columns import find_columns, looks_like_hotels
from ingest.readers.epub import open_book
from ingest.readers.novel import describe, novel_outline
from ingest.readers.options import Format, Kind, ReadOptions, Source
from ingest.readers.parquet import parquet_columns
from ingest.readers.row import MAX_ROW_CHARS
from ingest.readers.rows import csv_header
from schemas.errors import InputError

FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".epub": "epub",
}
_BOOKS: frozenset[Format] = frozenset({"text", "markdown", "epub"})
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
_SUFFIXES = ", ".join(FORMATS)


def open_sources(paths: Sequence[str | os.PathLike[str]], options: ReadOptions | None = None) -> list[Source]:
    """What each file is, found from its name and content or taken from ``options``; folders are walked, sorted.

    Hidden files and files of unknown kinds in folders are passed over; a file given by name never is.

    Raises:
        InputError: a path is missing, a file is empty, binary or lacks a column, a folder holds nothing readable.
        DecodeError: a file's encoding cannot be found.
        UsageError: an encoding does not exist.
    """
    options = options or ReadOptions()
    files = list(dict.fromkeys(file for path in paths for file in _files(Path(path), options.kind)))
    if not files:
        raise InputError("no file was given; name at least one file or folder.")
    return [_source(file, stem, options) for file, stem in zip(files, _stems(files), strict=True)]


def _files(path: Path, kind: Kind | None) -> list[Path]:
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    if not path.is_dir():
        if not path.is_file():
            raise InputError(f"{path} is no regular file; give a file or a folder.")
        return [path]
    found: list[Path] = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            file = Path(folder) / name
            known = FORMATS.get(file.suffix.lower())
            if known is None or name.startswith(".") or not file.is_file() or not file.stat().st_size:
                continue
            if kind is None or (kind == "novel") == (known in _BOOKS):
                found.append(file)
    if not found:
        wanted = f" as {kind}" if kind else ""
        raise InputError(f"the folder {path} holds nothing readable{wanted}; it reads {_SUFFIXES}.")
    return sorted(found, key=lambda file: file.relative_to(path).parts)


def _stems(files: Sequence[Path]) -> list[str]:
    """The files' names without suffix; where two are the same, with as much of their folders as tells them apart."""
    stems = [file.stem for file in files]
    parts = [file.absolute().with_suffix("").parts for file in files]
    for depth in range(2, max(map(len, parts), default=0) + 1):
        twice = {stem for stem, count in Counter(stems).items() if count > 1}
        if not twice:
            return stems
        stems = ["/".join(part[-depth:]) if stem in twice else stem for stem, part in zip(stems, parts, strict=True)]
    # Only the suffix is left to differ: book.txt beside book.md.
    twice = {stem for stem, count in Counter(stems).items() if count > 1}
    return [f.name if s in twice else s for s, f in zip(stems, files, strict=True)]


def _source(path: Path, stem: str, options: ReadOptions) -> Source:
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            start = file.read(8)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions.") from error
    if not size:
        raise InputError(f"{path} is empty; give a file with text in it.")
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
    by_row = form not in _BOOKS or options.kind in {"hotels", "records"} or start.lstrip().startswith(b"{")
    return _text_source(path, stem, options, form, find_encoding(path, options.encoding, by_row=by_row))


def _text_source(path: Path, stem: str, options: ReadOptions, form: Format, encoding: str) -> Source:
    first = next((line for line in _start(path, encoding) if line.strip()), None)
    if first is None:
        raise InputError(f"{path} is empty; give a file with text in it.")
    known = path.suffix.lower() in FORMATS
    is_json = first.lstrip().startswith("{")
    if form in _BOOKS and (options.kind in {"hotels", "records"} or (not known and is_json)):
        form = "jsonl" if is_json else "csv"
    if form in _BOOKS or options.kind == "novel":
        return _novel_source(path, stem, encoding, form if form in _BOOKS else "text")
    if form == "jsonl":
        if first.lstrip().startswith("["):
            raise InputError(f"{path} is a JSON array; write one JSON object a line (JSONL).")
        return _table(path, stem, options, form, encoding, ",", _jsonl_columns(path, encoding))
    delimiter = _delimiter(path, encoding, first)
    return _table(path, stem, options, form, encoding, delimiter, csv_header(path, encoding, delimiter))


def _format(path: Path, start: bytes) -> Format:
    form = FORMATS.get(path.suffix.lower())
    if form is not None:
        return form
    if start.startswith(b"PAR1"):
        return "parquet"
    return "epub" if start.startswith(b"PK\x03\x04") else "text"


def _start(path: Path, encoding: str) -> Iterator[str]:
    """The first lines, as few as show what a file is."""
    size = 0
    for line in itertools.islice(read_lines(path, encoding, MAX_ROW_CHARS, escape=True), _SAMPLE_LINES):
        yield line
        size += len(line)
        if size > _SAMPLE_CHARS:
            return


def _jsonl_columns(path: Path, encoding: str) -> list[str]:
    names: dict[str, None] = {}
    for line in _start(path, encoding):
        if broken_bytes(line):
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            names.update(dict.fromkeys(value))
    if not names:
        raise InputError(f"{path} holds no JSON object in its first lines; write one JSON object a line (JSONL).")
    return list(names)


def _delimiter(path: Path, encoding: str, header: str) -> str:
    if path.suffix.lower() in {".tsv", ".tab"}:
        return "\t"
    counts = {delimiter: len(next(csv.reader([header], delimiter=delimiter), [])) for delimiter in ",;\t|"}
    best = max(counts, key=lambda delimiter: counts[delimiter])
    if counts[best] > counts[","] > 1:
        # A comma stands in the header too: let the rows decide.
        try:
            sample = "".join(_start(path, encoding))[:_SAMPLE_CHARS]
            return csv.Sniffer().sniff(sample, delimiters=",;\t|").delimiter
        except csv.Error:
            return best
    return best if counts[best] > counts[","] else ","


def _table(
    path: Path, stem: str, options: ReadOptions, form: Format, encoding: str | None, delimiter: str, names: list[str]
) -> Source:
    kind: Kind = options.kind or ("hotels" if looks_like_hotels(names) else "records")
    columns = find_columns(kind, names, options.roles, str(path))
    reason = f"{path.name} is read as {kind} from {_written(form, encoding)}; {_roles(columns)}."
    return Source(path, kind, encoding, reason, form, stem, columns, delimiter)


def _roles(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{role} from {column!r}" for role, column in columns.items())


def _written(form: Format, encoding: str | None) -> str:
    return f"{_NAMES[form]} in {encoding}" if encoding else _NAMES[form]


def _novel_source(path: Path, stem: str, encoding: str, form: Format) -> Source:
    found = novel_outline(path, encoding, markdown=form == "markdown")
    reason = f"{path.name} is read as a novel from {_written(form, encoding)}; {describe(found)}."
    return Source(path, "novel", encoding, reason, form, stem)


def _epub_source(path: Path, stem: str) -> Source:
    book = open_book(path)
    title = f" {book.title!r}" if book.title else ""
    reason = f"{path.name} is read as a novel from EPUB;{title} {len(book.spine)} text files."
    return Source(path, "novel", None, reason.replace(";  ", "; ").replace("; '", "; '"), "epub", stem)
