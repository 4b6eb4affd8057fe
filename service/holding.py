"""Corpora kept open between requests, and let go when nobody has asked them for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from schemas.names import check_corpus_name
from search import Corpus
from stores.base import Store

AT_ONCE = 8
"""Requests to one corpus of a server at a time. The embedded engine answers one after the other."""


@dataclass(slots=True)
class _Held:
    corpus: Corpus | None = None
    store: Store | None = None
    used: float = 0.0
    busy: int = 0
    opening: threading.Lock = field(default_factory=threading.Lock)
    places: threading.Semaphore | None = None


class Holder:
    """Opens a corpus at its first request, and closes it after ``idle`` seconds without one.

    While a corpus of an embedded store is open no other process can write to it; closing lets an
    ``xunyi ingest`` in. A corpus that was deleted is let go.
    """

    def __init__(self, open_: Callable[[], Store], idle: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._open = open_
        self._idle = idle
        self._clock = clock
        self._guard = threading.Lock()
        self._held: dict[str, _Held] = {}

    @property
    def open_corpora(self) -> int:
        """How many are open."""
        with self._guard:
            return sum(1 for held in self._held.values() if held.corpus is not None)

    @contextmanager
    def corpus(self, name: str) -> Iterator[Corpus]:
        """The corpus, for one request; raises ``CorpusNotFound``, ``StoreLocked`` and what else opening one does."""
        check_corpus_name(name)
        with self._guard:
            held = self._held.setdefault(name, _Held())
            held.busy += 1
        try:
            with held.opening:
                corpus = self._ready(name, held)
                places = held.places
            assert places is not None
            with places:
                yield corpus
        finally:
            with self._guard:
                held.busy -= 1
                held.used = self._clock()
                if held.corpus is None and not held.busy:
                    # A name that is no corpus must not be remembered: anybody can make up names.
                    self._held.pop(name, None)

    def close_idle(self) -> None:
        """Close what nobody uses and nobody has used for ``idle`` seconds."""
        now = self._clock()
        self._close(lambda held: now - held.used >= self._idle)

    def close(self) -> None:
        """Close everything that is not in use."""
        self._close(lambda _: True)

    def _close(self, wanted: Callable[[_Held], bool]) -> None:
        with self._guard:
            for name, held in list(self._held.items()):
                if not held.busy and wanted(held):
                    del self._held[name]
                    _let_go(held)

    def _ready(self, name: str, held: _Held) -> Corpus:
        if held.corpus is not None and held.store is not None:
            if held.store.manifest_mark(name) is not None:
                return held.corpus
            _let_go(held)
        store = self._open()
        try:
            held.corpus, held.store = Corpus(name, store), store
        except BaseException:
            store.close()
            raise
        held.places = threading.Semaphore(AT_ONCE if "://" in store.location else 1)
        return held.corpus


def _let_go(held: _Held) -> None:
    if held.corpus is not None and held.store is not None:
        held.corpus.close()
        held.store.close()
    held.corpus = held.store = None
