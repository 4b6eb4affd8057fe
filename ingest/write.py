"""The writing pass: passages to vectors to points, encoding and writing at the same time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from qdrant_client import models

from encoders.base import Encoder
from encoders.lexical import LexicalEncoder
from ingest.payloads import document_payload, passage_hash, passage_payload
from ingest.spool import Planned
from schemas.documents import Passage
from schemas.ids import document_point_id, passage_point_id
from schemas.spaces import DenseBatch, PointBatch, VectorBatch
from stores.base import Store

BATCH_PASSAGES = 128
"""Passages encoded and written together; a flush to disk each makes smaller batches slower."""

QUEUED_BATCHES = 4
"""Batches that may wait between encoder and writer; a slow disk then holds the encoder back."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Some consecutive passages of one document; ``last`` when no more of it follow."""

    planned: Planned
    passages: Sequence[Passage]
    last: bool


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


@dataclass(slots=True)
class _Written:
    passages: PointBatch
    stale: models.Filter | None
    documents: PointBatch | None


@dataclass(slots=True)
class Timings:
    """Seconds spent in each stage of the writing pass."""

    encode: float = 0.0
    write: float = 0.0
    errors: list[BaseException] = field(default_factory=list)


def slices(documents: Iterable[Planned], size: int = BATCH_PASSAGES) -> Iterator[list[Slice]]:
    """Cut the stream of documents into batches of at most ``size`` passages, in order."""
    batch: list[Slice] = []
    room = size
    for planned in documents:
        at = 0
        while True:
            part = planned.passages[at : at + room]
            at += len(part)
            room -= len(part)
            done = at >= len(planned.passages)
            batch.append(Slice(planned, part, done))
            if room == 0:
                yield batch
                batch, room = [], size
            if done:
                break
    if batch:
        yield batch


def indexed_text(title: str, text: str, titles: bool) -> str:
    """What is encoded of a passage: BEIR's convention, title and text, where titles are on."""
    return f"{title}\n{text}" if titles and title else text


def write_documents(documents: Iterable[Planned], target: Target) -> Iterator[tuple[int, Timings]]:
    """Encode and write all documents; yields passages written so far and the seconds by stage.

    A document's own point, with its content hash, is written after its passages and after its
    stale ones are gone: whatever stops the run before, the next one does that document again.
    """
    work: queue.Queue[_Written | None] = queue.Queue(QUEUED_BATCHES)
    timings = Timings()
    writer = threading.Thread(target=_writer, args=(work, target, timings), name="xunyi-writer", daemon=True)
    writer.start()
    means: dict[str, tuple[np.ndarray[Any, Any], int]] = {}
    gathered: dict[str, list[str]] = {}
    done = 0
    try:
        for batch in slices(documents):
            if timings.errors:
                break
            start = time.perf_counter()
            written = _encode(batch, target, means, gathered)
            timings.encode += time.perf_counter() - start
            work.put(written)
            done += len(written.passages)
            yield done, timings
    finally:
        # On the way out of an error what is already encoded is still written: nothing paid for is lost.
        work.put(None)
        writer.join()
    if timings.errors:
        raise timings.errors[0]
    yield done, timings


def _writer(work: queue.Queue[_Written | None], target: Target, timings: Timings) -> None:
    while (batch := work.get()) is not None:
        if timings.errors:
            continue
        start = time.perf_counter()
        try:
            if len(batch.passages):
                target.store.upsert(target.passages, batch.passages)
            if batch.stale is not None:
                target.store.delete(target.passages, batch.stale)
            if batch.documents is not None:
                target.store.upsert(target.documents, batch.documents)
        except BaseException as error:  # handed to the thread that reads the results
            timings.errors.append(error)
        timings.write += time.perf_counter() - start


def _encode(
    batch: Sequence[Slice],
    target: Target,
    means: dict[str, tuple[np.ndarray[Any, Any], int]],
    gathered: dict[str, list[str]],
) -> _Written:
    pairs = [(part.planned.document, passage) for part in batch for passage in part.passages]
    texts = [indexed_text(document.title, passage.text, target.titles) for document, passage in pairs]
    ids = [passage_point_id(target.corpus, document.id, passage.position) for document, passage in pairs]
    vectors: dict[str, VectorBatch] = {}
    if target.encoder is not None and texts:
        vectors.update(_reusing(target, batch, texts, ids))
    words = passage_words(batch, target.lexical, target.titles)
    if target.lexical is not None:
        vectors.update(target.lexical.encode_passages(texts, [found for part in words for found in part]))
    passages = PointBatch(ids, [passage_payload(document, passage) for document, passage in pairs], vectors)

    finished = [part.planned for part in batch if part.last]
    dense = vectors.get("dense")
    doc_dense = _document_means(batch, dense, means) if isinstance(dense, np.ndarray) else None
    shrunk = [p for p in finished if target.resumed or p.old_passages > len(p.passages)]
    stale = models.Filter(should=[_stale_filter(planned) for planned in shrunk]) if shrunk else None
    whole_words = document_words(batch, words, target.lexical, target.titles, gathered)
    if not finished:
        return _Written(passages, stale, None)
    doc_vectors: dict[str, VectorBatch] = {}
    if doc_dense is not None:
        doc_vectors["dense"] = doc_dense
    if target.lexical is not None:
        whole = [indexed_text(p.document.title, p.document.text, target.titles) for p in finished]
        doc_vectors.update(target.lexical.encode_passages(whole, whole_words))
    documents = PointBatch(
        [document_point_id(target.corpus, planned.document.id) for planned in finished],
        [document_payload(planned.document, len(planned.passages), planned.hash) for planned in finished],
        doc_vectors,
    )
    return _Written(passages, stale, documents)


def _reusing(target: Target, batch: Sequence[Slice], texts: list[str], ids: list[str]) -> Mapping[str, VectorBatch]:
    """Encode the passages, taking over a changed document's dense vectors where the passage stayed the same."""
    assert target.encoder is not None
    old: dict[str, dict[str, Any]] = {}
    names = [name for name, space in target.encoder.spaces.items() if space.kind == "dense"]
    if len(names) == len(target.encoder.spaces):
        wanted = [
            passage_point_id(target.corpus, part.planned.document.id, position)
            for part in batch
            for position in range(part.planned.old_passages)
        ]
        for record in target.store.retrieve(target.passages, wanted, payload=["hash"], vectors=names) if wanted else []:
            if isinstance(record.vector, dict) and all(name in record.vector for name in names):
                old[str((record.payload or {}).get("hash"))] = record.vector
    if not old:
        return target.encoder.encode_passages(texts)
    hashes = [passage_hash(part.planned.document, passage) for part in batch for passage in part.passages]
    fresh = [row for row, digest in enumerate(hashes) if digest not in old]
    new = target.encoder.encode_passages([texts[row] for row in fresh]) if fresh else {}
    result: dict[str, VectorBatch] = {}
    for name in names:
        matrix = np.zeros((len(texts), target.encoder.spaces[name].dim or 0), dtype=np.float32)
        for row, digest in enumerate(hashes):
            if digest in old:
                matrix[row] = old[digest][name]
        if fresh:
            matrix[fresh] = new[name]
        result[name] = matrix
    return result


def passage_words(batch: Sequence[Slice], lexical: LexicalEncoder | None, titles: bool) -> list[list[list[str]]]:
    """For each slice the words of each of its passages, the title's first; found now where the fit did not."""
    if lexical is None or not lexical.has_words:
        return [[[] for _ in part.passages] for part in batch]
    analyzer = lexical.analyzer
    found = []
    for part in batch:
        title = analyzer.words(part.planned.document.title) if titles else []
        known = part.planned.words
        found.append(
            [
                title + (analyzer.words(passage.text) if known is None else known[passage.position])
                for passage in part.passages
            ]
        )
    return found


def document_words(
    batch: Sequence[Slice],
    words: Sequence[list[list[str]]],
    lexical: LexicalEncoder | None,
    titles: bool,
    gathered: dict[str, list[str]],
) -> list[list[str]]:
    """The words of each finished document: its title's once, then its passages'; a document may span batches."""
    if lexical is None or not lexical.has_words:
        return [[] for part in batch if part.last]
    finished = []
    for part, found in zip(batch, words, strict=True):
        document = part.planned.document
        title = lexical.analyzer.words(document.title) if titles else []
        whole = gathered.pop(document.id, None) or list(title)
        for one in found:
            whole.extend(one[len(title) :])
        if part.last:
            finished.append(whole)
        else:
            gathered[document.id] = whole
    return finished


def _document_means(
    batch: Sequence[Slice], dense: DenseBatch, means: dict[str, tuple[np.ndarray[Any, Any], int]]
) -> DenseBatch:
    """The mean of each finished document's passage vectors, of unit length; a document may span batches."""
    rows: list[np.ndarray[Any, Any]] = []
    at = 0
    for part in batch:
        piece = dense[at : at + len(part.passages)]
        at += len(part.passages)
        total, count = means.pop(part.planned.document.id, (np.zeros(dense.shape[1], dtype=np.float64), 0))
        total = total + piece.sum(axis=0, dtype=np.float64)
        count += len(piece)
        if not part.last:
            means[part.planned.document.id] = (total, count)
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
