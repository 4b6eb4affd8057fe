"""Batches of passages to points: their vectors, payloads, and what of the old points goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from qdrant_client import models

from encoders.base import Encoder
from encoders.lexical import LexicalEncoder
from ingest.blocks import Block, Planned, indexed_text
from ingest.copying import dense_rows
from ingest.encoding import Vectors, begin_encoding
from ingest.payloads import document_payload, passage_hash, passage_payload
from ingest.slices import BATCH_PASSAGES, Slice
from ingest.staleness import SINCE_FIT, unknown_terms
from schemas.ids import document_point_id, passage_point_id
from schemas.spaces import DenseBatch, PointBatch, VectorBatch
from stores.base import Store

Sums = dict[str, tuple[np.ndarray[Any, Any], int]]
"""Of each document that is not finished the sum of its passages' vectors, and how many those are."""


class Carried(Protocol):
    """What the points of a corpus's next generation take over from the one in use."""

    @property
    def ahead(self) -> int:
        """Batches that may be begun besides the one whose vectors are wanted next."""
        ...

    def passages(self, ids: Sequence[str], hashes: Sequence[str], texts: Sequence[str]) -> Vectors:
        """Begin with these passages; gives their vectors in all spaces that are not fitted anew: copied, or encoded."""
        ...

    def documents(self, ids: Sequence[str]) -> tuple[dict[str, VectorBatch], list[dict[str, Any]]]:
        """The vectors of these documents in the spaces that are copied, and what is copied of each payload."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """Where the points of a corpus go, and what makes their vectors."""

    store: Store
    corpus: str
    passages: str
    documents: str
    encoder: Encoder | None
    lexical: LexicalEncoder | None
    titles: bool
    resumed: bool = False
    """Whether an earlier run was cut off: passages may then stand that no document's point counts."""
    fitted_before: bool = False
    """Whether the lexical spaces were fitted without these documents."""
    carried: Carried | None = None
    """What gives the other vectors instead of ``encoder``, where the corpus stands and this is its next generation."""
    batch: int = BATCH_PASSAGES
    """Passages encoded and written together."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A batch whose passages are being encoded: the vectors of its block, and what each document has since the fit."""

    batch: Sequence[Slice]
    ids: list[str]
    learned: Vectors
    lexical: Mapping[str, VectorBatch]
    since: Sequence[Mapping[str, int]] | None


@dataclass(slots=True)
class Written:
    """A batch's points: ``begun`` are documents whose hash is taken away first, ``stale`` passages that go after."""

    begun: list[str]
    passages: PointBatch
    stale: models.Filter | None
    documents: PointBatch | None


def since_fit(block: Block, target: Target) -> list[dict[str, int]] | None:
    """What each document of the block has that the fit did not know; None where that is not counted."""
    bags = block.features if block.features is not None else block.words
    if not target.fitted_before or target.lexical is None or bags is None:
        return None
    return unknown_terms(bags.take(block.document_rows), target.lexical.lookup, words=block.features is None)


def begin(
    batch: Sequence[Slice],
    target: Target,
    lexical: Mapping[str, VectorBatch],
    since: Sequence[Mapping[str, int]] | None,
) -> Begun:
    """Begin with a batch: have its passages encoded, where that is done elsewhere."""
    pairs = [(part.planned.document, passage) for part in batch for passage in part.passages]
    ids = [passage_point_id(target.corpus, document.id, passage.position) for document, passage in pairs]
    learned: Vectors = dict
    if pairs and (target.carried is not None or target.encoder is not None):
        texts = [indexed_text(document.title, passage.text, target.titles) for document, passage in pairs]
        if target.carried is not None:
            learned = target.carried.passages(ids, [passage_hash(*pair) for pair in pairs], texts)
        else:
            learned = _reusing(target, batch, texts)
    return Begun(batch, ids, learned, lexical, since)


def finish(one: Begun, target: Target, sums: defaultdict[str, Sums]) -> Written:
    """The batch's points, once its vectors are there; ``sums`` are those of documents that span batches."""
    batch, ids, lexical = one.batch, one.ids, one.lexical
    learned = one.learned()
    first = batch[0].row
    vectors = {**learned, **{name: rows[first : first + len(ids)] for name, rows in lexical.items()}}
    payloads = [passage_payload(part.planned.document, passage) for part in batch for passage in part.passages]
    passages = PointBatch(ids, payloads, vectors)

    finished = [part for part in batch if part.last]
    averaged = {
        name: _document_means(batch, found, sums[name])
        for name, found in learned.items()
        if isinstance(found, np.ndarray)
    }
    begun = [
        document_point_id(target.corpus, part.planned.document.id)
        for part in batch
        if part.planned.old_passages is not None and part.passages and part.passages[0].position == 0
    ]
    shrunk = [
        part.planned
        for part in finished
        if target.resumed or (part.planned.old_passages or 0) > len(part.planned.passages)
    ]
    stale = models.Filter(should=[_stale_filter(planned) for planned in shrunk]) if shrunk else None
    if not finished:
        return Written(begun, passages, stale, None)
    rows = [part.document_row for part in finished]
    document_vectors: dict[str, VectorBatch] = {**averaged}
    document_vectors.update({name: found[rows] for name, found in lexical.items()})  # type: ignore[call-overload]
    planned = [part.planned for part in finished]
    payloads = [document_payload(one.document, len(one.passages), one.hash) for one in planned]
    if one.since is not None:
        for payload, part in zip(payloads, finished, strict=True):
            payload[SINCE_FIT] = dict(one.since[part.number])
    points = [document_point_id(target.corpus, one.document.id) for one in planned]
    if target.carried is not None:
        copied, additions = target.carried.documents(points)
        document_vectors.update(copied)
        for payload, addition in zip(payloads, additions, strict=True):
            payload.update(addition)
    return Written(begun, passages, stale, PointBatch(points, payloads, document_vectors))


def _reusing(target: Target, batch: Sequence[Slice], texts: list[str]) -> Vectors:
    """Encode the passages, taking over a changed document's dense vectors where the passage stayed the same.

    So are those that a run wrote which was cut off. What must be encoded is begun here by an encoder that
    works ahead.
    """
    encoder = target.encoder
    assert encoder is not None
    old: dict[str, dict[str, Any]] = {}
    names = [name for name, space in encoder.spaces.items() if space.kind == "dense"]
    if len(names) == len(encoder.spaces):
        wanted = [
            passage_point_id(target.corpus, part.planned.document.id, position)
            for part in batch
            for position in range(_standing(part.planned, target))
        ]
        for record in target.store.retrieve(target.passages, wanted, payload=["hash"], vectors=names) if wanted else []:
            if isinstance(record.vector, dict) and all(name in record.vector for name in names):
                old[str((record.payload or {}).get("hash"))] = record.vector
    if not old:
        return begin_encoding(encoder, texts)
    hashes = [passage_hash(part.planned.document, passage) for part in batch for passage in part.passages]
    fresh = [row for row, digest in enumerate(hashes) if digest not in old]
    encoded: Vectors = begin_encoding(encoder, [texts[row] for row in fresh]) if fresh else dict

    def merged() -> Mapping[str, VectorBatch]:
        new = encoded()
        result: dict[str, VectorBatch] = {}
        for name in names:
            standing = [old[digest][name] if digest in old else None for digest in hashes]
            matrix = dense_rows(standing, encoder.spaces[name].dim or 0)
            if fresh:
                matrix[fresh] = new[name]
            result[name] = matrix
        return result

    return merged


def _standing(planned: Planned, target: Target) -> int:
    """How many passages of the document may stand."""
    return max(planned.old_passages or 0, len(planned.passages) if target.resumed else 0)


def _document_means(batch: Sequence[Slice], dense: DenseBatch, sums: Sums) -> DenseBatch:
    """The mean of each finished document's passage vectors, of unit length; a document may span batches."""
    rows: list[np.ndarray[Any, Any]] = []
    at = 0
    for part in batch:
        piece = dense[at : at + len(part.passages)]
        at += len(part.passages)
        total, count = sums.pop(part.planned.document.id, (np.zeros(dense.shape[1], dtype=np.float64), 0))
        total = total + piece.sum(axis=0, dtype=np.float64)
        count += len(piece)
        if not part.last:
            sums[part.planned.document.id] = (total, count)
            continue
        norm = float(np.linalg.norm(total))
        rows.append(total / norm if norm > 0 else total)
    return np.asarray(rows, dtype=np.float32).reshape(len(rows), dense.shape[1])


def _stale_filter(planned: Planned) -> models.Filter:
    return models.Filter(
        must=[
            models.FieldCondition(key="document_id", match=models.MatchValue(value=planned.document.id)),
            models.FieldCondition(key="position", range=models.Range(gte=len(planned.passages))),
        ]
    )
