"""What a search may be asked: its query, page, spaces, weights and the like, checked before anything is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import get_args

from schemas.errors import UsageError
from schemas.manifest import CorpusManifest
from schemas.names import several
from search.ranked_list import FusionMethod
from search.second_stage import Reranking
from search.standings import Explain

MAX_REACH = 10_000
"""The deepest hit that can be asked for: ``offset + limit``."""

MAX_QUERY = 20_000
"""Characters of a query; more is a document, and is refused rather than cut."""


@dataclass(frozen=True)
class Page:
    """Which hits to show: ``limit`` after the first ``offset``, passages or documents.

    ``explain`` says how much is found out of each hit.
    """

    limit: int = 10
    offset: int = 0
    by_document: bool = False
    explain: Explain = False

    @property
    def reach(self) -> int:
        """The last hit's rank."""
        return self.offset + self.limit


@dataclass(frozen=True)
class Request:
    """How a search is to be done, as ``Corpus.search_many`` is told; where it says None, as the corpus has it.

    With ``spelling`` words that the corpus does not know are taken as ones that it knows.
    A view of the corpus makes an ``Ask`` of it.
    """

    page: Page = Page()
    spaces: Sequence[str] | None = None
    where: Sequence[str] = ()
    fusion: FusionMethod | None = None
    weights: Mapping[str, float] | None = None
    rrf_k: int | None = None
    rerank: Reranking = field(default_factory=Reranking)
    spelling: bool = True


def check_query(query: str) -> str:
    """The query without white space around it; refuses an empty one and one that is a document."""
    if not isinstance(query, str):
        raise UsageError(f"The query is a {type(query).__name__}; give text.")
    text = query.strip()
    if not text:
        raise UsageError("The query is empty; write some words to look for.")
    if len(text) > MAX_QUERY:
        raise UsageError(f"The query has {len(text):,} characters; at most {MAX_QUERY:,} can be asked.")
    return text


def check_page(limit: int, offset: int) -> None:
    """Refuse a page that cannot be meant, or that lies deeper than ``MAX_REACH``."""
    for name, number in (("limit", limit), ("offset", offset)):
        if not isinstance(number, Integral):
            raise UsageError(f"--{name} {number!r}: give a whole number.")
    if limit < 1:
        raise UsageError(f"--limit {limit}: ask for at least 1.")
    if offset < 0:
        raise UsageError(f"--offset {offset}: it counts from 0.")
    if limit + offset > MAX_REACH:
        raise UsageError(f"--limit {limit} with --offset {offset}: at most {MAX_REACH:,} hits deep can be asked.")


def chosen_spaces(
    manifest: CorpusManifest, spaces: str | Iterable[str] | None, without: str | None = None
) -> list[str]:
    """The spaces to ask, as named or all of them; ``without`` is left out of those that nobody named."""
    there = list(manifest.spaces)
    if spaces is None:
        return [space for space in there if space != without] or there
    spaces = several(spaces)
    for space in spaces:
        if space not in there:
            raise UsageError(
                f"--spaces: the corpus {manifest.corpus!r} has no space {space!r}; it has {', '.join(there)}."
            )
    if not spaces:
        raise UsageError(f"--spaces: name at least one of {', '.join(there)}.")
    return list(dict.fromkeys(spaces))


def check_fusion(fusion: str | None, used: str, rrf_k: int | None) -> None:
    """Refuse a method that there is not, or a constant of one that is not ``used``, before anything is encoded."""
    if fusion is not None and fusion not in get_args(FusionMethod):
        raise UsageError(f"--fusion {fusion!r}: choose one of {', '.join(get_args(FusionMethod))}.")
    if rrf_k is not None and used != "rrf":
        raise UsageError(f"--rrf-k {rrf_k}: it belongs to --fusion rrf, and {used} is used.")
    if rrf_k is not None and not (isinstance(rrf_k, Integral) and 1 <= rrf_k <= MAX_REACH):
        raise UsageError(f"--rrf-k {rrf_k}: give a whole number from 1 to {MAX_REACH:,}.")
