"""Where blocks are worked on: in this process or in several. The results and their order are the same."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from typing import Protocol, TypeVar

from schemas.errors import UsageError, XunyiError

A = TypeVar("A")
B = TypeVar("B")

AHEAD = 2
"""Blocks that wait for each worker, besides the one it works on; a slow reader of results holds all back."""


class Executor(Protocol):
    """Applies a pure function to a stream of items, in bounded memory."""

    def map(self, function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
        """The results, in the order of the items."""
        ...

    def close(self) -> None:
        """End the workers."""
        ...


class InProcess:
    """No workers: one item after the other, here."""

    def map(self, function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
        """The results, in the order of the items."""
        return map(function, items)

    def close(self) -> None:
        """Nothing to end."""


class Processes:
    """Workers in processes of their own, spawned: a fork would copy open shards and running threads.

    The function and the items must be picklable. A program of one's own that asks for workers needs
    the usual ``if __name__ == "__main__":``, since each worker imports it anew.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start)

    def map(self, function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
        """The results, in the order of the items."""
        waiting: deque[Future[B]] = deque()
        try:
            for item in items:
                waiting.append(self._pool.submit(function, item))
                if len(waiting) > self._workers * AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise XunyiError(
                "A worker process ended before its work was done, perhaps for want of memory; "
                "run the same command again with fewer --workers."
            ) from error
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """End the workers."""
        self._pool.shutdown(cancel_futures=True)


def make_executor(workers: int = 0) -> Executor:
    """``workers`` processes of this machine; 0 is this process alone. Raises ``UsageError`` for less."""
    if workers < 0:
        raise UsageError(f"--workers {workers}: give 0 or more.")
    return Processes(workers) if workers else InProcess()


def _start() -> None:
    """In a worker: Ctrl-C is the parent's to answer, and a parent that was killed takes its workers along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
