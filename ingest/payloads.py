"""The payloads of the three shelves, and which of a document's fields can be filtered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from schemas.dates import is_other_date
from schemas.documents import Document, Passage
from schemas.ids import content_hash
from schemas.payload_paths import DATED, META, MIXED, payload_values
from stores.base import PayloadIndexType


def passage_hash(title: str, text: str) -> str:
    """The digest of what a passage's vectors are made from: its document's title, and its text."""
    return content_hash(title, text)


def passage_payload(document: Document, passage: Passage) -> dict[str, Any]:
    """What a passage's point holds: all that a hit shows, and its own content hash."""
    return {
        "document_id": document.id,
        "title": document.title,
        "chapter": document.chapter,
        "position": passage.position,
        "start": passage.start,
        "end": passage.end,
        "text": passage.text,
        "hash": passage_hash(document.title, passage.text),
        META: dict(document.payload),
    }


def document_payload(document: Document, passages: int, digest: str) -> dict[str, Any]:
    """What a document's point holds: the full text once, and the hash that the next ingest compares."""
    return {
        "document_id": document.id,
        "title": document.title,
        "chapter": document.chapter,
        "text": document.text,
        "kind": document.kind,
        "source": document.source,
        "position": document.position,
        "stretches": [[s.text_start, s.source_start, s.length] for s in document.stretches],
        "passages": passages,
        "hash": digest,
        META: dict(document.payload),
    }


_JOINED = {frozenset(("integer", "float")): "float", frozenset(("keyword", DATED)): DATED}
"""The type of a field that holds values of two."""


class FieldTypes:
    """Learns the type of each payload field from the values that pass by; nested ones too, by their paths."""

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self._types: dict[str, str] = dict(known or {})

    def add(self, payload: Mapping[str, Any]) -> None:
        """Look at one document's fields; mixed numbers become float, other mixtures than of texts ``MIXED``."""
        for field, value in payload_values(payload):
            for item in value if isinstance(value, list) else [value]:
                kind = _type_of(item)
                known = self._types.get(field)
                if kind is None or kind == known:
                    continue
                self._types[field] = kind if known is None else _JOINED.get(frozenset((known, kind)), MIXED)

    def as_dict(self) -> dict[str, str]:
        """Types by field, sorted by field."""
        return dict(sorted(self._types.items()))


def index_type(kind: str) -> PayloadIndexType:
    """The index of a field of that type: a mixture is mostly text."""
    return "keyword" if kind in (MIXED, DATED) else cast(PayloadIndexType, kind)


def _type_of(value: Any) -> str | None:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "float"
    if isinstance(value, str):
        return DATED if is_other_date(value) else "keyword"
    return None
