"""The executor on Ray: tasks that make and count blocks, and add up what was counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

from encoders.base import Encoder
from ingest.executors import AHEAD, Tally
from ingest.ray_cluster import RayCluster, cluster_address, import_ray
from ingest.ray_encoders import ActorEncoder
from ingest.ray_results import RESTARTS, fetch, settle
from schemas.errors import UsageError, XunyiError
from schemas.processors import available_processors

A = TypeVar("A")
B = TypeVar("B")

FAN_IN = 16
"""Tallies that one task adds up: the driver then meets few of them, and no task more than this."""

LIBRARIES = ("xunyi", "rjieba", "snowballstemmer", "opencc-python-reimplemented", "numpy", "scipy")
"""What the results depend on besides an encoder, which has an identity of its own."""


class RayExecutor:
    """Applies functions on Ray; started with the first item, so that a run with nothing to do starts nothing.

    Parameters
    ----------
    workers : int, default 0
        Blocks that are worked on at the same time; 0 for as many as there are processors.
    encoder_workers : int, optional
        Encoders; by default one a GPU, and where there are none one a machine.
    address : str, optional
        The cluster, as ``ingest.ray_cluster.cluster_address`` has it.

    """

    encodes_here = False

    def __init__(self, workers: int = 0, encoder_workers: int | None = None, address: str | None = None) -> None:
        if encoder_workers is not None and encoder_workers < 1:
            raise UsageError(f"--encoder-workers {encoder_workers}: give 1 or more.")
        import_ray()
        self._workers, self._encoder_workers = workers, encoder_workers
        self._address = cluster_address(address)
        self._cluster: RayCluster | None = None
        self._encoders: list[ActorEncoder] = []

    def start(self) -> None:
        """Start Ray or join the cluster, which a run with something to do does by itself."""
        self._start()

    def map(self, function: Callable[[A], B], items: Iterable[A], tally: Tally[B] | None = None) -> Iterator[B]:
        """The results, in the order of the items; what ``tally`` counts is counted and added up by the workers."""
        waiting: deque[Any] = deque()
        sums: _Sums | None = None
        apply: Callable[[A], Any] | None = None
        room = 0
        ray: Any = None
        try:
            for item in items:
                if apply is None:
                    cluster = self._start()
                    ray, room = cluster.ray, AHEAD * (self._workers or max(1, sum(cluster.processors)))
                    apply, sums = self._task(function, tally)
                if sums is None:
                    waiting.append(apply(item))
                else:
                    result, counted = apply(item)
                    waiting.append(result)
                    sums.add(counted)
                    del counted
                if len(waiting) > room:
                    yield fetch(ray, waiting.popleft())
            while waiting:
                yield fetch(ray, waiting.popleft())
            if tally is not None and sums is not None:
                tally.merge(sums.total())
        finally:
            for reference in waiting:
                ray.cancel(reference)
            settle(ray, waiting)

    def encoder(self, here: Encoder, load: Callable[[], Encoder]) -> Encoder:
        """Encoders in actors: one a GPU, or one a machine with all its processors, unless a number was given."""
        found = ActorEncoder(self._start(), here, load, self._encoder_workers)
        self._encoders.append(found)
        return found

    def close(self) -> None:
        """Stop Ray, or leave the cluster."""
        while self._encoders:
            self._encoders.pop().close()
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None

    def _start(self) -> RayCluster:
        if self._cluster is None:
            wanted = self._workers or available_processors()
            self._cluster = RayCluster(self._address, max(wanted, self._encoder_workers or 1))
            _check_libraries(self._cluster.ray)
        return self._cluster

    def _task(self, function: Callable[[A], B], tally: Tally[B] | None) -> tuple[Callable[[A], Any], _Sums | None]:
        assert self._cluster is not None
        ray = self._cluster.ray
        shared = ray.put(function)
        options = {"num_cpus": 1, "max_retries": RESTARTS}
        if tally is None:
            task = ray.remote(_apply).options(**options)
            return (lambda item: task.remote(shared, item)), None
        task = ray.remote(_apply_and_count).options(num_returns=2, **options)
        empty = ray.put(tally.empty())
        return (lambda item: task.remote(shared, item, empty)), _Sums(ray, ray.remote(_merged).options(**options))


class _Sums:
    """Adds up tallies in tasks, ``FAN_IN`` at a time, as they come."""

    def __init__(self, ray: Any, merge: Any) -> None:
        self._ray, self._merge = ray, merge
        self._levels: list[list[Any]] = []

    def add(self, reference: Any, level: int = 0) -> None:
        """One more tally, the sum of ``FAN_IN ** level``."""
        if level == len(self._levels):
            self._levels.append([])
        row = self._levels[level]
        row.append(reference)
        if len(row) == FAN_IN:
            self._levels[level] = []
            self.add(self._merge.remote(*row), level + 1)

    def total(self) -> Any:
        """The sum of all."""
        left = [reference for row in self._levels for reference in row]
        while len(left) > FAN_IN:
            left = [self._merge.remote(*left[at : at + FAN_IN]) for at in range(0, len(left), FAN_IN)]
        return fetch(self._ray, self._merge.remote(*left))


def _apply(function: Callable[[A], B], item: A) -> B:
    return function(item)


def _apply_and_count(function: Callable[[A], B], item: A, empty: Tally[B]) -> tuple[B, Tally[B]]:
    result = function(item)
    tally = empty.empty()
    tally.add(result)
    return result, tally


def _merged(*tallies: Any) -> Any:
    total = tallies[0].empty()
    for tally in tallies:
        total.merge(tally)
    return total


def _libraries() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def _check_libraries(ray: Any) -> None:
    """Refuse a cluster whose results would be others; asks one worker, since a cluster has one environment."""
    here, there = _libraries(), fetch(ray, ray.remote(_libraries).remote())
    for name, found in here.items():
        if there[name] != found:
            raise XunyiError(
                f"The Ray cluster has {name} {there[name]}, and this machine {found}, so that results would differ; "
                f"install the same on both."
            )
