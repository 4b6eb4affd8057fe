"""Streams the rows of Parquet files as JSON has them."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ingest.readers.row import Row, distinct, problem_in, set_aside
from schemas.documents import JSON, Rejected
from schemas.errors import InputError

_PARQUET_ROWS = 256


def parquet_rows(path: Path) -> Iterator[Row | Rejected]:
    """The rows in their order.

    Raises:
        InputError: the file is damaged.
    """
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_PARQUET_ROWS):
                columns = dict(zip(distinct(batch.schema.names), batch.columns, strict=True))
                for at in range(batch.num_rows):
                    number += 1
                    row, problem = _row(number, {name: column[at] for name, column in columns.items()})
                    yield set_aside(path, row, problem) if problem else row
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}, row {number + 1}: the Parquet file is damaged ({_first_line(error)}).") from error


def _row(number: int, values: Mapping[str, Any]) -> tuple[Row, str | None]:
    """The row, and what keeps it from being read: dates of Parquet go further than those of Python."""
    plain: dict[str, JSON] = {}
    problem = None
    for name, value in values.items():
        try:
            plain[name] = _plain(value.as_py())
        except (OverflowError, ValueError) as error:
            if isinstance(error, UnicodeDecodeError):
                raise
            plain[name] = _shown(value)
            problem = problem or f"holds a {value.type} in {name!r} that is out of range"
    row = Row(number, plain)
    return row, problem or problem_in(plain)


def _shown(value: Any) -> str:
    import pyarrow

    try:
        return str(value.cast(pyarrow.string()))
    except (pyarrow.ArrowException, OverflowError, ValueError):
        return "?"


def parquet_columns(path: Path) -> list[str]:
    """The column names of a Parquet file.

    Raises:
        InputError: it is no Parquet file, or holds no rows.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names, rows = distinct(file.schema_arrow.names), file.metadata.num_rows
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
