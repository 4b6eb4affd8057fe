"""What the interface says of itself beside its routes: the form of errors, where each may come, and the key."""

from __future__ import annotations

from typing import Any

from fastapi import Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict


class Fault(BaseModel):
    """What went wrong: the name of an error's kind, and one sentence for people."""

    model_config = ConfigDict(frozen=True)

    kind: str
    message: str


class ErrorAnswer(BaseModel):
    """The one form that every error takes."""

    model_config = ConfigDict(frozen=True)

    error: Fault


MEANING = {
    400: "The request cannot be meant: an unknown space, field or word",
    401: "The key is missing or wrong",
    404: "There is no such corpus",
    409: "The corpus cannot do what is asked",
    413: "The request is too large",
    422: "The request is not of the form that is described here",
    500: "The service failed",
    502: "The store refuses",
    503: "The store does not answer, or is being written to",
}
HEADERS = {
    401: {"WWW-Authenticate": {"description": "Bearer", "schema": {"type": "string"}}},
    503: {"Retry-After": {"description": "Seconds after which to ask again", "schema": {"type": "integer"}}},
}

OF_SERVICE = (413, 500)
"""What any route may answer."""

OF_STORE = (400, *OF_SERVICE, 502, 503)
"""What a route may answer that asks the store."""

OF_CORPUS = (*OF_STORE, 404, 409, 422)
"""What a route may answer that asks one corpus."""


def refusals(statuses: tuple[int, ...]) -> dict[int | str, dict[str, Any]]:
    """The answers of a route that are errors, as FastAPI takes them."""
    return {
        status: {
            "model": ErrorAnswer,
            "description": MEANING[status],
            **({"headers": HEADERS[status]} if status in HEADERS else {}),
        }
        for status in sorted(statuses)
    }


def keyed(key: str | None) -> dict[str, Any]:
    """What routes that want the key say of it; ``Guard`` is what asks for it."""
    if key is None:
        return {}
    bearer = HTTPBearer(auto_error=False, description="The key of the service: XUNYI_SERVICE_KEY where it runs.")
    return {"dependencies": [Security(bearer)], "responses": refusals((401,))}
