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
from encoders.phrases import words_only
from ingest.blocks import Block, Planned
from ingest.encoding import Vectors
from ingest.payloads import document_payload, passage_hash, passage_payload
from ingest.slices import BATCH_PASSAGES, Slice, texts_of
from ingest.staleness import SINCE_FIT, unknown_terms
from schemas.ids import document_point_id, passage_point_id
from schemas.spaces import DenseBatch, PointBatch, VectorBatch
from stores.base import Store

Sums = dict[str, tuple[np.ndarray[Any, Any], int]]
"""Of each document that is not finished the sum of its passages' vectors, and how many those are."""


class Learned(Protocol):
    """Gives the learned vectors of an ingest's batches, in their order; counts the passages whose vectors were made."""

    encoded: int
    taken_over: int
    """Passages whose vectors stood already."""

    def begin(self, batch: Sequence[Slice]) -> Vectors:
        """Begin with the passages of ``batch``, of which there are some."""
        ...


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
    ahead: Learned | None = None
    """What encodes already, where that was begun beside the reading."""
    batch: int = BATCH_PASSAGES
    """Passages encoded and written together."""
    float16: bool = False
    """Whether the store rounds dense vectors to 16 bits."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A batch whose passages are being encoded: the vectors of its block, and what each document has since the fit."""

    batch: Sequence[Slice]
    ids: list[str]
    learned: Vectors
    lexical: Mapping[str, VectorBatch]
    since: Sequence[Mapping[str, int]] | None


@dataclass(frozen=True, slots=True)
class Stale:
    """Passages of an earlier edition, and the points of their documents."""

    passages: models.Filter
    documents: list[str]


@dataclass(slots=True)
class Written:
    """A batch's points: ``begun`` are documents whose hash is taken away first, ``stale`` passages that go after."""

    begun: list[str]
    passages: PointBatch
    stale: Stale | None
    documents: PointBatch | None


def since_fit(block: Block, target: Target) -> list[dict[str, int]] | None:
    """What each document of the block has that the fit did not know; None where that is not counted."""
    bags = block.features if block.features is not None else block.words and words_only(block.words)
    if not target.fitted_before or target.lexical is None or bags is None:
        return None
    return unknown_terms(bags.take(block.document_rows), target.lexical.lookup, words=block.features is None)


def begin(
    batch: Sequence[Slice],
    target: Target,
    lexical: Mapping[str, VectorBatch],
    since: Sequence[Mapping[str, int]] | None,
    source: Learned | None = None,
) -> Begun:
    """Begin with a batch, whose vectors are carried from another generation or come from ``source``."""
    pairs = [(part.planned.document, passage) for part in batch for passage in part.passages]
    ids = [passage_point_id(target.corpus, document.id, passage.position) for document, passage in pairs]
    learned: Vectors = dict
    if pairs and target.carried is not None:
        hashes = [passage_hash(document.title, passage.text) for document, passage in pairs]
        learned = target.carried.passages(ids, hashes, texts_of(batch, target.titles))
    elif pairs and source is not None:
        learned = source.begin(batch)
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
        # Of what the store will hold: passages that are taken over are rounded already.
        name: _document_means(batch, _rounded(found) if target.float16 else found, sums[name])
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
    stale = _stale(target.corpus, shrunk) if shrunk else None
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


def _rounded(dense: DenseBatch) -> DenseBatch:
    """The vectors as a store of 16 bits a number gives them back."""
    return dense.astype(np.float16).astype(np.float32)


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


def _stale(corpus: str, shrunk: Sequence[Planned]) -> Stale:
    beyond: list[models.Condition] = [
        models.Filter(
            must=[
                models.FieldCondition(key="document_id", match=models.MatchValue(value=one.document.id)),
                models.FieldCondition(key="position", range=models.Range(gte=len(one.passages))),
            ]
        )
        for one in shrunk
    ]
    return Stale(models.Filter(should=beyond), [document_point_id(corpus, one.document.id) for one in shrunk])
