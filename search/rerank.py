"""A second look at the first hits: a cross-encoder's scores, and diversity by MMR."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from encoders.model_files import loading, model_folder
from schemas.errors import EncoderError, UsageError

_COUNT_PAST_PADDING = frozenset({"camembert", "data2vec-text", "longformer", "mpnet", "roberta", "xlm-roberta",
                                 "xlm-roberta-xl", "xmod"})  # fmt: skip
"""Models whose first token has the position after the padding's, so that they read fewer tokens than they have
positions (514 for 512)."""


class CrossEncoderReranker:
    """Scores (query, text) pairs with a cross-encoder; loaded at the first use.

    ``model`` is a folder or a hub name. ``library`` is ``sentence-transformers`` (its
    ``CrossEncoder``) or ``FlagEmbedding`` (``FlagReranker``, the loader of the BGE rerankers' own
    authors). Both are part of the extra ``models``. A pair is read up to ``max_length`` tokens, or as many as
    the model has positions for where those are fewer.
    """

    def __init__(
        self, model: str, *, library: str = "sentence-transformers", batch_size: int = 16, max_length: int = 512
    ) -> None:
        if library not in ("sentence-transformers", "FlagEmbedding"):
            raise UsageError(f"no reranker library is called {library!r}; use sentence-transformers or FlagEmbedding.")
        self.model = model
        self.library = library
        self.batch_size = batch_size
        self.max_length = max_length
        self._loaded: Any = None

    def scores(self, query: str, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """One score a text, shape ``(n_texts,)``; higher is better, the scale is the model's own.

        Raises :class:`EncoderError` where the library or the model is missing or fails.
        """
        if not texts:
            return np.empty(0)
        if self._loaded is None:
            self._loaded = self._load()
        pairs = [(query, text) for text in texts]
        try:
            if self.library == "FlagEmbedding":
                found = self._loaded.compute_score(pairs, batch_size=self.batch_size, max_length=self.max_length)
            else:
                found = self._loaded.predict(pairs, batch_size=self.batch_size, show_progress_bar=False)
        except Exception as error:
            raise EncoderError(
                f"The reranker {self.model} failed ({error}); rerank by another one, or search without --rerank."
            ) from error
        scores = np.asarray(found, dtype=np.float64).reshape(-1)
        if scores.shape != (len(texts),):
            raise EncoderError(f"{self.model!r} gives more than one score a pair; choose a reranker with one label.")
        # A model that answers NaN for a pair has said nothing; it goes last instead of anywhere.
        return np.nan_to_num(scores, nan=-np.inf, posinf=np.inf, neginf=-np.inf)

    def order(self, query: str, texts: Sequence[str]) -> list[tuple[int, float]]:
        """``(index, score)`` of all texts, best first; equal scores keep their first order."""
        scores = self.scores(query, texts)
        return [(int(index), float(scores[index])) for index in np.argsort(-scores, kind="stable")]

    def _load(self) -> Any:
        try:
            if self.library == "FlagEmbedding":
                from FlagEmbedding import FlagReranker
            else:
                from sentence_transformers import CrossEncoder
        except ImportError as error:
            raise EncoderError(f"A cross-encoder needs {self.library}; run: pip install 'xunyi[models]'") from error
        folder = self._folder()
        self.max_length = min([self.max_length, *_limits(folder)])
        with loading(self.model):
            if self.library == "FlagEmbedding":
                return FlagReranker(str(folder), use_fp16=False)
            return CrossEncoder(str(folder), max_length=self.max_length, local_files_only=True)

    def _folder(self) -> Path:
        try:
            folder = model_folder(self.model)
        except EncoderError as error:
            raise EncoderError(
                f"The reranker {self.model} is not on this machine; fetch it with: xunyi models download "
                f"{self.model}, or name a folder that holds one."
            ) from error
        made_for = _settings(folder, "config.json").get("architectures")
        # An encoder of texts would be given a head of random weights, and score by them without a word.
        if made_for and not any("SequenceClassification" in name or "CausalLM" in name for name in made_for):
            raise EncoderError(
                f"The model {self.model} is a {made_for[0]} and no cross-encoder; name one that scores pairs of texts."
            )
        return folder


def _limits(folder: Path) -> list[int]:
    """How many tokens a model can read by each of its files that says so."""
    config = _settings(folder, "config.json")
    positions = config.get("max_position_embeddings")
    if isinstance(positions, int) and config.get("model_type") in _COUNT_PAST_PADDING:
        positions -= int(config.get("pad_token_id") or 0) + 1
    stated = (positions, _settings(folder, "tokenizer_config.json").get("model_max_length"))
    return [int(limit) for limit in stated if isinstance(limit, int | float) and limit > 0]


def _settings(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def mmr(
    relevance: Sequence[float] | npt.NDArray[np.floating[Any]],
    vectors: npt.NDArray[np.floating[Any]],
    *,
    diversity: float = 0.3,
    limit: int | None = None,
) -> list[int]:
    """Order items by maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998).

    ``relevance`` is one number an item, of any scale: it is brought to 0..1. ``vectors`` is
    ``(n, dim)``, compared by cosine; a zero row is like nothing. ``diversity`` is 1 - lambda, as in
    Qdrant: 0 keeps the order by relevance, 1 looks only for what is different. Returns indices, the
    most relevant first, at most ``limit``; equal values keep their first order.

    Raises :class:`UsageError` for a diversity outside 0..1 or as many vectors as items missing.
    """
    if not 0 <= diversity <= 1:
        raise UsageError(f"diversity is {diversity}; give a number from 0 to 1.")
    scores = np.asarray(relevance, dtype=np.float64)
    if len(scores) != len(vectors):
        raise UsageError(f"there are {len(scores)} items and {len(vectors)} vectors; give one vector an item.")
    if not len(scores):
        return []
    spread = np.ptp(scores)
    scaled = (scores - scores.min()) / spread if spread > 0 else np.ones_like(scores)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.divide(vectors, norms, out=np.zeros(vectors.shape, dtype=np.float64), where=norms > 0)
    chosen = [int(np.argmax(scaled))]
    nearest = units @ units[chosen[0]]
    left = np.ones(len(scaled), dtype=bool)
    left[chosen[0]] = False
    while left.any() and len(chosen) < (len(scaled) if limit is None else limit):
        value = np.where(left, (1 - diversity) * scaled - diversity * nearest, -np.inf)
        best = int(np.argmax(value))
        chosen.append(best)
        left[best] = False
        nearest = np.maximum(nearest, units @ units[best])
    return chosen[: len(scaled) if limit is None else max(limit, 0)]


def feedback_query(
    query: npt.NDArray[np.floating[Any]], vectors: npt.NDArray[np.floating[Any]], *, amount: float = 0.5
) -> npt.NDArray[np.float32]:
    """Move a dense query towards its first hits: Rocchio's feedback without a judge.

    ``query`` is ``(dim,)``, ``vectors`` ``(n, dim)`` those of the best one or two hits of a fused
    first round, so that one space learns from the others (vector PRF: Li et al., TOIS 2023). Returns
    a unit vector ``(dim,)``: query + ``amount`` times the hits' mean. Without hits it is the query.
    """
    moved = np.asarray(query, dtype=np.float32)
    if len(vectors):
        moved = moved + np.float32(amount) * np.asarray(vectors, dtype=np.float32).mean(axis=0)
    norm = float(np.linalg.norm(moved))
    return np.asarray(moved / norm if norm > 0 else moved, dtype=np.float32)
