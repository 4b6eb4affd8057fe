"""The writing pass: blocks to vectors to points, encoding and writing at the same time."""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ingest.blocks import Block
from ingest.encoding import batches_ahead
from ingest.points import Begun, Learned, Sums, Target, Written, begin, finish, since_fit
from ingest.slices import slices
from ingest.standing import Standing
from schemas.errors import StoreUnavailable

QUEUED_BATCHES = 4
"""Batches that may wait between encoder and writer; a slow disk then holds the encoder back."""


@dataclass(slots=True)
class Timings:
    """Seconds spent in each stage of the writing pass."""

    encode: float = 0.0
    write: float = 0.0
    passages: int = 0
    """What is in: passages that the store has acknowledged."""
    encoded: int = 0
    """Passages whose learned vectors were made."""
    taken_over: int = 0
    """Passages whose learned vectors stood already."""
    errors: list[BaseException] = field(default_factory=list)


def write_documents(blocks: Iterable[Block], target: Target) -> Iterator[tuple[int, Timings]]:
    """Encode and write all documents; yields passages written so far and the seconds by stage.

    A document's own point, with its content hash, is written after its passages and after its
    stale ones are gone: whatever stops the run before, the next one does that document again. The
    hash of one that stands is taken away before: between, it agrees with no edition of the document.
    """
    work: queue.Queue[Written | None] = queue.Queue(QUEUED_BATCHES)
    timings = Timings()
    writer = threading.Thread(target=_writer, args=(work, target, timings), name="xunyi-writer", daemon=True)
    writer.start()
    done = 0
    try:
        for written in _encoded(blocks, target, timings):
            if timings.errors:
                break
            work.put(written)
            done += len(written.passages)
            yield done, timings
    finally:
        # On the way out of an error what is already encoded is still written: nothing paid for is lost.
        work.put(None)
        writer.join()
    if timings.errors:
        raise _with_what_is_in(timings.errors[0], timings.passages)
    yield done, timings


def _with_what_is_in(error: BaseException, passages: int) -> BaseException:
    if isinstance(error, StoreUnavailable):
        return StoreUnavailable(f"{error} Of this run {passages:,} passages are in.")
    return error


def _encoded(blocks: Iterable[Block], target: Target, timings: Timings) -> Iterator[Written]:
    """The batches in their order; an encoder that works ahead has as many in hand as it says."""
    sums: defaultdict[str, Sums] = defaultdict(dict)
    ahead = batches_ahead(target.encoder) if target.carried is None else target.carried.ahead
    waiting: deque[Begun] = deque()
    start = time.perf_counter()
    encoder = target.encoder
    source = target.ahead
    if source is None and encoder is not None and target.carried is None:
        source = Standing(
            target.store, target.corpus, target.passages, encoder, titles=target.titles, resumed=target.resumed
        )
    for begun in _begun(blocks, target, source):
        if source is not None:
            timings.encoded, timings.taken_over = source.encoded, source.taken_over
        waiting.append(begun)
        if len(waiting) > ahead:
            written = finish(waiting.popleft(), target, sums)
            timings.encode += time.perf_counter() - start
            yield written
            start = time.perf_counter()
    while waiting:
        written = finish(waiting.popleft(), target, sums)
        timings.encode += time.perf_counter() - start
        yield written
        start = time.perf_counter()


def _begun(blocks: Iterable[Block], target: Target, source: Learned | None) -> Iterator[Begun]:
    for block in blocks:
        lexical = target.lexical.encode_bags(block.features, block.words) if target.lexical is not None else {}
        since = since_fit(block, target)
        for batch in slices(block, target.batch):
            yield begin(batch, target, lexical, since, source)


def _writer(work: queue.Queue[Written | None], target: Target, timings: Timings) -> None:
    while (batch := work.get()) is not None:
        if timings.errors:
            continue
        start = time.perf_counter()
        try:
            if batch.begun:
                target.store.set_payload(target.documents, {"hash": ""}, batch.begun)
            if len(batch.passages):
                target.store.upsert(target.passages, batch.passages)
                timings.passages += len(batch.passages)
            if batch.stale is not None:
                target.store.delete(target.passages, batch.stale.passages, documents=batch.stale.documents)
            if batch.documents is not None:
                target.store.upsert(target.documents, batch.documents)
        except BaseException as error:  # handed to the thread that reads the results
            timings.errors.append(error)
        timings.write += time.perf_counter() - start
