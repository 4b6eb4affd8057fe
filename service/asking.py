"""Routes that ask one corpus: each translates a request into one call of ``search``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from schemas.errors import UsageError
from schemas.search import SearchResponse
from search.compare import TextComparison, compare_by
from search.recommend import recommend
from search.second_stage import Reranking
from search.words import WordScore, analogy, similar, similarity
from service.bodies import (
    MOST_HITS,
    MOST_NAMES,
    BatchBody,
    CompareBody,
    Options,
    RecommendBody,
    SearchAddress,
    SearchBody,
    Word,
)
from service.described import OF_CORPUS, refusals
from service.metrics import Metrics
from service.turns import Turn


def search_routes(metrics: Metrics, judges: frozenset[str]) -> APIRouter:
    """Searches, which may name ``judges``, recommendations and comparisons."""
    router = APIRouter(prefix="/v1/corpora/{corpus}", tags=["search"], responses=refusals(OF_CORPUS))

    def options(body: Options) -> dict[str, Any]:
        if body.rerank is not None and body.rerank not in judges:
            raise UsageError(f"rerank {body.rerank!r}: this service allows {', '.join(sorted(judges))}.")
        kept = body.model_dump(include={"limit", "offset", "spaces", "where", "fusion", "rrf_k", "weights", "spelling"})
        rerank = Reranking(body.rerank, body.diversity, body.rerank_top)
        explain = body.explain or "scores"
        return {**kept, "by_document": body.by == "document", "rerank": rerank, "explain": explain}

    def answers(turn: Turn, queries: list[str], body: Options) -> list[SearchResponse]:
        asked = options(body)
        with turn as opened:
            found = opened.search_many(queries, **asked)
        for response in found:
            metrics.answer(response)
        return found

    @router.post("/search")
    def search(turn: Turn, body: SearchBody) -> SearchResponse:
        """Answer one query, hits best first."""
        return answers(turn, [body.query], body)[0]

    @router.get("/search")
    def search_by_address(turn: Turn, query: Annotated[SearchAddress, Query()]) -> SearchResponse:
        """The same, for a link: ``?query=…&limit=5&where=city=Seattle``; weights cannot be given so."""
        return answers(turn, [query.query], query)[0]

    @router.post("/search/batch")
    def batch(turn: Turn, body: BatchBody) -> dict[str, list[SearchResponse]]:
        """Answer several queries in one round."""
        return {"answers": answers(turn, body.queries, body)}

    @router.post("/recommend")
    def like(turn: Turn, body: RecommendBody) -> SearchResponse:
        """Whole documents like some and unlike others."""
        with turn as opened:
            return recommend(opened, **body.model_dump())

    @router.post("/compare")
    def compare(turn: Turn, body: CompareBody) -> TextComparison:
        """Two texts under every representation of the corpus, as cosines."""
        with turn as opened:
            return compare_by(opened, body.first, body.second, split=body.split, ngram=body.ngram)

    return router


def word_routes() -> APIRouter:
    """What words are near to others."""
    router = APIRouter(prefix="/v1/corpora/{corpus}/words", tags=["words"], responses=refusals(OF_CORPUS))
    number = Query(10, ge=1, le=MOST_HITS)

    @router.get("/similar")
    def near(turn: Turn, word: Word, limit: int = number) -> dict[str, list[WordScore]]:
        """The words nearest to one."""
        with turn as opened:
            return {"words": similar(opened, word, limit)}

    @router.get("/similarity")
    def cosine(turn: Turn, first: Word, second: Word) -> dict[str, float]:
        """The cosine of two words."""
        with turn as opened:
            return {"score": similarity(opened, first, second)}

    @router.get("/analogy")
    def as_to(
        turn: Turn,
        positive: Annotated[list[Word], Query(max_length=MOST_NAMES)],
        negative: Annotated[list[Word], Query(max_length=MOST_NAMES)] = [],  # noqa: B006 - FastAPI copies it
        limit: int = number,
    ) -> dict[str, list[WordScore]]:
        """Words near the sum of ``positive`` less ``negative``."""
        with turn as opened:
            return {"words": analogy(opened, positive, negative, limit)}

    return router
