"""What every request passes: it is counted and logged, wants the key, and is no larger than a request may be."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import failures
from service.metrics import Metrics

OPEN_ROUTES = frozenset({"/health", "/", "/page.js", "/page.css", "/favicon.svg"})
"""What needs no key: it tells nothing of what is stored."""

LONGEST_METHOD = 20
"""Characters of an invented method in the log."""

log = logging.getLogger("xunyi.service")


class Guard:
    """Around the whole application, so that a request that fails is counted and logged as any other.

    With ``key`` every request but those of ``OPEN_ROUTES`` must bear it.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, key: str | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status, begun = 500, False

        async def sending(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                MutableHeaders(scope=message)["X-Content-Type-Options"] = "nosniff"
            await send(message)

        request = Request(scope)
        try:
            refused = self._refusal(request)
            if refused is None:
                await self._app(scope, _bounded(receive), sending)
            else:
                await refused(scope, receive, sending)
        except asyncio.CancelledError:
            # A server that stops cancels what has not ended by itself, and would log the trace of it.
            if begun:
                raise
            await failures.stopping(request)(scope, receive, sending)
        except Exception as error:
            answer = await failures.unexpected(request, error)
            if begun:
                status = 500
                raise
            await answer(scope, receive, sending)
        finally:
            self._count(scope, status, time.perf_counter() - started)

    def _refusal(self, request: Request) -> Response | None:
        if self._key is not None and request.scope["path"] not in OPEN_ROUTES and not _bears(request, self._key):
            text = "Give the key as a header: Authorization: Bearer KEY."
            return failures.answer(401, "Unauthorized", text, {"WWW-Authenticate": "Bearer"})
        said = request.headers.get("content-length", "")
        return failures.too_large(request) if said.isdigit() and int(said) > failures.MOST_BYTES else None

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        self._metrics.request(route, scope["method"], status, seconds)
        log.info(
            "request",
            extra={
                "route": route,
                "method": scope["method"][:LONGEST_METHOD],
                "status": status,
                "seconds": round(seconds, 4),
            },
        )


def _bounded(receive: Receive) -> Receive:
    """What receives a body, and stops at the most that one may be: one in chunks does not say its length before."""
    read = 0

    async def receiving() -> Message:
        nonlocal read
        message = await receive()
        if message["type"] == "http.request":
            read += len(message.get("body", b""))
            if read > failures.MOST_BYTES:
                raise failures.TooLarge
        return message

    return receiving


def _bears(request: Request, key: str) -> bool:
    # A header's bytes are read as Latin-1; a key in any other script is compared by its own bytes.
    scheme, _, given = request.headers.get("authorization", "").encode("latin-1").partition(b" ")
    return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), key.strip().encode())
