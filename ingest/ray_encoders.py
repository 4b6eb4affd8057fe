"""Encoders on Ray: actors that hold one each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from encoders.base import Encoder
from ingest.executors import AHEAD
from ingest.ray_cluster import RayCluster
from ingest.ray_results import RESTARTS, fetch, settle
from schemas.errors import UsageError, XunyiError
from schemas.manifest import EncoderIdentity
from schemas.processors import available_processors
from schemas.spaces import Space, VectorBatch


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
            fetch(self._ray, actor.ready.remote())

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
            vectors, tokens = fetch(self._ray, reference)
            self._waiting[place].remove(reference)
            self._tokens_sent += tokens
            found: dict[str, VectorBatch] = vectors
            return found

        return result

    def close(self) -> None:
        """End the actors, and with them what nobody waits for any more."""
        for actor in self._actors:
            self._ray.kill(actor)
        settle(self._ray, [reference for references in self._waiting for reference in references])


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
