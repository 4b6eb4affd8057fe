"""Failures shared by who waits: one attempt at a store that is held or does not answer is enough for all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import StoreLocked, StoreUnavailable, XunyiError

REMEMBERED = 1_000
"""Names whose last failure is kept. Anybody can make up names; one that is forgotten costs another attempt."""


class Attempts:
    """For each name the last attempt that failed for a reason that every other would meet too.

    Each such attempt takes seconds. Made again by each of many requests that wait in a row, it would hold up the last
    for minutes, to be told what was known before.
    """

    def __init__(self) -> None:
        self._order = 0
        self._guard = threading.Lock()
        self._failed: dict[str, tuple[int, XunyiError]] = {}

    def come(self) -> int:
        """One's place in the order in which requests came and attempts failed."""
        with self._guard:
            self._order += 1
            return self._order

    def check(self, name: str, came: int) -> None:
        """Raise the failure of an attempt that ended after ``came``; what failed before may go well by now."""
        with self._guard:
            failed = self._failed.get(name)
        if failed is not None and failed[0] > came:
            # Another object: what is raised in two threads would grow the trace of both.
            raise type(failed[1])(str(failed[1]))

    @contextmanager
    def noted(self, name: str) -> Iterator[None]:
        """Remember how an attempt fails."""
        try:
            yield
        except (StoreLocked, StoreUnavailable) as error:
            with self._guard:
                self._order += 1
                self._failed.pop(name, None)
                self._failed[name] = self._order, type(error)(str(error))
                if len(self._failed) > REMEMBERED:
                    del self._failed[next(iter(self._failed))]
            raise
