"""What a request may say, checked before anything is done; answers are those of ``schemas.search``."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from search.request import MAX_QUERY

MOST_HITS = 1_000
"""Hits, or words, in one answer."""

MOST_QUERIES = 1_000
"""Queries in one request."""

MOST_ANSWERED = 20_000
"""Hits in all answers of one request, each of which has its whole text in it."""

MOST_CONDITIONS = 32
"""Conditions of ``where``: one with ``~`` may look through all values of a field, and the corpus waits for it."""

MOST_NAMES = 100
"""Spaces, documents or words in one request."""

Condition = Annotated[str, Field(max_length=10_000)]
Name = Annotated[str, Field(max_length=200)]
Word = Annotated[str, Field(max_length=200)]
Named = Annotated[str, Field(max_length=2_000)]
"""A document's id or title."""


class _Body(BaseModel):
    # A misspelt option must not be passed over in silence.
    model_config = ConfigDict(extra="forbid", frozen=True)


class Options(_Body):
    """What ``xunyi search`` has as options, by the same names; those that an address can say."""

    limit: int = Field(10, ge=1, le=MOST_HITS)
    offset: int = Field(0, ge=0)
    spaces: list[Name] | None = Field(None, max_length=MOST_NAMES)
    where: list[Condition] = Field(
        default_factory=list, max_length=MOST_CONDITIONS, description="FIELD=V, =A|B, !=V, >=N, <N, ~words"
    )
    fusion: Literal["zscore", "convex", "rrf", "dbsf"] | None = None
    rrf_k: int | None = Field(None, description="the constant of rrf, 60 by default")
    by: Literal["passage", "document"] = "passage"
    rerank: Name | None = None
    rerank_top: int = Field(50, ge=1, le=MOST_HITS)
    diversity: float | None = Field(None, ge=0, le=1)
    spelling: bool = Field(True, description="take words that the corpus does not know as ones that it knows")
    explain: bool = Field(False, description="ranks deeper than a search looks, too")


class SearchAddress(Options):
    """One query, in an address."""

    query: str = Field(max_length=MAX_QUERY)


class SearchBody(SearchAddress):
    """One query."""

    weights: dict[Name, float] | None = Field(None, max_length=MOST_NAMES)


class BatchBody(Options):
    """Several queries, answered in one round."""

    queries: list[Annotated[str, Field(max_length=MAX_QUERY)]] = Field(min_length=1, max_length=MOST_QUERIES)
    weights: dict[Name, float] | None = Field(None, max_length=MOST_NAMES)

    @model_validator(mode="after")
    def _answerable(self) -> Self:
        if (asked := len(self.queries) * self.limit) > MOST_ANSWERED:
            raise ValueError(f"{asked:,} hits are asked for, more than {MOST_ANSWERED:,}")
        return self


class RecommendBody(_Body):
    """Documents by id or title."""

    like: list[Named] = Field(min_length=1, max_length=MOST_NAMES)
    unlike: list[Named] = Field(default_factory=list, max_length=MOST_NAMES)
    spaces: list[Name] | None = Field(None, max_length=MOST_NAMES)
    weights: dict[Name, float] | None = Field(None, max_length=MOST_NAMES)
    where: list[Condition] = Field(default_factory=list, max_length=MOST_CONDITIONS)
    limit: int = Field(10, ge=1, le=MOST_HITS)


class CompareBody(_Body):
    """Two texts; ``split`` says that they are words already, parted by ``/`` or white space."""

    first: str = Field(max_length=MAX_QUERY)
    second: str = Field(max_length=MAX_QUERY)
    split: bool = False
    ngram: int = Field(3, ge=1, le=MAX_QUERY)
