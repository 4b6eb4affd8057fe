"""The executor on Ray: tasks that make and count blocks, and actors that hold an encoder each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

from encoders.base import Encoder
from ingest.executors import AHEAD, Tally
from ingest.ray_cluster import RayCluster, cluster_address, import_ray
from schemas.errors import UsageError, XunyiError
from schemas.manifest import EncoderIdentity
from schemas.processors import available_processors
from schemas.spaces import Space, VectorBatch

A = TypeVar("A")
B = TypeVar("B")

FAN_IN = 16
"""Tallies that one task adds up: the driver then meets few of them, and no task more than this."""

RESTARTS = 3
"""How often Ray does a block again, or starts an encoder again, whose process or machine was lost."""

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
                    yield _fetch(ray, waiting.popleft())
            while waiting:
                yield _fetch(ray, waiting.popleft())
            if tally is not None and sums is not None:
                tally.merge(sums.total())
        finally:
            for reference in waiting:
                ray.cancel(reference)
            _settle(ray, waiting)

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


class ActorEncoder:
    """Offers what ``encoders.base.Encoder`` does, and encodes passages in actors, several batches at a time.

    ``here`` answers what needs no vectors. Every actor loads its own with ``load``, which checks that it is
    the encoder of the corpus; all are ready when this is.
    """

    def __init__(self, cluster: RayCluster, here: Encoder, load: Callable[[], Encoder], workers: int | None) -> None:
        self._here = here
        self._ray = cluster.ray
        number, resources = _places(cluster, workers)
        make = self._ray.remote(_EncoderActor).options(max_restarts=RESTARTS, max_task_retries=RESTARTS, **resources)
        self._actors = [make.remote(load) for _ in range(number)]
        self._waiting: list[list[Any]] = [[] for _ in range(number)]
        self._tokens_sent = 0
        self.ahead = number * AHEAD
        for actor in self._actors:
            _fetch(self._ray, actor.ready.remote())

    @property
    def identity(self) -> EncoderIdentity:
        """That of the encoder here, which is theirs."""
        return self._here.identity

    @property
    def spaces(self) -> Mapping[str, Space]:
        """Those of the encoder here."""
        return self._here.spaces

    @property
    def max_tokens(self) -> int:
        """That of the encoder here."""
        return self._here.max_tokens

    @property
    def tokens_sent(self) -> int:
        """The tokens that APIs counted, here and in the actors."""
        return int(getattr(self._here, "tokens_sent", 0)) + self._tokens_sent

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, by the encoder here."""
        return self._here.count_tokens(texts)

    def encode_queries(self, texts: Sequence[str]) -> dict[str, VectorBatch]:
        """One vector a text and space, by the encoder here."""
        return self._here.encode_queries(texts)

    def encode_passages(self, texts: Sequence[str]) -> dict[str, VectorBatch]:
        """One vector a text and space, by an actor."""
        return self.submit(texts)()

    def submit(self, texts: Sequence[str]) -> Callable[[], dict[str, VectorBatch]]:
        """Have the actor with the least to do encode ``texts``; gives what waits for the vectors."""
        place = min(range(len(self._actors)), key=lambda at: len(self._waiting[at]))
        reference = self._actors[place].encode.remote(list(texts))
        self._waiting[place].append(reference)

        def result() -> dict[str, VectorBatch]:
            vectors, tokens = _fetch(self._ray, reference)
            self._waiting[place].remove(reference)
            self._tokens_sent += tokens
            found: dict[str, VectorBatch] = vectors
            return found

        return result

    def close(self) -> None:
        """End the actors, and with them what nobody waits for any more."""
        for actor in self._actors:
            self._ray.kill(actor)
        _settle(self._ray, [reference for references in self._waiting for reference in references])


class _EncoderActor:
    """One encoder in a process of its own. What fails at the start is told to whoever asks first."""

    def __init__(self, load: Callable[[], Encoder]) -> None:
        self._encoder: Encoder | None = None
        try:
            self._encoder = load()
        except XunyiError as error:
            self._error = error

    def ready(self) -> None:
        """Raise what kept the encoder from being loaded."""
        if self._encoder is None:
            raise self._error

    def encode(self, texts: list[str]) -> tuple[dict[str, VectorBatch], int]:
        """The vectors, and the tokens that an API counted."""
        self.ready()
        assert self._encoder is not None
        before = int(getattr(self._encoder, "tokens_sent", 0))
        vectors = self._encoder.encode_passages(texts)
        return vectors, int(getattr(self._encoder, "tokens_sent", 0)) - before


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
        return _fetch(self._ray, self._merge.remote(*left))


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
    here, there = _libraries(), _fetch(ray, ray.remote(_libraries).remote())
    for name, found in here.items():
        if there[name] != found:
            raise XunyiError(
                f"The Ray cluster has {name} {there[name]}, and this machine {found}, so that results would differ; "
                f"install the same on both."
            )


def _places(cluster: RayCluster, workers: int | None) -> tuple[int, dict[str, Any]]:
    """How many encoders, and what each asks of Ray."""
    if cluster.gpus:
        number = workers or cluster.gpus
        if number > cluster.gpus:
            raise UsageError(
                f"--encoder-workers {number}: the Ray cluster has {cluster.gpus} GPUs, and one encoder goes on each; "
                f"give at most that."
            )
        return number, {"num_gpus": 1, "num_cpus": 1}
    machines = [count for count in cluster.processors if count]
    number = workers or len(machines)
    if number > sum(machines):
        raise UsageError(
            f"--encoder-workers {number}: the Ray cluster has {sum(machines)} processors; give at most that."
        )
    each = min(max(machines), available_processors()) if cluster.started_here else max(machines)
    while sum(count // each for count in machines) < number:
        each -= 1
    # The variable is what encoders keep to, and gives each a fresh process, in which no library has read another.
    return number, {"num_cpus": each, "runtime_env": {"env_vars": {"OMP_NUM_THREADS": str(each)}}}


def _settle(ray: Any, references: Collection[Any]) -> None:
    """Wait until Ray has given up work that nobody wants; where it must stop before, it complains on stderr."""
    if references:
        ray.wait(list(references), num_returns=len(references), timeout=5)


def _fetch(ray: Any, reference: Any) -> Any:
    """What a task or an actor gave; an error of ours as it is there, and what Ray says of lost work in a sentence."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, ImportError):
            raise XunyiError(
                f"A worker of the Ray cluster lacks a package ({error.cause}); install xunyi there as it is here."
            ) from error
        if isinstance(error.cause, (XunyiError, MemoryError, OSError)):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise XunyiError(
            f"A worker on Ray ended before its work was done ({type(error).__name__}), perhaps for want of memory; "
            f"run the same command again, which goes on from what was written, or give fewer --workers or "
            f"--encoder-workers."
        ) from error
