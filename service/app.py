"""The HTTP service: every route translates a request into one call of ``search``."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from schemas.errors import UsageError, XunyiError
from schemas.search import SearchResponse
from search.catalog import CorpusInfo, corpus_info
from search.compare import TextComparison, compare_by
from search.recommend import recommend
from search.second_stage import COLBERT, Reranking
from search.words import WordScore, analogy, similar, similarity
from service import failures
from service.bodies import MOST_HITS, BatchBody, CompareBody, Options, RecommendBody, SearchAddress, SearchBody
from service.holding import Holder
from service.metrics import Metrics
from service.page import add_page
from stores.base import Store
from stores.opening import open_store

OPEN_ROUTES = frozenset({"/health", "/", "/page.js", "/page.css", "/favicon.svg"})
"""What needs no key: it tells nothing of what is stored."""

BUSY_WAIT = 2.0
"""Seconds a request waits for another process to leave an embedded corpus, before it is told to come again."""

log = logging.getLogger("xunyi.service")


def create_app(
    store: str | None = None, *, key: str | None = None, idle: float = 60.0, rerankers: tuple[str, ...] = ()
) -> FastAPI:
    """The application, to be run by any ASGI server.

    ``store`` is a folder or a URL (default: ``XUNYI_STORE``, else the user's own folder). With ``key``
    every request but ``/health`` and the page must bear it: ``Authorization: Bearer KEY``. A corpus is
    let go after ``idle`` seconds without a request. ``rerankers`` are the judges that requests may
    name besides ``colbert``: naming one loads a model, so not everyone may choose it.
    """
    holder = Holder(lambda: _open(store), idle)
    metrics = Metrics(lambda: holder.open_corpora)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tidying = asyncio.create_task(_close_idle(holder, idle))
        try:
            yield
        finally:
            tidying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await tidying
            holder.close()

    app = FastAPI(
        title="Xunyi",
        version=version("xunyi"),
        description="Hybrid semantic search for Chinese and English text.",
        lifespan=lifespan,
        redoc_url=None,
        docs_url=None,
    )
    app.state.metrics, app.state.holder = metrics, holder
    app.add_exception_handler(XunyiError, failures.ours)
    app.add_exception_handler(RequestValidationError, failures.invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, failures.unexpected)
    _add_guard(app, metrics, key)
    _add_care(app, metrics, store)
    _add_corpora(app, holder, store)
    _add_search(app, holder, metrics, frozenset({COLBERT, *rerankers}))
    _add_words(app, holder)
    add_page(app)
    return app


def _open(store: str | None) -> Store:
    return open_store(store, lock_wait=BUSY_WAIT)


async def _close_idle(holder: Holder, idle: float) -> None:
    while True:
        await asyncio.sleep(max(idle / 4, 0.05))
        await asyncio.to_thread(holder.close_idle)


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return failures.answer(error.status_code, "Http", f"{error.detail}.", dict(error.headers or {}))


def _add_guard(app: FastAPI, metrics: Metrics, key: str | None) -> None:
    """Count and log every request, and turn away those without the key."""

    @app.middleware("http")
    async def guard(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        started = time.perf_counter()
        if key is None or request.url.path in OPEN_ROUTES or _bears(request, key):
            response = await call(request)
        else:
            text = "Give the key as a header: Authorization: Bearer KEY."
            response = failures.answer(401, "Unauthorized", text, {"WWW-Authenticate": "Bearer"})
        seconds = time.perf_counter() - started
        route = getattr(request.scope.get("route"), "path", "other")
        metrics.request(route, request.method, response.status_code, seconds)
        log.info(
            "request",
            extra={
                "route": route,
                "method": request.method,
                "status": response.status_code,
                "seconds": round(seconds, 4),
            },
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def _bears(request: Request, key: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), key.encode())


def _add_care(app: FastAPI, metrics: Metrics, store: str | None) -> None:
    @app.get("/health", tags=["care"])
    def health() -> dict[str, str]:
        """Whether the service runs."""
        return {"status": "ok", "version": app.version}

    @app.get("/ready", tags=["care"])
    def ready() -> dict[str, Any]:
        """Whether the store answers."""
        with _open(store) as opened:
            return {"status": "ok", "corpora": len(opened.list_corpora())}

    @app.get("/metrics", tags=["care"], response_class=Response)
    def prometheus() -> Response:
        """Counters and timings, for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_corpora(app: FastAPI, holder: Holder, store: str | None) -> None:
    @app.get("/v1/corpora", tags=["corpora"])
    def corpora() -> dict[str, Any]:
        """The corpora of the store, with how much each holds."""
        found = []
        with _open(store) as opened:
            for name in opened.list_corpora():
                manifest = opened.read_manifest(name)
                if manifest is not None:
                    kept = {"corpus", "counts", "spaces", "payload_fields", "complete", "created", "updated"}
                    found.append(manifest.model_dump(mode="json", include=kept))
        return {"corpora": found}

    @app.get("/v1/corpora/{corpus}", tags=["corpora"])
    def info(corpus: str) -> CorpusInfo:
        """What made a corpus, and what it holds."""
        with holder.corpus(corpus) as opened:
            return corpus_info(corpus, opened.store).model_copy(update={"store": ""})


def _add_search(app: FastAPI, holder: Holder, metrics: Metrics, judges: frozenset[str]) -> None:
    def options(body: Options) -> dict[str, Any]:
        if body.rerank is not None and body.rerank not in judges:
            raise UsageError(f"rerank {body.rerank!r}: this service allows {', '.join(sorted(judges))}.")
        kept = body.model_dump(include={"limit", "offset", "spaces", "where", "fusion", "weights"})
        rerank = Reranking(body.rerank, body.diversity, body.rerank_top)
        explain = body.explain or "scores"
        return {**kept, "by_document": body.by == "document", "rerank": rerank, "explain": explain}

    def answers(corpus: str, queries: list[str], body: Options) -> list[SearchResponse]:
        with holder.corpus(corpus) as opened:
            found = opened.search_many(queries, **options(body))
        for response in found:
            metrics.answer(response)
        return found

    @app.post("/v1/corpora/{corpus}/search", tags=["search"])
    def search(corpus: str, body: SearchBody) -> SearchResponse:
        """Answer one query, hits best first."""
        return answers(corpus, [body.query], body)[0]

    @app.get("/v1/corpora/{corpus}/search", tags=["search"])
    def search_by_address(corpus: str, query: Annotated[SearchAddress, Query()]) -> SearchResponse:
        """The same, for a link: ``?query=…&limit=5&where=city=Seattle``; weights cannot be given so."""
        return answers(corpus, [query.query], query)[0]

    @app.post("/v1/corpora/{corpus}/search/batch", tags=["search"])
    def batch(corpus: str, body: BatchBody) -> dict[str, list[SearchResponse]]:
        """Answer several queries in one round."""
        return {"answers": answers(corpus, body.queries, body)}

    @app.post("/v1/corpora/{corpus}/recommend", tags=["search"])
    def like(corpus: str, body: RecommendBody) -> SearchResponse:
        """Whole documents like some and unlike others."""
        with holder.corpus(corpus) as opened:
            return recommend(opened, body.like, body.unlike, spaces=body.spaces, where=body.where, limit=body.limit)

    @app.post("/v1/corpora/{corpus}/compare", tags=["search"])
    def compare(corpus: str, body: CompareBody) -> TextComparison:
        """Two texts under every representation of the corpus, as cosines."""
        with holder.corpus(corpus) as opened:
            return compare_by(opened, body.first, body.second, split=body.split)


def _add_words(app: FastAPI, holder: Holder) -> None:
    number = Query(10, ge=1, le=MOST_HITS)

    @app.get("/v1/corpora/{corpus}/words/similar", tags=["words"])
    def near(corpus: str, word: str, limit: int = number) -> dict[str, list[WordScore]]:
        """The words nearest to one."""
        with holder.corpus(corpus) as opened:
            return {"words": similar(opened, word, limit)}

    @app.get("/v1/corpora/{corpus}/words/similarity", tags=["words"])
    def cosine(corpus: str, first: str, second: str) -> dict[str, float]:
        """The cosine of two words."""
        with holder.corpus(corpus) as opened:
            return {"score": similarity(opened, first, second)}

    @app.get("/v1/corpora/{corpus}/words/analogy", tags=["words"])
    def as_to(
        corpus: str,
        positive: Annotated[list[str], Query()],
        negative: Annotated[list[str], Query()] = [],  # noqa: B006 - FastAPI copies it
        limit: int = number,
    ) -> dict[str, list[WordScore]]:
        """Words near the sum of ``positive`` less ``negative``."""
        with holder.corpus(corpus) as opened:
            return {"words": analogy(opened, positive, negative, limit)}
