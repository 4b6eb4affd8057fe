"""A batch of queries shared out among processes forked from this one.

The embedded engine holds the interpreter while it searches, so that threads gain nothing; and a folder has one
owner, so that no other process may open it. A forked one need not: it has the open store as it was, and while it
answers its part, this one, which has no other thread, answers its own and writes nothing.
"""

from __future__ import annotations

import os
import signal
import struct
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from math import ceil
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import TypeAlias

from pydantic import TypeAdapter

from schemas.processors import available_processors
from schemas.search import Hit
from stores.base import Store

SHARE = 16
"""The most queries that a process takes at a time: enough to be worth their round to the store."""

LAST = 8
"""The fewest: shares become smaller towards the end, so that no process has long to wait for another."""

PATIENCE = 10.0
"""Seconds to wait for a share that is under way elsewhere, before it is answered here as well."""

_HOUR = 3600
_SAID = struct.Struct("<QQ")
_MOST_SHARES = 30_000
"""So many numbers of two bytes a pipe holds."""

_ANSWERED: TypeAdapter[list[list[Hit]]] = TypeAdapter(list[list[Hit]])

Answer: TypeAlias = Callable[[Sequence[int]], list[list[Hit]]]
"""Each query's hits, for the queries of these rows."""


def shared_out(store: Store, collections: Sequence[str], queries: int, answer: Answer) -> list[list[Hit]]:
    """What ``answer`` says of all ``queries``, in their order: asked in several processes where that is quicker.

    ``collections`` are those that it reads.

    A share that comes to nothing elsewhere is answered here, so that errors are raised as they would be without.
    """
    processes = min(available_processors(), queries // SHARE)
    if processes < 2 or not _alone() or not store.forkable(collections):
        return answer(range(queries))
    shares = _shares(queries, processes)
    found: dict[int, list[list[Hit]]] = {}
    children: list[_Child] = []
    with _Tickets(len(shares)) as tickets:
        try:
            with suppress(OSError):  # no room for another process
                for _ in range(processes - 1):
                    children.append(_Child(store, answer, shares, tickets))
            for share in tickets:
                found[share] = answer(shares[share])
                for child in children:
                    found.update(child.answers(0.0))
            for child in children:
                found.update(child.answers(PATIENCE))
        finally:
            for child in children:
                child.end()
    for share, rows in enumerate(shares):
        if share not in found:
            found[share] = answer(rows)
    return [hits for share in range(len(shares)) for hits in found[share]]


def _shares(queries: int, processes: int) -> list[range]:
    """The rows of each share."""
    most = max(SHARE, ceil(queries / _MOST_SHARES))
    shares, start = [], 0
    while start < queries:
        size = min(most, max(LAST, (queries - start) // (2 * processes)))
        shares.append(range(start, min(start + size, queries)))
        start += size
    return shares


def _alone() -> bool:
    """Whether Python has no other thread, which a forked process would lack, and whose locks it would wait for."""
    return threading.active_count() == 1


class _Tickets:
    """The numbers of the shares, each drawn once, by whichever process is free: two bytes each, in a pipe."""

    def __init__(self, shares: int) -> None:
        self._draws, fills = os.pipe()
        os.write(fills, b"".join(share.to_bytes(2, "little") for share in range(shares)))
        os.close(fills)

    def __enter__(self) -> _Tickets:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._draws)

    def __iter__(self) -> Iterator[int]:
        while drawn := os.read(self._draws, 2):
            yield int.from_bytes(drawn, "little")


class _Child:
    """A process that answers shares until none is left.

    Its answers go into a file in memory, since a pipe holds less than one share's, and the number of the share with
    the size of its answers into a pipe.
    """

    def __init__(self, store: Store, answer: Answer, shares: Sequence[range], tickets: _Tickets) -> None:
        self._file, self._read = os.memfd_create("xunyi-answers"), 0
        try:
            self._hears, says = Pipe(duplex=False)
            with warnings.catch_warnings():
                # Of threads that libraries keep: none of Python's runs, and what is called in the child needs none.
                warnings.simplefilter("ignore", DeprecationWarning)
                self._process = os.fork()
        except OSError:
            os.close(self._file)
            raise
        if self._process == 0:
            _say(store, answer, shares, tickets, self._file, says)
        says.close()

    def answers(self, patience: float) -> dict[int, list[list[Hit]]]:
        """What it has said since it was last asked; all that it will say, where one waits for each for so long."""
        found = {}
        with suppress(EOFError, OSError):
            while self._hears.poll(patience):
                share, size = _SAID.unpack(self._hears.recv_bytes())
                found[share] = _ANSWERED.validate_json(os.pread(self._file, size, self._read))
                self._read += size
        return found

    def end(self) -> None:
        """See to it that nothing is left of it."""
        self._hears.close()
        os.close(self._file)
        # Where SIGCHLD is ignored, the system has cleaned up already.
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)


def _say(store: Store, answer: Answer, shares: Sequence[range], tickets: _Tickets, into: int, says: Connection) -> None:
    """In the child: answer, and end without a word, or any of the parent's own endings, whatever happens."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        # One whose parent was killed must not hold the folder for ever.
        signal.alarm(_HOUR)
        store.forked()
        with open(into, "wb", closefd=False) as file:
            for share in tickets:
                said = _ANSWERED.dump_json(answer(shares[share]))
                file.write(said)
                file.flush()
                says.send_bytes(_SAID.pack(share, len(said)))
    finally:
        os._exit(0)
