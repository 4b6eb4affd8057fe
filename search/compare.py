"""Two texts under every representation, side by side."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.sparse import issparse

from encoders.bags import bags_of
from encoders.normalize import normalize
from schemas.errors import UsageError
from schemas.ingest import DEFAULT_LEXICAL
from schemas.manifest import CorpusManifest
from schemas.spaces import SpaceKind

if TYPE_CHECKING:
    from search.corpus import Corpus
    from search.view import CorpusView

Encode: TypeAlias = Callable[[list[str]], Any]
"""Gives two rows for two texts: a dense array ``(2, dim)`` or a sparse one ``(2, vocabulary)``."""

_NOTHING = "one of the texts has nothing in it that is known there"
_NEEDS_CORPUS = "needs a corpus: --corpus NAME"
_NEEDS_ENCODER = "needs a corpus with an encoder that has it, such as bge-m3: --corpus NAME"

_PARTED = re.compile(r"[/／\s]+")
_UNSPACED = re.compile(
    "[\u2e80-\u312f\u3190-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff0f\uff1a-\uff20\U00020000-\U0003ffff]"
)
"""Chinese and Japanese characters and their signs, which stand without blanks; Korean has them."""


class TextComparison(BaseModel):
    """Cosine of two texts by representation; None where there is none, for the reason that ``reasons`` gives."""

    model_config = ConfigDict(frozen=True)

    first: str
    second: str
    similarities: dict[str, float | None]
    reasons: dict[str, str] = Field(default_factory=dict)


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
    read: Callable[[str], str] = str,
) -> TextComparison:
    """Compare two texts by word counts, character n-grams, and each of ``encoders``.

    ``words`` splits a text (the analyser's words; ``pre_split`` for texts that are split already). The rest
    sees what ``read`` makes of it (``joined`` for those), n-grams in one script, width and case.
    ``encoders`` maps a name (``tfidf``, ``word2vec``, ``dense``, ``sparse``) to what encodes both.
    """
    texts = [read(first), read(second)]
    grams = [char_ngrams(normalize(text), ngram) for text in texts]
    found: dict[str, float | None] = {
        "words": counts_cosine([normalize(word) for word in words(first)], [normalize(word) for word in words(second)]),
        f"char_{ngram}grams": counts_cosine(*grams),
    }
    for name, encode in (encoders or {}).items():
        found[name] = row_cosine(encode(texts))
    reasons = {name: _NOTHING for name, value in found.items() if value is None}
    return TextComparison(first=first, second=second, similarities=found, reasons=reasons)


def pre_split(text: str) -> list[str]:
    """Split a text whose words are set apart already, by ``/`` or white space: 我/不爱/吃."""
    return _PARTED.sub(" ", text).split()


def joined(text: str) -> str:
    """A text that is split already as it would be written: blanks only between words of which neither is Chinese."""
    written = ""
    for word in pre_split(text):
        apart = written and not _UNSPACED.match(written[-1]) and not _UNSPACED.match(word)
        written += f" {word}" if apart else word
    return written


def compare_in(
    first: str,
    second: str,
    *,
    corpus: str | None = None,
    store: str | None = None,
    split: bool = False,
    ngram: int = 3,
) -> TextComparison:
    """Compare two texts by counts and by the bundled model, or by all spaces of ``corpus``.

    ``split`` says that the texts are words already, parted by ``/`` or white space; ``ngram`` is how many
    characters are counted together. What cannot be compared by is None, with what it needs.
    """
    from encoders.analysis import make_analyzer
    from search.corpus import Corpus

    _require_words(first, second, split=split)
    if corpus is None:
        from encoders.registry import get_encoder

        encoder = get_encoder()
        words, read = (pre_split, joined) if split else (make_analyzer().words, str)
        encoders: dict[str, Encode] = {"dense": lambda texts: encoder.encode_queries(texts)["dense"]}
        found = compare_texts(first, second, words=words, encoders=encoders, ngram=ngram, read=read)
        return _with_all(found, {**dict.fromkeys(DEFAULT_LEXICAL, _NEEDS_CORPUS), "sparse": _NEEDS_ENCODER})
    with Corpus(corpus, store) as opened:
        return compare_by(opened, first, second, split=split, ngram=ngram)


def compare_by(corpus: Corpus, first: str, second: str, *, split: bool = False, ngram: int = 3) -> TextComparison:
    """Compare two texts by counts and by all spaces of an open corpus; the options are those of ``compare_in``."""
    _require_words(first, second, split=split)
    return corpus.ask(lambda view: _compare(view, first, second, split, ngram))


def _compare(corpus: CorpusView, first: str, second: str, split: bool, ngram: int) -> TextComparison:
    manifest, lexical = corpus.manifest, corpus.lexical
    spaces = [name for name, space in manifest.spaces.items() if space.kind is not SpaceKind.MULTI]
    words, read = (pre_split, joined) if split else (lexical.analyzer.words, str)
    rows: dict[str, Any] = corpus.encode([read(first), read(second)], [s for s in spaces if s in manifest.encoders])
    # As passages: with BM25 a query is bare counts, and its weights are the passages'.
    if split:
        cut = [pre_split(text) for text in (first, second)]
        features = bags_of([lexical.analyzer.cut_features(own) for own in cut])
        rows |= lexical.encode_bags(features, lexical.word_bags([lexical.analyzer.cut_words(own) for own in cut]))
    else:
        rows |= lexical.encode_passages([first, second])
    encoders: dict[str, Encode] = {name: partial(_known, rows[name]) for name in spaces}
    found = compare_texts(first, second, words=words, encoders=encoders, ngram=ngram, read=read)
    return _with_all(found, _lacking(manifest, spaces))


def _lacking(manifest: CorpusManifest, spaces: Sequence[str]) -> dict[str, str]:
    """What a corpus would need for each representation that it has no space of."""
    name, there = manifest.corpus, ",".join(manifest.spaces)
    kinds = {manifest.spaces[space].kind for space in spaces if space in manifest.encoders}
    needs = {space: f"add it with: xunyi rebuild {name} --spaces {there},{space}" for space in DEFAULT_LEXICAL}
    needs["dense"] = f"add it with: xunyi spaces add {name} bundled"
    needs["sparse"] = f"add it with: xunyi spaces add {name} bge-m3 --spaces sparse"
    held = {*spaces, *map(str, kinds)}
    return {kind: f"the corpus has no such space; {remedy}" for kind, remedy in needs.items() if kind not in held}


def _with_all(found: TextComparison, lacking: Mapping[str, str]) -> TextComparison:
    """With rows of what is lacking, in the usual order: counts, lexical spaces, learned ones."""
    rows = {**found.similarities, **dict.fromkeys(lacking)}
    counts, usual = list(found.similarities)[:2], (*DEFAULT_LEXICAL, "dense", "sparse")
    order = dict.fromkeys([*counts, *(name for name in usual if name in rows), *rows])
    return found.model_copy(
        update={"similarities": {name: rows[name] for name in order}, "reasons": {**found.reasons, **lacking}}
    )


def _require_words(*texts: str, split: bool) -> None:
    for text in texts:
        if not (pre_split(text) if split else text.strip()):
            raise UsageError("A text to compare is empty; write some words.")


def _known(rows: Any, _: list[str]) -> Any:
    """What encodes both texts, where they are encoded already."""
    return rows
