"""A batch of queries shared out among processes forked from this one.

The embedded engine holds the interpreter while it searches, so that threads gain nothing; and a folder has one
owner, so that no other process may open it. A forked one need not: it has the open store as it was, and while it
answers its share, this one, which has no other thread, answers its own and writes nothing.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise, zip_longest
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import TypeAlias

from pydantic import TypeAdapter

from schemas.processors import available_processors
from schemas.search import Hit
from stores.base import Store

LEAST = 16
"""Queries that are worth a process, which takes as long to make and to hear as some five of them."""

PATIENCE = 10
"""How many times as long as this process's own share another may take, before its share is answered here as well."""

_HOUR = 3600
_ANSWERS = TypeAdapter(list[list[Hit]])

Answer: TypeAlias = Callable[[Sequence[int]], list[list[Hit]]]
"""Each query's hits, for the queries of these rows."""


def shared_out(store: Store, queries: int, answer: Answer) -> list[list[Hit]]:
    """What ``answer`` says of all ``queries``, in their order: asked in several processes where that is quicker.

    A share that comes to nothing elsewhere is answered here, so that errors are raised as they would be without.
    """
    processes = min(available_processors(), queries // LEAST)
    if processes < 2 or threading.active_count() > 1:
        return answer(range(queries))
    # The first opens what all need, and tells whether the engine has threads of its own by then.
    found = answer(range(1))
    if not store.forkable():
        return [*found, *answer(range(1, queries))]
    ends = [1 + (queries - 1) * share // processes for share in range(processes + 1)]
    own, *others = [range(start, end) for start, end in pairwise(ends)]
    started = time.monotonic()
    children: list[_Child] = []
    try:
        with suppress(OSError):  # no room for another process
            for rows in others:
                children.append(_Child(store, answer, rows))
        found += answer(own)
        patience = max(1.0, PATIENCE * (time.monotonic() - started))
        for rows, child in zip_longest(others, children):
            heard = child.answers(patience) if child else None
            found += answer(rows) if heard is None else heard
    finally:
        for child in children:
            child.end()
    return found


class _Child:
    """A process that answers its share and ends."""

    def __init__(self, store: Store, answer: Answer, rows: Sequence[int]) -> None:
        self._hears, says = Pipe(duplex=False)
        with warnings.catch_warnings():
            # Of threads that libraries keep: none of Python's runs, and what is called in the child needs none.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process = os.fork()
        if self._process == 0:
            _say(store, answer, rows, says)
        says.close()

    def answers(self, patience: float) -> list[list[Hit]] | None:
        """What it says within ``patience`` seconds; None where that is nothing."""
        try:
            return _ANSWERS.validate_json(self._hears.recv_bytes()) if self._hears.poll(patience) else None
        except (EOFError, OSError):
            return None

    def end(self) -> None:
        """See to it that nothing is left of it."""
        self._hears.close()
        try:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
        except (ProcessLookupError, ChildProcessError):
            # Where SIGCHLD is ignored, the system has cleaned up already.
            return


def _say(store: Store, answer: Answer, rows: Sequence[int], says: Connection) -> None:
    """In the child: answer, and end without a word, or any of the parent's own endings, whatever happens."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        # One whose parent was killed must not hold the folder for ever.
        signal.alarm(_HOUR)
        store.forked()
        says.send_bytes(_ANSWERS.dump_json(answer(rows)))
    finally:
        os._exit(0)
