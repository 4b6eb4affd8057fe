"""Documents from the rows of a table: hotels and records."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from ingest.readers.columns import ColumnTypes
from ingest.readers.met_ids import MetIds
from ingest.readers.options import Source
from ingest.readers.row import Row, set_aside
from ingest.readers.rows import read_rows
from ingest.readers.text import clean
from schemas.documents import JSON, Document, Rejected

SAMPLE_ROWS = 1000
"""How many rows decide the types of a CSV file's columns."""

_SAMPLE_CHARS = 1 << 23
_SHOWN_ID_CHARS = 200
_INT64 = 1 << 63


def read_table(source: Source, met: MetIds) -> Iterator[Document | Rejected]:
    """One document a row, or why there is none. ``met`` are the ids met so far."""
    rows = read_rows(source)
    sample: list[Row | Rejected] = []
    if source.format == "csv":
        size = 0
        for row in itertools.islice(rows, SAMPLE_ROWS):
            sample.append(row)
            size += len(row.raw or "") if isinstance(row, Row) else len(row.row)
            if size > _SAMPLE_CHARS:
                break
    types = ColumnTypes(row.values for row in sample if isinstance(row, Row))
    for position, row in enumerate(itertools.chain(sample, rows)):
        yield row if isinstance(row, Rejected) else _document(source, position, row, types, met)


def _document(source: Source, position: int, row: Row, types: ColumnTypes, met: MetIds) -> Document | Rejected:
    columns, values = source.columns, row.values
    for name in columns.values():
        if _is_object(values.get(name)):
            return set_aside(source.path, row, f"has an object in the column {name!r}, where text should be")
    text = _text(values.get(columns["text"]))
    title = _text(values.get(columns["title"])).strip() if "title" in columns else ""
    if not text.strip():
        return set_aside(source.path, row, f"has no text in the column {columns['text']!r}")
    if source.kind == "hotels" and not title:
        return set_aside(source.path, row, f"has no name in the column {columns['title']!r}")
    document_id = _identity(source, row, title, met)
    if document_id is None:
        reason = f"repeats the id {_shown_id(source, row, title)!r}, which was met before"
        return set_aside(source.path, row, reason, repeats=True)
    payload = _payload(source, values, types)
    return Document(document_id, title, text, source.kind, source.recorded, position, payload=payload)


def _identity(source: Source, row: Row, title: str, met: MetIds) -> str | None:
    """The document's id, noted among ``met``; None where it was met before."""
    columns = source.columns
    own = _text(row.values.get(columns["id"])).strip() if "id" in columns else ""
    if own or source.kind != "hotels":
        found = own or f"{source.stem}:{row.line}"
        return found if met.add(found) else None
    address = _text(row.values.get(columns["address"])).strip() if "address" in columns else ""
    # Branches of a chain share a name: the address tells them apart.
    both = f"{title}\0{address}"
    found = title if title not in met else f"{title} ({address})" if address else title
    if both in met or found in met:
        return None
    met.add(both)
    met.add(found)
    return found


def _shown_id(source: Source, row: Row, title: str) -> str:
    own = _text(row.values.get(source.columns["id"])).strip() if "id" in source.columns else ""
    shown = own or title or f"{source.stem}:{row.line}"
    # The row itself has the whole of it.
    return shown if len(shown) <= _SHOWN_ID_CHARS else shown[:_SHOWN_ID_CHARS] + "…"


def _payload(source: Source, values: Mapping[str, JSON], types: ColumnTypes) -> dict[str, JSON]:
    taken = {source.columns[role] for role in ("id", "title", "text") if role in source.columns}
    payload: dict[str, JSON] = {}
    for name, value in values.items():
        if name in taken or value is None or (isinstance(value, str) and not value.strip()):
            continue
        # One name for the address, whatever its column is called.
        key = "address" if name == source.columns.get("address") else clean(name)
        payload[key] = types.convert(name, clean(value)) if isinstance(value, str) else _bounded(value)
    return payload


def _bounded(value: Any) -> JSON:
    """Integers beyond 64 bits, which no store takes, as strings; the rest as it is."""
    if isinstance(value, bool) or not isinstance(value, int | list | dict):
        return value
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else str(value)
    if isinstance(value, list):
        return [_bounded(item) for item in value]
    return {key: _bounded(item) for key, item in value.items()}


def _is_object(value: JSON) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_is_object, value)))


def _text(value: JSON) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return "\n".join(_text(item) for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
