"""Two texts under every representation, side by side."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.sparse import issparse

from schemas.errors import UsageError

if TYPE_CHECKING:
    from search.corpus import Corpus
    from search.view import CorpusView

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


def compare_in(
    first: str, second: str, *, corpus: str | None = None, store: str | None = None, split: bool = False
) -> TextComparison:
    """Compare two texts by counts and by the bundled model, or by all spaces of ``corpus``.

    ``split`` says that the texts are words already, parted by ``/`` or white space.
    """
    from encoders.analysis import make_analyzer
    from search.corpus import Corpus

    _require_words(first, second)
    if corpus is None:
        from encoders.registry import get_encoder

        encoder = get_encoder()
        words = pre_split if split else make_analyzer().words
        return compare_texts(
            first, second, words=words, encoders={"dense": lambda texts: encoder.encode_queries(texts)["dense"]}
        )
    with Corpus(corpus, store) as opened:
        return compare_by(opened, first, second, split=split)


def compare_by(corpus: Corpus, first: str, second: str, *, split: bool = False) -> TextComparison:
    """Compare two texts by counts and by all spaces of an open corpus; ``split`` as in ``compare_in``."""
    _require_words(first, second)
    return corpus.ask(lambda view: _compare(view, first, second, split))


def _compare(corpus: CorpusView, first: str, second: str, split: bool) -> TextComparison:
    spaces = [name for name, space in corpus.manifest.spaces.items() if space.kind != "multi"]
    rows = corpus.encode([first, second], spaces)
    if "tfidf" in rows:
        # As passages: with BM25 a query is bare counts, and its weights are the passages'.
        rows["tfidf"] = corpus.lexical.encode_passages([first, second])["tfidf"]
    encoders: dict[str, Encode] = {name: partial(_known, rows[name]) for name in spaces}
    words = pre_split if split else corpus.lexical.analyzer.words
    return compare_texts(first, second, words=words, encoders=encoders)


def _require_words(*texts: str) -> None:
    for text in texts:
        if not text.strip():
            raise UsageError("A text to compare is empty; write some words.")


def _known(rows: Any, _: list[str]) -> Any:
    """What encodes both texts, where they are encoded already."""
    return rows
