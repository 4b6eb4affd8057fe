"""Streams the rows of CSV, TSV, JSONL and Parquet files, each with its physical line.

A row that cannot be read comes as :class:`Rejected`; the rows after it still come.
"""

from __future__ import annotations

import csv
import datetime
import decimal
import json
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.decoding import read_lines
from ingest.readers.options import Source
from schemas.documents import JSON, Rejected
from schemas.errors import InputError

MAX_ROW_CHARS = 1 << 25
"""Rows longer than this (32 Mi characters) are set aside: they bound a run's memory."""

MAX_DEPTH = 8
"""Deepest nesting of a payload value; the embedded engine crashes on very deep ones."""

_PARQUET_ROWS = 256
_QUOTED_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its physical line (1-based; for Parquet the row number) and its values by column."""

    line: int
    values: dict[str, JSON]


def read_rows(source: Source) -> Iterator[Row | Rejected]:
    """The rows of a table in its order.

    Raises:
        InputError: the file cannot be read at all.
    """
    if source.format == "parquet":
        return _parquet_rows(source.path)
    if source.format == "jsonl":
        return _jsonl_rows(source.path, source.encoding or "utf-8")
    return _csv_rows(source.path, source.encoding or "utf-8", source.delimiter)


def csv_header(path: Path, encoding: str, delimiter: str) -> list[str]:
    """The column names of a CSV file; empty and repeated ones made distinct.

    Raises:
        InputError: the file holds no line.
    """
    for line in _numbered_records(path, encoding, delimiter):
        if not isinstance(line, Rejected):
            return _distinct(line[1])
        raise InputError(f"{path}, line {line.line}: the header {line.reason}; give the columns' names in line 1.")
    raise InputError(f"{path} is empty; give a file with a header and rows.")


def _distinct(names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for number, raw in enumerate(names, 1):
        name = raw.strip() or f"column_{number}"
        unique, copy = name, 2
        while unique in found:
            unique, copy = f"{name}_{copy}", copy + 1
        found.append(unique)
    return found


# -- CSV ------------------------------------------------------------------------------------------
def _csv_rows(path: Path, encoding: str, delimiter: str) -> Iterator[Row | Rejected]:
    records = _numbered_records(path, encoding, delimiter)
    header: list[str] | None = None
    for record in records:
        if isinstance(record, Rejected):
            yield record
        elif header is None:
            header = _distinct(record[1])
        else:
            yield Row(record[0], dict(zip(header, record[1], strict=True)))


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


def _numbered_records(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]] | Rejected]:
    if csv.field_size_limit() <= MAX_ROW_CHARS:
        csv.field_size_limit(2 * MAX_ROW_CHARS)
    lines = _Lines(read_lines(path, encoding, MAX_ROW_CHARS))
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
            yield _reject(path, start, f"is no CSV ({error})", lines.taken)
            lines.give_back(1)
            continue
        if not fields or (width != 1 and len(fields) == 1 and not fields[0].strip()):
            continue
        rejected = _misfit(path, start, lines, fields, width, delimiter)
        if rejected is not None:
            yield rejected
            continue
        width = len(fields)
        yield start, fields


def _misfit(
    path: Path, start: int, lines: _Lines, fields: Sequence[str], width: int | None, delimiter: str
) -> Rejected | None:
    """Why a record is none; the lines that a quote swallowed are given back."""
    if len(lines.taken) == 1 and lines.size > MAX_ROW_CHARS:
        return _reject(path, start, f"is longer than {MAX_ROW_CHARS:,} characters", lines.taken)
    if _never_closed(lines):
        rejected = _reject(path, start, "opens a quote that is never closed", lines.taken[:1])
        lines.give_back(1)
        return rejected
    if width is None or len(fields) == width:
        return None
    reason = f"has {len(fields)} fields where the header has {width}"
    if len(lines.taken) > 1 and _stands_alone(lines.taken[1], delimiter, width):
        reason = "opens a quote that is not closed in its row"
        lines.give_back(1)
    return _reject(path, start, reason, lines.taken)


def _never_closed(lines: _Lines) -> bool:
    if len(lines.taken) < 2 or sum(line.count('"') for line in lines.taken) % 2 == 0:
        return False
    return lines.at_end()


def _long_record(path: Path, start: int, lines: _Lines) -> Rejected:
    if len(lines.taken) > 1:
        rejected = _reject(path, start, "opens a quote that is not closed within the longest row", lines.taken[:1])
        lines.give_back(1)
        return rejected
    return _reject(path, start, f"is longer than {MAX_ROW_CHARS:,} characters", lines.taken)


def _stands_alone(line: str, delimiter: str, width: int) -> bool:
    return line.count('"') % 2 == 0 and len(next(csv.reader([line], delimiter=delimiter), [])) == width > 1


def _reject(path: Path, line: int, reason: str, taken: Sequence[str]) -> Rejected:
    quoted, left = [], _QUOTED_CHARS
    for piece in taken:
        quoted.append(piece[:left])
        left -= len(quoted[-1])
        if left <= 0:
            break
    return Rejected(str(path), line, reason, "".join(quoted).rstrip("\n"))


# -- JSONL ----------------------------------------------------------------------------------------
def _jsonl_rows(path: Path, encoding: str) -> Iterator[Row | Rejected]:
    for number, line in enumerate(read_lines(path, encoding, MAX_ROW_CHARS), 1):
        if not line.strip():
            continue
        if len(line) > MAX_ROW_CHARS + 1:
            yield _reject(path, number, f"is longer than {MAX_ROW_CHARS:,} characters", [line])
            continue
        try:
            value = json.loads(line, parse_constant=_no_constant)
        except json.JSONDecodeError as error:
            yield _reject(path, number, f"is no JSON ({error.msg}, column {error.colno})", [line])
            continue
        except (ValueError, RecursionError) as error:
            reason = "is nested too deep" if isinstance(error, RecursionError) else f"is no JSON ({error})"
            yield _reject(path, number, reason, [line])
            continue
        if not isinstance(value, dict):
            yield _reject(path, number, "is no JSON object", [line])
            continue
        problem = _problem(value)
        yield _reject(path, number, problem, [line]) if problem else Row(number, value)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _problem(value: JSON, depth: int = 0) -> str | None:
    """Why a store or tokenizer could not take the value, or None."""
    if isinstance(value, str):
        torn = any("\ud800" <= char <= "\udfff" for char in value) if not value.isascii() else False
        return "holds half of a surrogate pair" if torn else None
    if isinstance(value, float) and not math.isfinite(value):
        return "holds a number that is not finite"
    if not isinstance(value, list | dict):
        return None
    if depth > MAX_DEPTH:
        return f"is nested deeper than {MAX_DEPTH} levels"
    items: list[Any] = list(value) if isinstance(value, list) else [*value, *value.values()]
    return next((problem for item in items if (problem := _problem(item, depth + 1))), None)


# -- Parquet --------------------------------------------------------------------------------------
def _parquet_rows(path: Path) -> Iterator[Row | Rejected]:
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_PARQUET_ROWS):
                for values in batch.to_pylist():
                    number += 1
                    row: dict[str, JSON] = {
                        key: plain for key, value in values.items() if (plain := _plain(value)) is not None
                    }
                    problem = _problem(row)
                    yield _reject(path, number, problem, [str(row)[:_QUOTED_CHARS]]) if problem else Row(number, row)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}, row {number + 1}: the Parquet file is damaged ({_first_line(error)}).") from error


def parquet_columns(path: Path) -> list[str]:
    """The column names of a Parquet file.

    Raises:
        InputError: it is no Parquet file, or holds no rows.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names, rows = list(file.schema_arrow.names), file.metadata.num_rows
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{path} is no Parquet file or a damaged one ({_first_line(error)}).") from error
    if not rows:
        raise InputError(f"{path} is empty; give a Parquet file with rows.")
    return names


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0].rstrip(".")


def _plain(value: Any) -> JSON:
    """A Parquet value as JSON has it; None where there is none."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value if isinstance(value, str | int | bool) else None if value is None else str(value)
