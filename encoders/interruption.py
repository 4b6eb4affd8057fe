"""Stopping an encoder between two texts: a signal reaches the main thread alone, and a batch may take long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_thread = threading.local()


class Interrupted(BaseException):
    """Encoding was stopped from another thread; what was encoded of the batch is lost."""


@contextmanager
def interruptible(stopped: Callable[[], bool]) -> Iterator[None]:
    """Within this, encoding in this thread ends with ``Interrupted`` soon after ``stopped`` says so."""
    _thread.stopped = stopped
    try:
        yield
    finally:
        del _thread.stopped


def checkpoint() -> None:
    """What an encoder calls between two pieces of its work; does nothing where nobody wants to stop it."""
    stopped = getattr(_thread, "stopped", None)
    if stopped is not None and stopped():
        raise Interrupted
