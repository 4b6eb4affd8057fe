"""Where blocks are worked on: in this process, in several, or on Ray. The results and their order are the same."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from typing import Any, Literal, Protocol, Self, TypeVar

from encoders.base import Encoder
from schemas.errors import UsageError, XunyiError

A = TypeVar("A")
B = TypeVar("B")
B_contra = TypeVar("B_contra", contravariant=True)

ExecutorName = Literal["local", "ray"]
"""What ``--executor`` takes."""

AHEAD = 2
"""Blocks that wait for each worker, besides the one it works on; a slow reader of results holds all back."""


class Tally(Protocol[B_contra]):
    """What is counted over all results: sums that come out the same in whatever order and wherever they are made."""

    def add(self, result: B_contra, /) -> None:
        """Count one result."""
        ...

    def empty(self) -> Self:
        """Such a tally, of nothing yet."""
        ...

    def merge(self, other: Self, /) -> None:
        """Add what another one counted."""
        ...


class Executor(Protocol):
    """Applies a pure function to a stream of items, in bounded memory, and holds the encoders."""

    encodes_here: bool
    """Whether passages are encoded in this process."""

    def start(self) -> None:
        """Start what needs starting, so that what keeps it from that is met before anything is written."""
        ...

    def map(self, function: Callable[[A], B], items: Iterable[A], tally: Tally[B] | None = None) -> Iterator[B]:
        """The results, in the order of the items; all are counted in ``tally`` once the last was given."""
        ...

    def encoder(self, here: Encoder, load: Callable[[], Encoder]) -> Encoder:
        """What encodes passages: ``here``, or encoders elsewhere, each of which ``load`` gives; that is picklable."""
        ...

    def close(self) -> None:
        """End the workers."""
        ...


class InProcess:
    """No workers: one item after the other, here."""

    encodes_here = True

    def start(self) -> None:
        """Nothing to start."""

    def map(self, function: Callable[[A], B], items: Iterable[A], tally: Tally[B] | None = None) -> Iterator[B]:
        """The results, in the order of the items."""
        return _counted(map(function, items), tally)

    def encoder(self, here: Encoder, load: Callable[[], Encoder]) -> Encoder:
        """The one that is loaded here."""
        return here

    def close(self) -> None:
        """Nothing to end."""


class Processes:
    """Workers in processes of their own, spawned: a fork would copy open shards and running threads.

    The function and the items must be picklable. A program of one's own that asks for workers needs
    the usual ``if __name__ == "__main__":``, since each worker imports it anew.
    """

    encodes_here = True

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start)

    def start(self) -> None:
        """Nothing: each starts with its first item."""

    def map(self, function: Callable[[A], B], items: Iterable[A], tally: Tally[B] | None = None) -> Iterator[B]:
        """The results, in the order of the items."""
        return _counted(self._map(function, items), tally)

    def encoder(self, here: Encoder, load: Callable[[], Encoder]) -> Encoder:
        """The one that is loaded here: one uses all processors, or a whole device."""
        return here

    def _map(self, function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
        waiting: deque[Future[B]] = deque()
        try:
            for item in items:
                with _unheard():
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


def make_executor(
    workers: int = 0,
    name: ExecutorName = "local",
    *,
    encoder_workers: int | None = None,
    ray_address: str | None = None,
) -> Executor:
    """``workers`` processes of this machine, where 0 is this process alone; or Ray, which is imported only then.

    Raises ``UsageError`` for numbers or an address that cannot be meant, and ``EncoderError`` where Ray is missing.
    """
    if workers < 0:
        raise UsageError(f"--workers {workers}: give 0 or more.")
    if name == "ray":
        from ingest.ray_executor import RayExecutor

        return RayExecutor(workers, encoder_workers, ray_address)
    if name != "local":
        raise UsageError(f"--executor {name}: it is local or ray.")
    if encoder_workers is not None or ray_address is not None:
        given = "--encoder-workers" if encoder_workers is not None else "--ray-address"
        raise UsageError(f"{given} goes with --executor ray; add that, or leave it out.")
    return Processes(workers) if workers else InProcess()


def _counted(results: Iterator[B], tally: Tally[B] | None) -> Iterator[B]:
    for result in results:
        if tally is not None:
            tally.add(result)
        yield result


@contextmanager
def _unheard() -> Iterator[None]:
    """Put off Ctrl-C and SIGTERM while a worker may be started: one that is half started ends with a traceback.

    A terminal sends Ctrl-C to the worker as well, which takes over what this thread blocks.
    """
    heard: list[int] = []
    before: dict[signal.Signals, Callable[..., Any]] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):
                before[number] = handler
                signal.signal(number, lambda came, _frame: heard.append(came))
    blocking = hasattr(signal, "pthread_sigmask")  # Windows has none
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if blocking else set()
    try:
        yield
    finally:
        if blocking:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
        for came in heard[:1]:
            signal.raise_signal(came)


def _start() -> None:
    """In a worker: Ctrl-C is the parent's to answer, and a parent that was killed takes its workers along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
