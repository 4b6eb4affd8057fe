"""Corpora kept open between requests, and let go when nobody has asked them for a while."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from schemas.errors import CorpusNotFound
from schemas.names import check_corpus_name
from search import Corpus
from service.attempts import Attempts
from stores.base import Store

AT_ONCE = 8
"""Requests to one corpus of a server at a time. The embedded engine answers one after the other."""

STORE = ""
"""Stands for the whole store among the names of corpora, none of which is empty."""

log = logging.getLogger("xunyi.service")


@dataclass(slots=True)
class _Held:
    corpus: Corpus | None = None
    store: Store | None = None
    used: float = 0.0
    busy: int = 0
    gone: bool = False
    opening: threading.Lock = field(default_factory=threading.Lock)
    places: threading.Semaphore | None = None


class Holder:
    """Opens a corpus at its first request, and closes it after ``idle`` seconds without one.

    While a corpus of an embedded store is open no other process can write to it; closing lets an
    ``xunyi ingest`` in. A corpus that was deleted is let go. Who waits while a store turns out to be held by
    another process, or not to answer, is told so at once, and does not find it out again.
    """

    def __init__(self, open_: Callable[[], Store], idle: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._open = open_
        self._idle = idle
        self._clock = clock
        self._attempts = Attempts()
        self._listing = threading.Semaphore(AT_ONCE)
        # Never held while a store is opened, asked or closed: the metrics and every new request need it.
        self._guard = threading.Lock()
        self._held: dict[str, _Held] = {}

    @property
    def open_corpora(self) -> int:
        """How many are open."""
        with self._guard:
            return sum(1 for held in self._held.values() if held.corpus is not None)

    def corpus(self, name: str) -> AbstractContextManager[Corpus]:
        """The corpus, for one request, which waits for its turn from this call on.

        Raises ``UsageError`` for what is no name, and when entered ``CorpusNotFound``, ``StoreLocked`` and what
        else opening one does.
        """
        return self._turn(check_corpus_name(name), self._attempts.come())

    def whole(self) -> AbstractContextManager[Store]:
        """The store itself, opened for one request, to list what it holds; no corpus is locked."""
        return self._whole(self._attempts.come())

    def close_idle(self) -> None:
        """Close what nobody uses and nobody has used for ``idle`` seconds."""
        now = self._clock()
        self._close(lambda held: now - held.used >= self._idle)

    def close(self) -> None:
        """Close everything that is not in use."""
        self._close(lambda _: True)

    @contextmanager
    def _turn(self, name: str, came: int) -> Iterator[Corpus]:
        with self._guard:
            held = self._held.setdefault(name, _Held())
            held.busy += 1
        try:
            with held.opening:
                self._attempts.check(name, came)
                with self._attempts.noted(name):
                    corpus = self._ready(name, held)
                places = held.places
            assert places is not None
            with places:
                self._attempts.check(name, came)
                # An embedded corpus is locked when it is first asked, not when it is opened.
                with self._attempts.noted(name):
                    yield corpus
        except CorpusNotFound:
            held.gone = True
            raise
        finally:
            with self._guard:
                held.used = self._clock()
            self._leave(name, held, lambda: held.gone)

    @contextmanager
    def _whole(self, came: int) -> Iterator[Store]:
        with self._listing:
            self._attempts.check(STORE, came)
            with self._attempts.noted(STORE), self._open() as store:
                yield store

    def _close(self, wanted: Callable[[_Held], bool]) -> None:
        with self._guard:
            chosen = [(name, held) for name, held in self._held.items() if not held.busy and wanted(held)]
            for _, held in chosen:
                held.busy += 1
        for name, held in chosen:
            self._leave(name, held, lambda held=held: wanted(held))  # type: ignore[misc]

    def _leave(self, name: str, held: _Held, wanted: Callable[[], bool]) -> None:
        """Give up one's share in a corpus; the last one closes it where that is ``wanted``."""
        try:
            with self._guard:
                close = held.busy == 1 and held.corpus is not None and wanted()
            if close:
                # Who comes now waits for the closing, and then opens the corpus anew.
                with held.opening:
                    with self._guard:
                        alone = held.busy == 1
                    if alone:
                        _let_go(held)
        finally:
            with self._guard:
                held.busy -= 1
                if held.corpus is None and not held.busy:
                    # A name that is no corpus must not be remembered: anybody can make up names.
                    self._held.pop(name, None)

    def _ready(self, name: str, held: _Held) -> Corpus:
        if held.corpus is None:
            store = self._open()
            try:
                corpus = Corpus(name, store)
            except BaseException:
                store.close()
                raise
            held.places = threading.Semaphore(AT_ONCE if "://" in store.location else 1)
            held.corpus, held.store, held.gone = corpus, store, False
        return held.corpus


def _let_go(held: _Held) -> None:
    corpus, store = held.corpus, held.store
    held.corpus = held.store = None
    try:
        if corpus is not None:
            corpus.close()
        if store is not None:
            store.close()
    except Exception as error:
        # Nobody asked for the closing, so that nobody could be told.
        log.error("error", extra={"kind": type(error).__name__, "detail": str(error)})
