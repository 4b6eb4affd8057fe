"""Errors as answers: a status and one sentence. What tells of this machine stays in the log."""

from __future__ import annotations

import logging

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from schemas.errors import (
    CorpusError,
    CorpusNotFound,
    InvalidPoint,
    StoreDamaged,
    StoreError,
    StoreLocked,
    StoreUnavailable,
    UsageError,
    XunyiError,
)

STATUS: dict[type[XunyiError], int] = {
    UsageError: 400,
    InvalidPoint: 400,
    CorpusNotFound: 404,
    CorpusError: 409,
    StoreLocked: 503,
    StoreUnavailable: 503,
    StoreDamaged: 500,
    StoreError: 502,
}
"""The status of each kind of error; an error takes that of its nearest kind, 500 where none is listed."""

RETRY_SECONDS = 5
"""After how long to ask again while a store is in use or does not answer."""

HIDDEN = {
    StoreLocked: "The corpus is being written to just now; ask again in a few seconds.",
    StoreUnavailable: "The store does not answer; ask again in a few seconds.",
    CorpusNotFound: "There is no such corpus; GET /v1/corpora lists those that there are.",
}
"""Said instead where the error's own sentence names folders, addresses or processes of this machine."""

log = logging.getLogger("xunyi.service")


def status_of(error: XunyiError) -> int:
    """The HTTP status of an error."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def answer(status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """The one form that every error takes: ``{"error": {"kind": …, "message": …}}``."""
    return JSONResponse({"error": {"kind": kind, "message": message}}, status_code=status, headers=headers)


async def ours(request: Request, error: Exception) -> JSONResponse:
    """An error of ours."""
    assert isinstance(error, XunyiError)
    kind, status = type(error).__name__, status_of(error)
    request.app.state.metrics.error(kind)
    message = HIDDEN.get(type(error), str(error))
    if status >= 500:
        log.error("error", extra={"kind": kind, "detail": str(error)})
        message = HIDDEN.get(type(error), "The service could not answer; its log says why.")
    return answer(status, kind, message, {"Retry-After": str(RETRY_SECONDS)} if status == 503 else None)


async def invalid(request: Request, error: Exception) -> JSONResponse:
    """A request that says what none may: the place and what is wrong with it, without the value."""
    assert isinstance(error, RequestValidationError)
    request.app.state.metrics.error("RequestInvalid")
    faults = [
        f"{'.'.join(str(part) for part in fault['loc'][1:]) or 'body'}: {fault['msg']}" for fault in error.errors()
    ]
    return answer(422, "RequestInvalid", "; ".join(faults) + ".")


async def unexpected(request: Request, error: Exception) -> JSONResponse:
    """A defect: logged with its trace, and not shown."""
    request.app.state.metrics.error("Unexpected")
    log.error("error", extra={"kind": type(error).__name__}, exc_info=error)
    return answer(500, "Unexpected", "The service failed; its log says how.")
