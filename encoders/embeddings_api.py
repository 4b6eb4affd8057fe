"""What is asked of an OpenAI-compatible ``/v1/embeddings``, and what servers make of it: one request at a time."""

from __future__ import annotations

import base64
import email.utils
import logging
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

import numpy as np

from schemas.errors import EncoderError
from schemas.spaces import DenseBatch

URL_VARIABLE = "OPENAI_BASE_URL"
KEY_VARIABLE = "OPENAI_API_KEY"
"""Where the base URL and the key are read from: the names that OpenAI's own client reads."""

_log = logging.getLogger("xunyi.encoders")


class _Refused(EncoderError):
    """The server will not have this request; fewer texts, or another form, it may."""


class EmbeddingsApi:
    """A server, and what was found of it: how many texts it takes at a time, and whether it gives base64.

    Parameters
    ----------
    url : str
        Up to ``/v1``.
    request_texts : int
        Most texts of one request, until the server takes only fewer.
    retries, timeout, sleep
        As for ``encoders.openai_compatible.OpenAICompatibleEncoder``.

    Raises
    ------
    EncoderError
        The URL is none, the server refuses or does not answer, or answers with something else than
        vectors. The key is in no message.

    """

    def __init__(
        self, url: str, *, request_texts: int, retries: int, timeout: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        import httpx

        self._url = url.rstrip("/")
        parts = _address(self._url)
        if parts is None:
            raise EncoderError(
                f"The base URL is no http address such as http://127.0.0.1:8080/v1; set {URL_VARIABLE} to one."
            )
        if parts.username or parts.password:
            raise EncoderError(f"The base URL holds a name or password; take it out and set {KEY_VARIABLE} instead.")
        self.host = parts.hostname or ""
        self.shown_url = f"{parts.scheme}://{self.host}{f':{parts.port}' if parts.port else ''}{parts.path}"
        self.request_texts = request_texts
        self.tokens_sent = 0
        # None until an answer came: a server that takes only floats refuses the whole request.
        self._base64: bool | None = None
        self._retries, self._sleep = retries, sleep
        self._http = httpx.Client(timeout=timeout)

    def close(self) -> None:
        """Let go of the connections."""
        if http := getattr(self, "_http", None):
            http.close()

    def vectors(self, model: str, texts: Sequence[str], dimensions: int | None = None) -> DenseBatch:
        """One row a text; what the server refuses is asked again in halves, and the size that it took is kept."""
        before = size = self.request_texts
        blocks: list[DenseBatch] = []
        done = 0
        while done < len(texts):
            part = texts[done : done + size]
            try:
                blocks.append(self._one(model, part, dimensions))
            except _Refused as refusal:
                if len(part) == 1:
                    # It was not the number of texts.
                    self.request_texts = before
                    raise
                size = len(part) // 2
                _log.info("%s; asking for %d texts at a time", refusal, size)
                continue
            self.request_texts = size
            done += len(part)
        try:
            return np.concatenate(blocks)
        except ValueError as error:
            raise EncoderError(f"{self.shown_url} gave vectors of several dimensions; check what it serves.") from error

    def _one(self, model: str, texts: Sequence[str], dimensions: int | None) -> DenseBatch:
        """The vectors of one request: as base64, a fifth of floats' length, unless the server has only those."""
        body: dict[str, Any] = {"model": model, "input": list(texts)}
        if dimensions is not None:
            body["dimensions"] = dimensions
        if self._base64 is not False:
            try:
                rows = self._rows(self._post({**body, "encoding_format": "base64"}), texts)
            except _Refused:
                if self._base64:
                    raise
            else:
                self._base64 = True
                return rows
        rows = self._rows(self._post(body), texts)
        self._base64 = False
        return rows

    def _rows(self, answer: Any, texts: Sequence[str]) -> DenseBatch:
        try:
            vectors = [_vector(item["embedding"]) for item in _ordered(answer["data"])]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise EncoderError(
                f"{self.shown_url} answers with something else than embeddings; check the URL."
            ) from error
        self.tokens_sent += _tokens(answer)
        usable = sum(_usable(vector, text) for vector, text in zip(vectors, texts, strict=False))
        if usable != len(texts) or len(vectors) != len(texts):
            raise EncoderError(
                f"{self.shown_url} gave {usable} usable vectors for {len(texts)} texts; one that is missing, zero or "
                f"without numbers cannot be searched, so check the model."
            )
        if len({len(vector) for vector in vectors}) > 1:
            raise EncoderError(f"{self.shown_url} gave vectors of several dimensions; check what it serves.")
        return np.stack(vectors)

    def _post(self, body: Mapping[str, Any]) -> Any:
        import httpx

        key = os.environ.get(KEY_VARIABLE, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise EncoderError(f"The key in {KEY_VARIABLE} holds characters that no key has; set it again.")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        reason, wait = "", 0.5
        for attempt in range(self._retries + 1):
            try:
                response = self._http.post(f"{self._url}/embeddings", json=body, headers=headers)
            except httpx.HTTPError as error:
                reason, pause = f"does not answer ({type(error).__name__})", wait
            else:
                if response.is_success:
                    return _json(response, self.shown_url)
                reason = f"answers {response.status_code}{_said(response, key)}"
                if response.status_code != 429 and response.status_code < 500:
                    kind = _Refused if response.status_code in {400, 413, 422} else EncoderError
                    raise kind(f"{self.shown_url} {reason}; {_remedy(response.status_code, body)}.")
                pause = _retry_after(response.headers.get("retry-after"), wait)
            if attempt < self._retries:
                _log.info("%s %s; trying again in %.1f s", self.shown_url, reason, pause)
                self._sleep(pause)
                wait = min(wait * 2, 30)
        fewer = (
            ", or ask for fewer texts at a time with --encoder-option request_texts=N" if len(body["input"]) > 1 else ""
        )
        raise EncoderError(
            f"{self.shown_url} {reason}, {self._retries + 1} times; check that it runs, or try later{fewer}."
        )


def _address(url: str) -> SplitResult | None:
    """The parts of an http address, or None."""
    try:
        parts = urlsplit(url)
        return parts if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 else None
    except ValueError:  # a port or an IPv6 address that is none
        return None


def _remedy(status: int, body: Mapping[str, Any]) -> str:
    if status in {401, 403}:
        return f"set {KEY_VARIABLE}"
    if status in {400, 422} and "dimensions" in body:
        return "check the model, or leave out the dimensions, which not every model can choose"
    if status == 413:
        return "one text alone is too large: take a smaller max_length"
    if status in {400, 422}:
        # As many as were asked for are not the reason: fewer have been tried.
        return "check the model and its URL, or take a smaller max_length where a text is too long"
    return "check the model and its URL"


def _json(response: Any, url: str) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise EncoderError(f"{url} does not answer in JSON; check the URL.") from error


def _said(response: Any, key: str) -> str:
    try:
        message = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    text = " ".join(str(message).split())[:200]
    return f" ({text.replace(key, '***') if key else text})"


def _retry_after(header: str | None, otherwise: float) -> float:
    """Seconds that a ``Retry-After`` asks for: a number, or a date (RFC 9110, 10.2.3); at most two minutes."""
    if not header:
        return otherwise
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (email.utils.parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return otherwise
    return min(max(seconds, 0.0), 120.0) if not math.isnan(seconds) else otherwise


def _ordered(data: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The vectors as the texts were asked: by their numbers, or as they came where none, or one alone, is given."""
    numbers = [item.get("index") for item in data]
    if len(set(numbers)) <= 1:
        return list(data)
    if len(set(numbers)) < len(numbers):
        raise ValueError("two vectors for one text")
    return sorted(data, key=lambda item: item["index"])


def _tokens(answer: Mapping[str, Any]) -> int:
    """What the server counted, 0 where it counts nothing: a report's figure, and no reason to refuse vectors."""
    usage = answer.get("usage")
    counted = usage.get("total_tokens") if isinstance(usage, dict) else None
    return counted if isinstance(counted, int) and counted > 0 else 0


def _vector(value: Any) -> DenseBatch:
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value), dtype="<f4").astype(np.float32)
    # What holds no numbers is no vector, but it may stand among good ones.
    return np.asarray([] if value is None else value, dtype=np.float32)


def _usable(vector: DenseBatch, text: str) -> bool:
    """Whether a vector can be compared: a zero one is near to nothing, and right for a blank alone."""
    if vector.ndim != 1 or not vector.size or not np.isfinite(vector).all():
        return False
    return bool(vector.any()) or not text.strip()
