"""The HTTP service: what it is put together of. Every route translates a request into one call of ``search``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from schemas.errors import XunyiError
from search.second_stage import COLBERT
from service import failures
from service.asking import search_routes, word_routes
from service.described import keyed
from service.guard import Guard
from service.holding import Holder
from service.listing import care_routes, corpus_routes, health_route
from service.metrics import Metrics
from service.page import add_page
from stores.base import Store
from stores.opening import open_store

BUSY_WAIT = 2.0
"""Seconds a request waits for another process to leave an embedded corpus, before it is told to come again."""


def create_app(
    store: str | None = None, *, key: str | None = None, idle: float = 60.0, rerankers: tuple[str, ...] = ()
) -> FastAPI:
    """The application, to be run by any ASGI server.

    ``store`` is a folder or a URL (default: ``XUNYI_STORE``, else the user's own folder). With ``key``
    every request but ``/health`` and the page must bear it: ``Authorization: Bearer KEY``. A corpus is
    let go after ``idle`` seconds without a request. ``rerankers`` are the judges that requests may
    name besides ``colbert``: naming one loads a model, so not everyone may choose it.

    Raises ``UsageError`` and ``StoreError`` for a ``store`` that can be none; a server is asked at the first request.
    """
    _open(store).close()
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
    app.add_exception_handler(failures.TooLarge, failures.over)
    app.add_exception_handler(HTTPException, failures.http)
    app.add_exception_handler(Exception, failures.unexpected)
    app.add_middleware(Guard, metrics=metrics, key=key)
    app.include_router(health_route())
    judges = frozenset({COLBERT, *rerankers})
    for router in (care_routes(metrics), corpus_routes(metrics), search_routes(metrics, judges), word_routes()):
        app.include_router(router, **keyed(key))
    add_page(app)
    return app


def _open(store: str | None) -> Store:
    return open_store(store, lock_wait=BUSY_WAIT)


async def _close_idle(holder: Holder, idle: float) -> None:
    while True:
        await asyncio.sleep(max(idle / 4, 0.05))
        await asyncio.to_thread(holder.close_idle)
