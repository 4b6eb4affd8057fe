"""The fusion methods and weights that tuning tries."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from schemas.errors import UsageError
from search.ranked_list import FusionMethod


class FusionChoice(BaseModel):
    """A fusion method with weights by space, summing to 1."""

    model_config = ConfigDict(frozen=True)

    method: FusionMethod
    weights: dict[str, float]


def fusion_choices(spaces: Sequence[str], methods: Sequence[FusionMethod], default: FusionChoice) -> list[FusionChoice]:
    """The default, then a grid of weights for every method, nearest to the default first."""
    total = sum(default.weights.get(space, 0.0) for space in spaces)
    if total <= 0:
        raise UsageError(f"the default weighs none of {', '.join(spaces)}; give one of them a weight.")
    start = FusionChoice(
        method=default.method, weights={space: default.weights.get(space, 0.0) / total for space in spaces}
    )
    steps = {1: 1, 2: 20, 3: 10, 4: 6}.get(len(spaces), 4)
    grid = [
        FusionChoice(method=method, weights={space: part / steps for space, part in zip(spaces, parts, strict=True)})
        for method in dict.fromkeys((default.method, *methods))
        for parts in _compositions(steps, len(spaces))
    ]
    grid.sort(
        key=lambda choice: (
            choice.method != start.method,
            round(sum(abs(choice.weights[space] - start.weights[space]) for space in spaces), 9),
        )
    )
    return [start, *grid]


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    for bars in itertools.combinations(range(total + parts - 1), parts - 1):
        edges = (-1, *bars, total + parts - 1)
        yield tuple(right - left - 1 for left, right in itertools.pairwise(edges))


def weighing_only(choices: Sequence[FusionChoice], space: str) -> list[int]:
    """The choices that weigh this space and no other: one a method at least."""
    return [at for at, choice in enumerate(choices) if choice.weights[space] == 1.0]
