"""Streams the rows of CSV, TSV, JSONL and Parquet files, each with its physical line.

A row that cannot be read comes as :class:`Rejected`; the rows after it still come. That goes for bytes that
are no UTF-8, too, as long as they are few: with many of them the file is not in UTF-8.
"""

from __future__ import annotations

import csv
import json
import re
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from ingest.byte_samples import may_be_broken
from ingest.decoding import broken_bytes, read_lines
from ingest.readers.options import Source
from ingest.readers.parquet import parquet_rows
from ingest.readers.row import MAX_ROW_CHARS, Row, distinct, problem_in, reject
from schemas.documents import Rejected
from schemas.errors import DecodeError, InputError

_TOO_LONG = f"is longer than {MAX_ROW_CHARS:,} characters"
_STATED = re.compile(r'(?P<quote>"?)sep=(?P<sign>[^\w\s"]|\t)(?P=quote)[;,\t ]*\n?', re.IGNORECASE)
_EARLY = 1000
"""So many undecodable rows are judged before a file's end, so that a wrong encoding does not fill a disk."""


def read_rows(source: Source) -> Iterator[Row | Rejected]:
    """The rows of a table in its order.

    Raises:
        InputError: the file cannot be read at all.
        DecodeError: more of its rows than :func:`may_be_broken` allows are no text in its encoding.
    """
    if source.format == "parquet":
        return parquet_rows(source.path)
    encoding = source.encoding or "utf-8"
    if source.format == "jsonl":
        return _few_broken(source.path, _jsonl_rows(source.path, encoding, source.replace))
    return _few_broken(source.path, _csv_rows(source.path, encoding, source.delimiter, source.replace))


def _few_broken(path: Path, rows: Iterator[Row | Rejected]) -> Iterator[Row | Rejected]:
    first: Rejected | None = None
    broken = whole = telling = 0

    def judge() -> None:
        if first is not None and not may_be_broken(broken, whole, telling):
            others = f", as do {broken - 1:,} others" if broken > 1 else ""
            raise DecodeError(
                f"{path}, line {first.line}: the row {first.reason}{others}; name the file's encoding with --encoding."
            )

    for row in rows:
        if isinstance(row, Rejected) and row.undecodable:
            first, broken = first or row, broken + 1
            if broken > _EARLY:
                judge()
        else:
            whole += 1
            # What is ASCII says nothing of the encoding.
            telling += isinstance(row, Row) and row.raw is not None and not row.raw.isascii()
        yield row
    judge()


def _undecodable(line: str, encoding: str) -> str | None:
    found = broken_bytes(line)
    return f"holds the bytes {found.hex(' ')}, which are no text in {encoding}" if found else None


def stated_delimiter(line: str) -> str | None:
    """The delimiter that a first line such as ``sep=;`` states, which is Excel's and no header; None of any other."""
    found = _STATED.fullmatch(line)
    return found["sign"] if found else None


def csv_header(path: Path, encoding: str, delimiter: str, replace: bool = False) -> list[str]:
    """The column names of a CSV file; empty and repeated ones made distinct.

    Raises:
        InputError: the file holds no line.
        DecodeError: the header is no text in the encoding.
    """
    for line in _numbered_records(path, encoding, delimiter, replace):
        if not isinstance(line, Rejected):
            return distinct(line[1])
        if line.undecodable:
            raise DecodeError(f"{path}, line {line.line}: the header {line.reason}; name it with --encoding.")
        raise InputError(f"{path}, line {line.line}: the header {line.reason}; give the columns' names in line 1.")
    raise InputError(f"{path} is empty; give a file with a header and rows.")


# -- CSV ------------------------------------------------------------------------------------------
def _csv_rows(path: Path, encoding: str, delimiter: str, replace: bool) -> Iterator[Row | Rejected]:
    records = _numbered_records(path, encoding, delimiter, replace)
    header: list[str] | None = None
    for record in records:
        if isinstance(record, Rejected):
            yield record
        elif header is None:
            header = distinct(record[1])
        else:
            start, fields, raw = record
            yield Row(start, dict(zip(header, fields, strict=True)), raw)


class _Lines:
    """Physical lines that can be given back, counted."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._returned: deque[str] = deque()
        self.number = 0
        self.taken: list[str] = []
        self.size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        # csv.reader would read on to the end of a quote that is never closed.
        if self.size > MAX_ROW_CHARS:
            raise _TooLongError
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.number += 1
        self.taken.append(line)
        self.size += len(line)
        return line

    @property
    def text(self) -> str:
        """The record as it stands in the file."""
        return self.taken[0] if len(self.taken) == 1 else "".join(self.taken)

    def begin(self) -> None:
        self.taken, self.size = [], 0

    def give_back(self, keep: int) -> None:
        """Give back all lines of this record but the first ``keep``."""
        back = self.taken[keep:]
        self._returned.extendleft(reversed(back))
        self.number -= len(back)
        self.taken = self.taken[:keep]

    def at_end(self) -> bool:
        if self._returned:
            return False
        line = next(self._lines, None)
        if line is None:
            return True
        self._returned.append(line)
        return False


class _TooLongError(Exception):
    """A record passed the limit."""


def _numbered_records(
    path: Path, encoding: str, delimiter: str, replace: bool
) -> Iterator[tuple[int, list[str], str] | Rejected]:
    if csv.field_size_limit() <= MAX_ROW_CHARS:
        csv.field_size_limit(2 * MAX_ROW_CHARS)
    lines = _Lines(read_lines(path, encoding, MAX_ROW_CHARS, escape=True, replace=replace))
    if stated_delimiter(next(lines, "")) is None:
        lines.give_back(0)
    width: int | None = None
    while True:
        lines.begin()
        start = lines.number + 1
        try:
            # One reader a record: after an error no half-read state is left.
            fields = next(csv.reader(lines, delimiter=delimiter))
        except StopIteration:
            return
        except _TooLongError:
            yield _long_record(path, start, lines)
            continue
        except csv.Error as error:
            lines.give_back(1)
            yield reject(path, start, f"is no CSV ({error})", lines.text)
            continue
        if not fields or (width != 1 and len(fields) == 1 and not fields[0].strip()):
            continue
        rejected = _misfit(path, start, lines, fields, width, delimiter)
        if rejected is not None:
            yield rejected
            continue
        raw = lines.text
        undecodable = _undecodable(raw, encoding)
        if undecodable:
            yield reject(path, start, undecodable, raw)
            continue
        width = len(fields)
        yield start, fields, raw


def _misfit(
    path: Path, start: int, lines: _Lines, fields: Sequence[str], width: int | None, delimiter: str
) -> Rejected | None:
    """Why a record is none; the lines that a quote swallowed are given back."""
    if len(lines.taken) == 1 and lines.size > MAX_ROW_CHARS:
        return reject(path, start, _TOO_LONG, lines.text, too_long=True)
    if _never_closed(lines):
        lines.give_back(1)
        return reject(path, start, "opens a quote that is never closed", lines.text)
    if width is None or len(fields) == width:
        return None
    reason = f"has {len(fields)} fields where the header has {width}"
    if len(lines.taken) > 1 and _stands_alone(lines.taken[1], delimiter, width):
        reason = "opens a quote that is not closed in its row"
        lines.give_back(1)
    return reject(path, start, reason, lines.text)


def _never_closed(lines: _Lines) -> bool:
    if len(lines.taken) < 2 or sum(line.count('"') for line in lines.taken) % 2 == 0:
        return False
    return lines.at_end()


def _long_record(path: Path, start: int, lines: _Lines) -> Rejected:
    if len(lines.taken) > 1:
        lines.give_back(1)
        return reject(path, start, "opens a quote that is not closed within the longest row", lines.text)
    return reject(path, start, _TOO_LONG, lines.text, too_long=True)


def _stands_alone(line: str, delimiter: str, width: int) -> bool:
    return line.count('"') % 2 == 0 and len(next(csv.reader([line], delimiter=delimiter), [])) == width > 1


# -- JSONL ----------------------------------------------------------------------------------------
def _jsonl_rows(path: Path, encoding: str, replace: bool) -> Iterator[Row | Rejected]:
    for number, line in enumerate(read_lines(path, encoding, MAX_ROW_CHARS, escape=True, replace=replace), 1):
        if not line.strip():
            continue
        if len(line) - line.endswith("\n") > MAX_ROW_CHARS:
            yield reject(path, number, _TOO_LONG, line, too_long=True)
            continue
        undecodable = _undecodable(line, encoding)
        if undecodable:
            yield reject(path, number, undecodable, line)
            continue
        try:
            value = json.loads(line, parse_constant=_no_constant)
        except json.JSONDecodeError as error:
            yield reject(path, number, f"is no JSON ({error.msg}, column {error.colno})", line)
            continue
        except (ValueError, RecursionError) as error:
            reason = "is nested too deep" if isinstance(error, RecursionError) else f"is no JSON ({error})"
            yield reject(path, number, reason, line)
            continue
        if not isinstance(value, dict):
            yield reject(path, number, "is no JSON object", line)
            continue
        problem = problem_in(value)
        yield reject(path, number, problem, line) if problem else Row(number, value, line)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
