"""Errors as answers: a status and one sentence. What tells of this machine stays in the log."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Sequence

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from schemas.errors import (
    CorpusError,
    CorpusNotFound,
    EncoderMismatch,
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
    EncoderMismatch: "The corpus was made by another encoder than the one here; the service's log says which.",
    StoreDamaged: "The corpus is damaged; the service's log says where, and what to do.",
    CorpusNotFound: "There is no such corpus; GET /v1/corpora lists those that there are.",
}
"""Said instead where the error's own sentence names folders, addresses or processes of this machine."""

FAILED = "The service could not answer; its log says why."
"""Said instead of any other error that is not the request's fault."""

MOST_BYTES = 8 * 1024 * 1024
"""The largest body that is read."""

LONGEST_VALUE = 200
"""Characters of a value that an error quotes."""

LONGEST_MESSAGE = 2_000
"""Characters of an error's sentence."""

MOST_FAULTS = 5
"""Faults of one request that are told; it may have as many as it has values."""

_VALUE = rf"(?:\\.|(?!(?P=mark))[^\\]){{{LONGEST_VALUE + 1},}}"
_QUOTED = re.compile(rf"""(?<!\w)(?P<mark>['"])(?P<value>{_VALUE})(?P=mark)(?!\w)""", re.DOTALL)

# An option of the command line that a request has too, or what is quoted, which stays as it was asked.
_OPTION = re.compile(
    r"""(?<!\w)(?P<mark>['"])(?:\\.|(?!(?P=mark))[^\\])*(?P=mark)(?!\w)"""
    r"|(?<![\w-])--(?P<option>limit|offset|spaces|where|fusion|rrf-k|weights|rerank-top|rerank|diversity|like|unlike)(?![\w-])",
    re.DOTALL,
)

log = logging.getLogger("xunyi.service")


def status_of(error: XunyiError) -> int:
    """The HTTP status of an error."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def answer(status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """The one form that every error takes: ``{"error": {"kind": …, "message": …}}``."""
    headers = {"Retry-After": str(RETRY_SECONDS)} if status == 503 else headers
    return JSONResponse({"error": {"kind": kind, "message": message}}, status_code=status, headers=headers)


class TooLarge(HTTPException):
    """A body larger than ``MOST_BYTES``, found while it is read."""

    def __init__(self) -> None:
        super().__init__(413)


def shortened(message: str) -> str:
    """The sentence with long values cut: an error must not be as large as what it complains of."""
    said = _QUOTED.sub(lambda found: f"{found['mark']}{found['value'][:LONGEST_VALUE]}…{found['mark']}", message)
    return said if len(said) <= LONGEST_MESSAGE else said[:LONGEST_MESSAGE] + "…"


def by_request(message: str) -> str:
    """The sentence with the command line's options by the names that requests have for them, ``rrf_k``."""
    return _OPTION.sub(lambda found: found["option"].replace("-", "_") if found["option"] else found.group(), message)


def told(error: Exception) -> str:
    """What may be said of an error to whoever asks; the log gets the rest where it is not the request's fault."""
    hidden = HIDDEN.get(type(error)) if isinstance(error, XunyiError) else None
    theirs = isinstance(error, XunyiError) and status_of(error) < 500
    if not theirs or isinstance(error, EncoderMismatch):
        log.error("error", extra={"kind": type(error).__name__, "detail": str(error)})
    # Only what a request asked for: other sentences name options of commands to run.
    said = by_request(str(error)) if isinstance(error, UsageError) else str(error)
    return hidden or (shortened(said) if theirs else FAILED)


async def ours(request: Request, error: Exception) -> JSONResponse:
    """An error of ours."""
    assert isinstance(error, XunyiError)
    kind, status = type(error).__name__, status_of(error)
    request.app.state.metrics.error(kind)
    return answer(status, kind, told(error))


async def http(_: Request, error: Exception) -> JSONResponse:
    """What the routing refuses: a path or a method that there is not."""
    assert isinstance(error, HTTPException)
    return answer(error.status_code, "Http", f"{error.detail}.", dict(error.headers or {}))


async def over(request: Request, _: Exception) -> JSONResponse:
    """A body that turned out too large."""
    return too_large(request)


def too_large(request: Request) -> JSONResponse:
    """The refusal of a body that is, or says that it is, too large."""
    request.app.state.metrics.error("RequestTooLarge")
    most = f"{MOST_BYTES // 1024**2} MB"
    return answer(413, "RequestTooLarge", f"The request is larger than {most}; ask in several.")


async def invalid(request: Request, error: Exception) -> JSONResponse:
    """A request that says what none may: the place and what is wrong with it, without the value."""
    assert isinstance(error, RequestValidationError)
    request.app.state.metrics.error("RequestInvalid")
    faults = [f"{_place(fault['loc'])}: {shortened(fault['msg'])}" for fault in error.errors()[:MOST_FAULTS]]
    more = len(error.errors()) - len(faults)
    return answer(422, "RequestInvalid", "; ".join(faults) + (f"; and {more:,} more." if more else "."))


def stopping(request: Request) -> JSONResponse:
    """The answer to a request that has not ended when the service does."""
    request.app.state.metrics.error("Stopping")
    return answer(503, "Stopping", "The service is stopping; ask again in a few seconds.")


async def unexpected(request: Request, error: Exception) -> JSONResponse:
    """A defect: logged with its trace, and not shown."""
    request.app.state.metrics.error("Unexpected")
    trace = "".join(traceback.format_exception(error))
    log.error("error", extra={"kind": type(error).__name__, "detail": str(error), "trace": trace})
    return answer(500, "Unexpected", "The service failed; its log says how.")


def _place(where: Sequence[str | int]) -> str:
    return ".".join(str(part)[:LONGEST_VALUE] for part in where[1:]) or "body"
