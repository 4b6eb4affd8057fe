"""Documents from the rows of a table: hotels and records."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ingest.readers.columns import ColumnTypes
from ingest.readers.met_ids import MetIds, Standing, StandingDocuments
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
_LOOKED_UP_ROWS = 256


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
    every = itertools.chain(sample, rows)
    if source.kind == "hotels" and met.standing is not None:
        yield from _beside_standing(source, every, types, met, met.standing)
        return
    for position, row in enumerate(every):
        yield row if isinstance(row, Rejected) else _document(source, position, row, types, met, {})


def _beside_standing(
    source: Source, rows: Iterator[Row | Rejected], types: ColumnTypes, met: MetIds, standing: StandingDocuments
) -> Iterator[Document | Rejected]:
    """The documents of rows, of which many are looked up together in the corpus by the ids that they could have."""
    position = 0
    while batch := list(itertools.islice(rows, _LOOKED_UP_ROWS)):
        nameless = [row for row in batch if isinstance(row, Row) and not _cell(source, row, "id")]
        found = standing([name for row in nameless for name in _branch_names(source, row)])
        for row in batch:
            yield row if isinstance(row, Rejected) else _document(source, position, row, types, met, found)
            position += 1


def _document(
    source: Source, position: int, row: Row, types: ColumnTypes, met: MetIds, standing: Mapping[str, Standing]
) -> Document | Rejected:
    columns, values = source.columns, row.values
    for name in columns.values():
        if _is_object(values.get(name)):
            return set_aside(source.path, row, f"has an object in the column {name!r}, where text should be")
    text = _text(values.get(columns["text"]))
    title = _cell(source, row, "title")
    if not text.strip():
        return set_aside(source.path, row, f"has no text in the column {columns['text']!r}")
    if source.kind == "hotels" and not title:
        return set_aside(source.path, row, f"has no name in the column {columns['title']!r}")
    payload = _payload(source, values, types)
    document_id = _identity(source, row, payload.get("address"), met, standing)
    if document_id is None:
        reason = f"repeats the id {_shown_id(source, row, title)!r}, which was met before"
        return set_aside(source.path, row, reason, repeats=True)
    return Document(document_id, title, text, source.kind, source.recorded, position, payload=payload)


def _identity(source: Source, row: Row, place: JSON, met: MetIds, standing: Mapping[str, Standing]) -> str | None:
    """The document's id, noted among ``met``; None where it was met before. ``place`` is its address as it is kept."""
    own = _cell(source, row, "id")
    if own or source.kind != "hotels":
        found = own or f"{source.stem}:{row.line}"
        return found if met.add(found) else None
    title, qualified = _branch_names(source, row)
    both = f"{title}\0{_cell(source, row, 'address')}"
    found = qualified if title in met else _branch(source, title, qualified, place, standing)
    if both in met or found in met:
        return None
    met.add(both)
    met.add(found)
    return found


def _branch_names(source: Source, row: Row) -> tuple[str, str]:
    """What a hotel without an id may be called: branches of a chain share a name, and the address tells them apart."""
    title, address = _cell(source, row, "title"), _cell(source, row, "address")
    return title, f"{title} ({address})" if address else title


def _branch(source: Source, title: str, qualified: str, place: JSON, standing: Mapping[str, Standing]) -> str:
    """The id under which the hotel stands, or that of a new one; its name alone, unless another file's hotel has it.

    In one file, another address beside the name is an edited one.
    """
    bare, other = standing.get(title), standing.get(qualified)
    if bare is not None and bare.address == place:
        return title
    if other is not None and other.address == place:
        return qualified
    return title if bare is None or bare.file == os.path.realpath(source.path) else qualified


def _cell(source: Source, row: Row, role: str) -> str:
    """The row's text in the column of that role; empty where there is none."""
    return _text(row.values.get(source.columns[role])).strip() if role in source.columns else ""


def _shown_id(source: Source, row: Row, title: str) -> str:
    shown = _cell(source, row, "id") or title or f"{source.stem}:{row.line}"
    # The row itself has the whole of it.
    return shown if len(shown) <= _SHOWN_ID_CHARS else shown[:_SHOWN_ID_CHARS] + "…"


def _payload(source: Source, values: Mapping[str, JSON], types: ColumnTypes) -> dict[str, JSON]:
    taken = {source.columns[role] for role in ("id", "title", "text") if role in source.columns}
    keys = _keys([name for name in values if name not in taken], source.columns.get("address"))
    payload: dict[str, JSON] = {}
    for name, key in keys.items():
        value = values[name]
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        payload[key] = types.convert(name, clean(value)) if isinstance(value, str) else _bounded(value)
    return payload


def _keys(names: Sequence[str], address: str | None) -> dict[str, str]:
    """What columns are called in a payload: the one of the address always so, and every other by a name of its own.

    So ``address`` becomes ``address_2`` where another column was chosen for the address.
    """
    keys: dict[str, str] = {} if address is None else {address: "address"}
    used = set(keys.values())
    for name in names:
        if name == address:
            continue
        key, copy = clean(name), 2
        while key in used or (copy > 2 and key in names):
            key, copy = f"{clean(name)}_{copy}", copy + 1
        keys[name] = key
        used.add(key)
    return {name: keys[name] for name in names}


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
