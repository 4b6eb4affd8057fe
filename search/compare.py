"""Two texts under every representation, side by side."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.sparse import issparse

from schemas.errors import UsageError

Encode: TypeAlias = Callable[[list[str]], Any]
"""Gives two rows for two texts: a dense array ``(2, dim)`` or a sparse one ``(2, vocabulary)``."""


class TextComparison(BaseModel):
    """Cosine of two texts by representation; None where one of them is empty in it."""

    model_config = ConfigDict(frozen=True)

    first: str
    second: str
    similarities: dict[str, float | None]


def counts_cosine(first: Iterable[Hashable], second: Iterable[Hashable]) -> float | None:
    """Cosine of the counts of two bags of words; None where one is empty."""
    left, right = Counter(first), Counter(second)
    if not left or not right:
        return None
    dot = sum(count * right[word] for word, count in left.items())
    squares = sum(count * count for count in left.values()) * sum(count * count for count in right.values())
    return float(dot / math.sqrt(squares))


def char_ngrams(text: str, size: int = 3) -> list[str]:
    """All runs of ``size`` characters, in order; a shorter text is its own only one."""
    if size < 1:
        raise UsageError(f"an n-gram of {size} characters cannot be; give 1 or more.")
    if len(text) < size:
        return [text] if text else []
    return [text[at : at + size] for at in range(len(text) - size + 1)]


def row_cosine(rows: Any) -> float | None:
    """Cosine of the two rows of a dense or sparse matrix; None where one is all zero."""
    pair = np.asarray(rows.toarray() if issparse(rows) else rows, dtype=np.float64)
    norms = np.linalg.norm(pair, axis=1)
    if pair.shape[0] != 2 or not norms.all():
        return None
    return float(np.clip(pair[0] @ pair[1] / (norms[0] * norms[1]), -1.0, 1.0))


def compare_texts(
    first: str,
    second: str,
    *,
    words: Callable[[str], Sequence[str]],
    encoders: Mapping[str, Encode] | None = None,
    ngram: int = 3,
) -> TextComparison:
    """Compare two texts by word counts, character n-grams, and each of ``encoders``.

    ``words`` splits a text (the analyser's words; ``pre_split`` for texts that are split already).
    ``encoders`` maps a name (``tfidf``, ``word2vec``, ``dense``, ``sparse``) to what encodes both.
    """
    found: dict[str, float | None] = {
        "words": counts_cosine(words(first), words(second)),
        f"char_{ngram}grams": counts_cosine(char_ngrams(first, ngram), char_ngrams(second, ngram)),
    }
    for name, encode in (encoders or {}).items():
        found[name] = row_cosine(encode([first, second]))
    return TextComparison(first=first, second=second, similarities=found)


def pre_split(text: str) -> list[str]:
    """Split a text whose words are set apart already, by ``/`` or white space: 我/不爱/吃."""
    return text.replace("/", " ").split()
