"""The connection to a Qdrant server: one request at a time, tried again, with errors as sentences."""

from __future__ import annotations

import json
import random
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from schemas.errors import StoreError, StoreUnavailable, UsageError

TRIES = 5
FIRST_PAUSE = 0.2
"""Seconds before the second try; each further pause is twice as long, with jitter."""

T = TypeVar("T")


class Connection:
    """A server, or with ``:memory:`` the client's own emulation of one."""

    def __init__(
        self, url: str, *, api_key: str | None = None, timeout: float = 60.0, prefer_grpc: bool = False
    ) -> None:
        """Nothing is sent yet; raises ``UsageError`` for an address that cannot be one."""
        self._timeout = timeout
        self.emulated = url == ":memory:"
        if self.emulated:
            self.location = url
            self._client = QdrantClient(":memory:")
            return
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https", "grpc") or not parts.hostname:
            raise UsageError(f"--store {_shown(url)}: write http://HOST:PORT, https://HOST, or a folder.")
        self.location = _shown(url)
        grpc = False
        if parts.scheme == "grpc":
            prefer_grpc, parts = True, parts._replace(scheme="http")
            grpc = True
        try:
            port = parts.port or (443 if parts.scheme == "https" else 6334 if grpc else 6333)
        except ValueError:
            raise UsageError(f"--store {self.location}: the port is no number from 1 to 65535.") from None
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        with warnings.catch_warnings():
            # The client warns of a key sent without TLS, which is usual on loopback and in a container's network.
            warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
            self._client = QdrantClient(
                url=f"{parts.scheme}://{host}:{6333 if grpc else port}{parts.path}".rstrip("/"),
                grpc_port=port if grpc else 6334,
                api_key=api_key,
                timeout=max(1, round(timeout)),
                prefer_grpc=prefer_grpc,
                check_compatibility=False,
            )

    def close(self) -> None:
        """Let go of it; closing twice is harmless."""
        with suppress(Exception):
            self._client.close()

    def call(self, ask: Callable[[QdrantClient], T], *, tries: int = TRIES) -> T:
        """One request, tried again with growing pauses while the server cannot be reached or is overloaded."""
        pause = FIRST_PAUSE
        give_up = time.monotonic() + self._timeout
        for attempt in range(1, tries + 1):
            try:
                return ask(self._client)
            except Exception as error:
                why, fatal = self._judged(error)
                if fatal is not None:
                    raise fatal from None
                # A server that hangs has used up the time of all tries with the first.
                if attempt == tries or time.monotonic() >= give_up:
                    raise self._unavailable(why) from None
                wait = max(pause * random.uniform(0.5, 1.0), _retry_after(error))
            time.sleep(wait)
            pause *= 2
        raise AssertionError("unreachable")

    def change(self, ask: Callable[[QdrantClient], object], done: Callable[[], bool]) -> None:
        """A request that a server refuses the second time, such as to make or to remove something.

        Where the answer to the first was lost, or another client was quicker, what was asked for is ``done``.
        """
        try:
            self.call(ask)
        except StoreUnavailable:
            raise
        except StoreError:
            if not done():
                raise

    def _judged(self, error: Exception) -> tuple[str, Exception | None]:
        """What happened in few words, and what to raise at once; None where another try may help."""
        if isinstance(error, UnexpectedResponse):
            code = error.status_code or 0
            if code in (401, 403):
                return "", self._refused_key()
            if code == 429 or code >= 500:
                return f"answers {code} again and again", None
            return "", StoreError(f"{self.location} refuses the request: {_reason(error)}.")
        if isinstance(error, ResourceExhaustedResponse):
            return "answers 429 again and again", None
        if isinstance(error, ResponseHandlingException | ApiException | ConnectionError | TimeoutError):
            return f"does not answer ({' '.join(str(error).split())[:200] or type(error).__name__})", None
        if isinstance(error, ValueError):
            # The emulation's way to refuse a request.
            return "", StoreError(f"{self.location} refuses the request: {' '.join(str(error).split())[:300]}.")
        code_of = getattr(error, "code", None)
        if type(error).__module__.startswith("grpc") and callable(code_of):
            name = str(code_of()).rpartition(".")[2]
            if name in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
                return "", self._refused_key()
            if name in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"):
                return f"does not answer ({name})", None
            return "", StoreError(f"{self.location} refuses the request: {name}.")
        return "", StoreError(f"{self.location} failed: {' '.join(str(error).split())[:300]}.")

    def _refused_key(self) -> StoreError:
        return StoreError(f"{self.location} refuses the key; set XUNYI_API_KEY to the right one.")

    def _unavailable(self, why: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"{self.location} {why}; see that the server runs and --store names it, then run the same command again: "
            "what was written stays, and it goes on from there."
        )


def _retry_after(error: Exception) -> float:
    """Seconds that the server asks to wait, at most 30; 0 where it does not say."""
    if isinstance(error, ResourceExhaustedResponse):
        return min(float(error.retry_after_s), 30.0)
    if isinstance(error, UnexpectedResponse) and error.headers is not None:
        asked = str(dict(error.headers).get("retry-after", ""))
        return min(float(asked), 30.0) if asked.isdigit() else 0.0
    return 0.0


def _reason(error: UnexpectedResponse) -> str:
    text = (error.content or b"").decode("utf-8", "replace")
    with suppress(ValueError, KeyError, TypeError):
        text = str(json.loads(text)["status"]["error"])
    return " ".join(text.split())[:300]


def _shown(url: str) -> str:
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, netloc, parts.path, "", ""))
