"""A corpus's documents and passages, read back from its shelves in the order in which they were ingested."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from qdrant_client import models

from ingest.blocks import Block, Planned
from ingest.plan import batched, document_hash
from schemas.documents import Document, Passage, Stretch
from schemas.errors import StoreDamaged
from schemas.ids import passage_point_id
from schemas.manifest import CorpusManifest
from schemas.payload_paths import META
from schemas.spaces import Shelf
from stores.base import Store, collection_name

DOCUMENTS_BATCH = 64
"""Documents fetched together, with their passages."""


def stored_documents(
    store: Store, manifest: CorpusManifest, *, with_passages: bool = True, titles: bool | None = None
) -> Iterator[Planned]:
    """Every document of the corpus as it was read, with its passages as they were cut unless told otherwise.

    Those of one source come in its order; sources by name. Each has the hash that it was recorded with, or
    with ``titles`` other than the manifest's the hash that it has then.

    Raises ``StoreDamaged`` where passages of a document are missing.
    """
    documents = collection_name(manifest.corpus, manifest.generation, Shelf.DOCUMENTS)
    rehash = titles is not None and titles != manifest.titles
    for ids in batched(_in_reading_order(store, documents), DOCUMENTS_BATCH):
        payloads = [payload_of(record) for record in store.retrieve(documents, ids)]
        passages = _passages(store, manifest, payloads) if with_passages else {}
        for payload in payloads:
            document = _document(payload)
            digest = document_hash(document, bool(titles)) if rehash else str(payload["hash"])
            yield Planned(document, passages.get(document.id, []), digest)


def unanalysed(documents: Sequence[Planned]) -> Block:
    """A block of documents of which no term is counted."""
    return Block(list(documents), None, None, [0] * len(documents), [])


def payload_of(record: models.Record) -> dict[str, Any]:
    """A point's payload, as a mapping of one's own."""
    return dict(record.payload or {})


def _in_reading_order(store: Store, documents: str) -> Iterator[str]:
    """The ids of all documents, by source and position; 28 bytes of memory for each."""
    ids = bytearray()
    positions, sources = array("q"), array("i")
    names: dict[str, int] = {}
    for record in store.scroll(documents, payload=["source", "position"]):
        payload = record.payload or {}
        ids += UUID(str(record.id)).bytes
        positions.append(int(payload["position"]))
        sources.append(names.setdefault(str(payload["source"]), len(names)))
    places = {name: place for place, name in enumerate(sorted(names))}
    ranks = np.array([places[name] for name in names], dtype=np.int64)[np.frombuffer(sources, dtype=np.int32)]
    for row in np.lexsort((np.frombuffer(positions, dtype=np.int64), ranks)):
        yield str(UUID(bytes=bytes(ids[16 * row : 16 * row + 16])))


def _passages(
    store: Store, manifest: CorpusManifest, payloads: Iterable[Mapping[str, Any]]
) -> dict[str, list[Passage]]:
    names = [(str(payload["document_id"]), int(payload["passages"])) for payload in payloads]
    wanted = [passage_point_id(manifest.corpus, name, at) for name, count in names for at in range(count)]
    collection = collection_name(manifest.corpus, manifest.generation, Shelf.PASSAGES)
    records = store.retrieve(collection, wanted, payload=["document_id", "position", "start", "end", "text"])
    if len(records) < len(wanted):
        raise StoreDamaged(
            f"{store.location}: {len(wanted) - len(records)} passages of {manifest.corpus!r} are missing; "
            f"ingest its files into a new corpus."
        )
    found: dict[str, list[Passage]] = {}
    for record in records:
        payload = record.payload or {}
        passage = Passage(**{name: payload[name] for name in Passage.__slots__})
        found.setdefault(passage.document_id, []).append(passage)
    return found


def _document(payload: Mapping[str, Any]) -> Document:
    return Document(
        id=str(payload["document_id"]),
        title=str(payload["title"]),
        text=str(payload["text"]),
        kind=str(payload["kind"]),
        source=str(payload["source"]),
        position=int(payload["position"]),
        chapter=payload["chapter"],
        stretches=tuple(Stretch(*stretch) for stretch in payload["stretches"]),
        payload=payload[META],
    )


def document_hashes(store: Store, manifest: CorpusManifest, *, titles: bool) -> Iterator[tuple[str, str]]:
    """Each document's point and hash, in the order of the ids; as it would be with ``titles``, whatever is recorded."""
    documents = collection_name(manifest.corpus, manifest.generation, Shelf.DOCUMENTS)
    if titles == manifest.titles:
        for record in store.scroll(documents, payload=["hash"]):
            yield str(record.id), str(payload_of(record)["hash"])
        return
    for record in store.scroll(documents):
        payload = payload_of(record)
        # One that an ingest has begun to replace agrees with no edition.
        yield str(record.id), document_hash(_document(payload), titles) if payload["hash"] else ""
