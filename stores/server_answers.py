"""What goes wrong with a server, as sentences: what happened, where, and the remedy; never with the key in them."""

from __future__ import annotations

import html
import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from pydantic import ValidationError
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from schemas.errors import StoreError, StoreUnavailable

LONGEST_WAIT = 30.0
"""Seconds that a server is waited for at the most because it asks to be."""

_GONE = re.compile(r"Collection ['`\"]?(?P<name>[^\s'`\"]+)['`\"]? (?:doesn't exist|does not exist|not found)")


class Answers:
    """Judges the errors of requests to the server at ``location``, which is asked with ``key``."""

    def __init__(self, location: str, key: str | None, *, emulated: bool) -> None:
        self._location = location
        self._emulated = emulated
        self._key_forms = _forms(key) if key else []

    def judged(self, error: Exception) -> tuple[str, StoreError | None]:
        """What happened in few words, and what to raise at once; None where another try may help."""
        if isinstance(error, UnexpectedResponse):
            return self._status(error)
        if isinstance(error, QdrantException):
            # The client's own errors are those of a 429 with a time to wait, and of one whose time it cannot read.
            return "answers 429 again and again", None
        if unanswered(error):
            said = _grpc_code(error) or self._foreign(str(error), 200) or type(error).__name__
            return f"does not answer ({said})", None
        if not self._emulated and isinstance(error, _UNREADABLE):
            return "", self._stranger("answers with something else than Qdrant's JSON")
        if isinstance(error, ValueError):
            # The emulation's way to refuse a request.
            return "", self._refused(self._foreign(str(error)))
        if code := _grpc_code(error):
            return self._grpc_status(code, error)
        return "", StoreError(f"{self._location} failed: {self._foreign(str(error))}.")

    def unavailable(self, why: str) -> StoreUnavailable:
        """The error of a server that every try has failed with."""
        return StoreUnavailable(
            f"{self._location} {why}; see that the server runs and --store names it, then run the same command again: "
            "an ingest goes on from what is in."
        )

    def gone(self, collection: str) -> StoreError:
        """The error of a collection that does not stand: nothing asks for one that was not made or met before."""
        return StoreError(
            f"{self._location} has no collection {collection}: another command may have replaced or removed it "
            "meanwhile; run the same command again, and where that says so too, ingest the corpus anew."
        )

    def _status(self, error: UnexpectedResponse) -> tuple[str, StoreError | None]:
        code = error.status_code or 0
        if code in (401, 403):
            return "", self._refused_key()
        reason = self._foreign(_reason(error))
        if code == 429 or code >= 500:
            return f"answers {code} again and again{f' ({reason})' if reason else ''}", None
        if reason:
            return "", self._refused(reason)
        to = self._foreign(str(error.headers.get("location", ""))) if error.headers else ""
        phrase = self._foreign(error.reason_phrase)
        return "", self._stranger(f"answers {code}{f' ({phrase})' if phrase else ''}{f' and names {to}' if to else ''}")

    def _grpc_status(self, code: str, error: Exception) -> tuple[str, StoreError | None]:
        if code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
            return "", self._refused_key()
        if code == "RESOURCE_EXHAUSTED":
            return f"does not answer ({code})", None
        details = getattr(error, "details", None)
        return "", self._refused(self._foreign(str((details() if callable(details) else "") or code)))

    def _refused(self, reason: str) -> StoreError:
        if gone := _GONE.search(reason):
            return self.gone(gone["name"])
        return StoreError(f"{self._location} refuses the request: {reason.rstrip(' .!')}.")

    def _refused_key(self) -> StoreError:
        return StoreError(f"{self._location} refuses the key; set XUNYI_API_KEY to the right one.")

    def _stranger(self, what: str) -> StoreError:
        return StoreError(
            f"{self._location} {what}, which is no answer of a Qdrant server of today; see that --store names one, and "
            "what stands before it."
        )

    def _foreign(self, text: str, most: int = 300) -> str:
        """What others have written, in one line; all of it goes through here, since it may repeat the key.

        That is taken out before anything is cut or put together, which would leave parts of it.
        """
        for form in self._key_forms:
            text = text.replace(form, "***")
        return " ".join(text.split())[:most]


_UNREADABLE = (json.JSONDecodeError, UnicodeDecodeError, ResponseHandlingException, AssertionError)
"""How the client ends with a web page, and with JSON that lacks what it asked for."""


def unanswered(error: Exception) -> bool:
    """Whether nothing came back: no connection, or no answer in time."""
    if isinstance(error, ResponseHandlingException):
        return not isinstance(error.source, ValidationError)
    return isinstance(error, ConnectionError | TimeoutError) or _grpc_code(error) in (
        "UNAVAILABLE",
        "DEADLINE_EXCEEDED",
    )


def retry_after(error: Exception) -> float:
    """Seconds that the server asks to wait, at most ``LONGEST_WAIT``; 0 where it does not say."""
    if isinstance(error, ResourceExhaustedResponse):
        return _seconds(str(error.retry_after_s))
    if isinstance(error, QdrantException):
        # "… is not a valid integer: VALUE": the header itself is not to be had.
        return _seconds(str(error).partition(": ")[2])
    if isinstance(error, UnexpectedResponse) and error.headers is not None:
        return _seconds(str(error.headers.get("retry-after", "")))
    return 0.0


def _seconds(asked: str) -> float:
    """A number, or a date (RFC 9110, 10.2.3); 0 for anything else."""
    seconds = 0.0
    try:
        seconds = float(asked)
    except ValueError:
        with suppress(ValueError, TypeError, IndexError, OverflowError):
            moment = parsedate_to_datetime(asked)
            seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    # What is no number is not above 0 either.
    return min(seconds, LONGEST_WAIT) if seconds > 0 else 0.0


def _reason(error: UnexpectedResponse) -> str:
    """Why Qdrant refuses, as it always says; empty where the answer is another's."""
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(error.content)["status"]["error"])
    return ""


def _grpc_code(error: Exception) -> str:
    code = getattr(error, "code", None)
    return str(code()).rpartition(".")[2] if type(error).__module__.startswith("grpc") and callable(code) else ""


def _forms(key: str) -> list[str]:
    """The key as an answer may hold it, longest first: as it is, in JSON, in an address and in a web page."""
    return sorted({key, json.dumps(key)[1:-1], quote(key, safe=""), html.escape(key)}, key=len, reverse=True)
