"""Answers of a search: hits, their scores in every space, and how long it took."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class SpaceScore(BaseModel):
    """Where a hit stands in one space: its rank from 1, its own score there, its share of the total (0 to 1).

    Rank and score are those of the query as it was asked. (A hybrid asks ``dense`` once more, moved towards the best
    hit, and its share is of that.) The rank is None where it lies deeper than the search looked, or where a sparse
    space does not match (score 0).
    """

    model_config = ConfigDict(frozen=True)

    rank: int | None
    score: float
    share: float = 0.0


class Snippet(BaseModel):
    """The best sentence or two of a text, and the spans in it that match the query (characters)."""

    model_config = ConfigDict(frozen=True)

    text: str
    start: int = 0
    highlights: list[tuple[int, int]] = Field(default_factory=list)


class Hit(BaseModel):
    """One answer. ``start`` and ``end`` are the passage's characters in its source text."""

    model_config = ConfigDict(frozen=True)

    rank: int
    score: float
    document_id: str
    passage_id: str
    title: str
    chapter: str | None
    text: str
    start: int
    end: int
    payload: dict[str, Any]
    spaces: dict[str, SpaceScore]
    snippet: Snippet
    passages: list[Hit] = Field(default_factory=list)


class Took(BaseModel):
    """Milliseconds of one search."""

    model_config = ConfigDict(frozen=True)

    encode: float
    search: float
    total: float


class SearchResponse(BaseModel):
    """A query's hits, best first; ``fusion`` says how the spaces were put together.

    ``rerank`` names what judged the first hits again, ``diversity`` how far they were spread; None is not at all.
    ``spelled`` are words of the query that the corpus does not know, with what they were taken as in lexical spaces.
    """

    model_config = ConfigDict(frozen=True)

    query: str
    corpus: str
    hits: list[Hit]
    fusion: str
    weights: dict[str, float]
    rerank: str | None = None
    diversity: float | None = None
    spelled: dict[str, str] = Field(default_factory=dict)
    took_ms: Took
