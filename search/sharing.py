"""A batch of queries shared out among processes forked from this one.

The embedded engine holds the interpreter while it searches, so that threads gain nothing; and a folder has one
owner, so that no other process may open it. A forked one need not: it has the open store as it was, and while it
answers its part, this one, which has no other thread, answers its own and writes nothing.
"""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import TypeAlias

from pydantic import TypeAdapter

from schemas.processors import available_processors
from schemas.search import Hit
from stores.base import Store

SHARE = 16
"""Queries that a process takes at a time, of which there are at most 255 shares: enough to be worth their round to the
store, and few enough that no process has long to wait for another."""

PATIENCE = 10.0
"""Seconds to wait for a share that is under way elsewhere, before it is answered here as well."""

_HOUR = 3600
_ANSWERED: TypeAdapter[dict[int, list[list[Hit]]]] = TypeAdapter(dict[int, list[list[Hit]]])

Answer: TypeAlias = Callable[[Sequence[int]], list[list[Hit]]]
"""Each query's hits, for the queries of these rows."""


def shared_out(store: Store, queries: int, answer: Answer) -> list[list[Hit]]:
    """What ``answer`` says of all ``queries``, in their order: asked in several processes where that is quicker.

    A share that comes to nothing elsewhere is answered here, so that errors are raised as they would be without.
    """
    shares = min(queries // SHARE, 255)
    processes = min(available_processors(), shares)
    if processes < 2 or not _alone():
        return answer(range(queries))
    # The first opens what all need, and tells whether the engine has threads of its own by then.
    first = answer(range(1))
    if not store.forkable():
        return [*first, *answer(range(1, queries))]
    ends = [1 + (queries - 1) * share // shares for share in range(shares + 1)]
    rows = [range(start, end) for start, end in pairwise(ends)]
    found: dict[int, list[list[Hit]]] = {}
    children: list[_Child] = []
    with _Tickets(shares) as tickets:
        try:
            with suppress(OSError):  # no room for another process
                for _ in range(processes - 1):
                    children.append(_Child(store, answer, rows, tickets))
            for share in tickets:
                found[share] = answer(rows[share])
            for child in children:
                found.update(child.answers())
        finally:
            for child in children:
                child.end()
    for share in range(shares):
        if share not in found:
            found[share] = answer(rows[share])
    return [*first, *(hits for share in range(shares) for hits in found[share])]


def _alone() -> bool:
    """Whether Python has no other thread, which a forked process would lack, and whose locks it would wait for."""
    return threading.active_count() == 1


class _Tickets:
    """The numbers of the shares, each drawn once, by whichever process is free: bytes in a pipe."""

    def __init__(self, shares: int) -> None:
        self._draws, fills = os.pipe()
        os.write(fills, bytes(range(shares)))
        os.close(fills)

    def __enter__(self) -> _Tickets:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._draws)

    def __iter__(self) -> Iterator[int]:
        while drawn := os.read(self._draws, 1):
            yield drawn[0]


class _Child:
    """A process that answers shares until none is left."""

    def __init__(self, store: Store, answer: Answer, rows: Sequence[Sequence[int]], tickets: _Tickets) -> None:
        self._hears, says = Pipe(duplex=False)
        with warnings.catch_warnings():
            # Of threads that libraries keep: none of Python's runs, and what is called in the child needs none.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process = os.fork()
        if self._process == 0:
            _say(store, answer, rows, tickets, says)
        says.close()

    def answers(self) -> dict[int, list[list[Hit]]]:
        """What it says of its shares; nothing where it is silent for too long, or not there any more."""
        with suppress(EOFError, OSError):
            if self._hears.poll(PATIENCE):
                return _ANSWERED.validate_json(self._hears.recv_bytes())
        return {}

    def end(self) -> None:
        """See to it that nothing is left of it."""
        self._hears.close()
        # Where SIGCHLD is ignored, the system has cleaned up already.
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)


def _say(store: Store, answer: Answer, rows: Sequence[Sequence[int]], tickets: _Tickets, says: Connection) -> None:
    """In the child: answer, and end without a word, or any of the parent's own endings, whatever happens."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        # One whose parent was killed must not hold the folder for ever.
        signal.alarm(_HOUR)
        store.forked()
        # Said all at once: a pipe holds less than a share's answers, and nobody listens before the last one is drawn.
        says.send_bytes(_ANSWERED.dump_json({share: answer(rows[share]) for share in tickets}))
    finally:
        os._exit(0)
