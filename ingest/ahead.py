"""Encoding beside the reading: what is in the spool is encoded while the rest is still read, fitted and written."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence

from encoders.base import Encoder
from encoders.interruption import Interrupted, interruptible
from ingest.encoding import Vectors, encodes_beside, passage_bytes
from ingest.executors import Executor
from ingest.slices import BATCH_PASSAGES, Slice, slices, texts_of
from ingest.spool import Spool
from schemas.spaces import VectorBatch

AHEAD_BYTES = 32_000_000
"""The most vectors that wait for the writing pass, roughly: 20,000 passages of 384 dimensions. An encoder that is
quicker than the reading waits then, so that memory does not grow with the corpus."""

TOKENS_AHEAD = 256
"""Vectors that a passage of a multi-vector space is reckoned to have."""


class EncodingAhead:
    """Encodes the passages of a spool in a thread, batch by batch as the writing pass will want them.

    Of a corpus that is new: nothing of it stands that could be taken over. ``close`` ends it early.
    """

    def __init__(self, spool: Spool, encoder: Encoder, *, titles: bool, size: int = BATCH_PASSAGES) -> None:
        """``titles``: whether they are encoded with the texts; ``size`` the passages of a batch."""
        self._spool = spool
        self._encoder = encoder
        self._titles = titles
        self._size = size
        self._most = max(1, AHEAD_BYTES // (passage_bytes(encoder, TOKENS_AHEAD) * size))
        self._ready: deque[Mapping[str, VectorBatch]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._error: BaseException | None = None
        self.encoded = 0
        self.taken_over = 0
        self.seconds = 0.0
        """Spent in encoding."""
        self.waited = 0.0
        """Spent by the writing pass in waiting for vectors."""
        self._thread = threading.Thread(target=self._run, name="xunyi-encoder", daemon=True)
        self._thread.start()

    def begin(self, batch: Sequence[Slice]) -> Vectors:
        """The vectors of the next batch, which is this one, to be waited for when they are wanted."""
        self.encoded += sum(len(part.passages) for part in batch)
        return self._next

    def check(self) -> None:
        """Raise what kept the encoder from its work, if anything has."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the thread; what it has not given yet is lost."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._spool.end()
        self._thread.join()

    def _next(self) -> Mapping[str, VectorBatch]:
        started = time.perf_counter()
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._error is not None)
            self.waited += time.perf_counter() - started
            if not self._ready:
                self.check()
            found = self._ready.popleft()
            self._changed.notify_all()
            return found

    def _run(self) -> None:
        try:
            for block in self._spool.follow():
                for batch in slices(block, self._size):
                    texts = texts_of(batch, self._titles)
                    if texts and not self._encode(texts):
                        return
        except Interrupted:
            return
        except BaseException as error:  # handed to the thread that wants the vectors
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _encode(self, texts: Sequence[str]) -> bool:
        """Encode a batch once there is room for it; whether to go on."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._ready) < self._most)
            if self._closed:
                return False
        started = time.perf_counter()
        with interruptible(lambda: self._closed):
            vectors = self._encoder.encode_passages(texts)
        self.seconds += time.perf_counter() - started
        with self._changed:
            self._ready.append(vectors)
            self._changed.notify_all()
        return True


def begin_ahead(spool: Spool, encoder: Encoder | None, executor: Executor, *, titles: bool) -> EncodingAhead | None:
    """Begin to encode what will be in the spool, where that can be done here beside the rest."""
    if encoder is None or not executor.encodes_here or not encodes_beside(encoder):
        return None
    return EncodingAhead(spool, encoder, titles=titles)
