"""Word2Vec trained on the corpus itself, and texts as weighted means of their words."""

from __future__ import annotations

import heapq
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from encoders.bags import Bags, bags_of
from encoders.base import TermLookup, term_arrays
from encoders.phrases import Items, is_pair, join, phrases, with_pairs
from schemas.manifest import FitStats, Word2VecSettings

Matrix = npt.NDArray[np.float32]

# gensim cuts what is longer in silence
_LONGEST_SENTENCE = 5_000
# fewer texts than this say nothing about what all texts share: one text's component is the text
_FEWEST_FOR_COMPONENT = 32
_TRAINED_WORDS = 1_500_000
_MOST_EPOCHS = 30


class _Sentences:
    """Word lists to be read again each epoch, empty ones left out and long ones cut in pieces, ``phrases`` joined."""

    def __init__(self, source: Path | Iterable[Sequence[str]]) -> None:
        self._source = source
        self.words = 0
        self.phrases: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[list[str]]:
        self.words = 0
        for words in read_spool(self._source) if isinstance(self._source, Path) else self._source:
            for start in range(0, len(words), _LONGEST_SENTENCE):
                piece = list(words[start : start + _LONGEST_SENTENCE])
                joined = join(piece, self.phrases) if self.phrases else piece
                self.words += len(joined)
                yield joined


def read_spool(path: Path) -> Iterator[list[str]]:
    """The word lists of a spool file: UTF-8, one text a line, words parted by a space."""
    with path.open(encoding="utf-8", errors="surrogatepass", newline="\n") as file:
        for line in file:
            yield line.split()


def spool_line(words: Sequence[str]) -> str:
    """One text as a line of a spool file."""
    return " ".join(words) + "\n"


def epochs_for(words: int) -> int:
    """How often to read a corpus of so many words where the settings leave it open (``epochs=0``).

    About a million and a half words are trained on in all, in at most 30 rounds: a novel needs several,
    and a corpus of more words is read once, so that training grows no faster than the corpus.
    """
    return max(1, min(_MOST_EPOCHS, round(_TRAINED_WORDS / max(words, 1))))


class WordCounts(NamedTuple):
    """The words and phrases that get vectors, by word, how often each stands, and how many words all texts have."""

    kept: dict[str, int]
    total: int


def word_counts(items: Items, total: int, settings: Word2VecSettings) -> WordCounts:
    """Choose the words that stand ``min_count`` times, the ``max_words`` most frequent; of equals the first by word.

    With ``phrases`` the pairs among the items are judged too, and what is a phrase is chosen as a word is.
    """
    words = _most_frequent((item for item in items() if not is_pair(item[0])), settings)
    if settings.phrases:
        words = _most_frequent(chain(words.items(), phrases(items, words, total)), settings)
    return WordCounts(words, total)


def _most_frequent(counts: Iterable[tuple[str, int]], settings: Word2VecSettings) -> dict[str, int]:
    frequent = ((-n, word) for word, n in counts if n >= settings.min_count)
    chosen = heapq.nsmallest(settings.max_words, frequent) if settings.max_words else list(frequent)
    return {word: -n for n, word in sorted(chosen, key=itemgetter(1))}


def train(
    source: Path | Iterable[Sequence[str]], settings: Word2VecSettings, counts: WordCounts | None = None
) -> tuple[list[str], Matrix]:
    """Train on a spool file, or on word lists that can be iterated over again and again.

    ``counts`` spare a pass over the texts where they are known. Gives the words, most frequent first, and their
    unit vectors of shape ``(words, dim)``. The same input gives the same vectors: one worker, a seed, and a hash
    that does not change with the process.
    A corpus in which no word stands ``min_count`` times gives no words and a ``(0, dim)`` matrix.
    """
    from gensim.models import Word2Vec

    sentences = _Sentences(source)
    model = Word2Vec(
        vector_size=settings.dim,
        window=settings.window,
        min_count=settings.min_count,
        sg=int(settings.skip_gram),
        negative=settings.negative,
        sample=settings.sample,
        alpha=settings.learning_rate,
        seed=settings.seed,
        workers=1,
        hashfxn=_stable_hash,
    )
    counts = counts or _counted(sentences, settings)
    if found := frozenset(filter(is_pair, counts.kept)):
        sentences.phrases = found
        counts = _left(sentences, counts, settings)
    # gensim logs a warning of its own for an empty corpus, and fails on training without words
    if not counts.kept:
        return [], np.zeros((0, settings.dim), dtype=np.float32)
    model.build_vocab_from_freq(counts.kept)
    model.train(sentences, total_words=counts.total, epochs=settings.epochs or epochs_for(counts.total))
    vectors = _centred(np.asarray(model.wv.vectors, dtype=np.float32))
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return list(model.wv.index_to_key), np.ascontiguousarray(unit)


def _counted(sentences: _Sentences, settings: Word2VecSettings) -> WordCounts:
    counts: Counter[str] = Counter()
    for sentence in sentences:
        counts.update(with_pairs(sentence) if settings.phrases else sentence)
    return word_counts(counts.items, sentences.words, settings)


def _left(sentences: _Sentences, counts: WordCounts, settings: Word2VecSettings) -> WordCounts:
    """How often words and phrases stand once the phrases are joined: of 紧箍儿 咒 little is left of 咒 alone."""
    left: Counter[str] = Counter()
    for sentence in sentences:
        left.update(word for word in sentence if word in counts.kept)
    return WordCounts(_most_frequent(left.items(), settings), sentences.words)


def _centred(vectors: Matrix) -> Matrix:
    """Take the mean vector away: it makes all words of a small corpus alike (Mu & Viswanath 2018)."""
    return vectors - vectors.mean(axis=0) if len(vectors) >= _FEWEST_FOR_COMPONENT else vectors


def _stable_hash(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def _means(bags: Bags, lookup: TermLookup, settings: Word2VecSettings, stats: FitStats) -> npt.NDArray[np.float64]:
    """Means weighted by ``a / (a + p(word))``, shape ``(n, dim)``; zero without a known word."""
    terms = term_arrays(lookup, bags.terms)
    total = max(int(stats.extra.get("word_tokens") or stats.tokens), 1)
    if not len(terms.with_vector):
        return np.zeros((len(bags), settings.dim), dtype=np.float64)
    share = terms.cf[terms.with_vector] / total
    weighted = terms.vectors.astype(np.float64) * (settings.sif_a / (settings.sif_a + share))[:, None]
    known = bags.counts[:, terms.with_vector].astype(np.float64)
    number = known.sum(axis=1)[:, None]
    means: npt.NDArray[np.float64] = (known @ weighted) / np.maximum(number, 1.0)
    return means


def fit_components(
    word_lists: Sequence[Sequence[str]], lookup: TermLookup, settings: Word2VecSettings, stats: FitStats
) -> FitStats:
    """Find what a sample of texts has in common, and give ``stats`` with it as ``extra["component"]``.

    The first right singular vectors of the texts' means (Arora, Liang & Ma 2017), one after another in
    one list of ``remove_components * dim`` floats; empty for fewer than 32 texts with a known word.
    """
    means = _means(bags_of(word_lists), lookup, settings, stats)
    means = means[np.any(means != 0, axis=1)]
    component: list[float] = []
    if settings.remove_components > 0 and len(means) >= _FEWEST_FOR_COMPONENT:
        _, axes = np.linalg.eigh(means.T @ means)
        for axis in axes.T[::-1][: settings.remove_components]:
            component.extend((axis * np.sign(axis[np.argmax(np.abs(axis))])).tolist())
    return stats.model_copy(update={"extra": {**stats.extra, "component": component}})


def encode_words(
    word_lists: Sequence[Sequence[str]], lookup: TermLookup, settings: Word2VecSettings, stats: FitStats
) -> Matrix:
    """Texts as unit vectors, float32 of shape ``(n, dim)``; a zero row where no word is known.

    A smooth-inverse-frequency weighted mean with the common components of ``fit_components`` removed
    (Arora, Liang & Ma 2017, "A simple but tough-to-beat baseline for sentence embeddings").
    """
    return encode_word_bags(bags_of(word_lists), lookup, settings, stats)


def encode_word_bags(bags: Bags, lookup: TermLookup, settings: Word2VecSettings, stats: FitStats) -> Matrix:
    """``encode_words`` of texts that are counted already."""
    vectors = _means(bags, lookup, settings, stats)
    component = stats.extra.get("component") or []
    if component:
        axes = np.array(component, dtype=np.float64).reshape(-1, settings.dim)
        vectors -= (vectors @ axes.T) @ axes
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: npt.NDArray[np.float64] = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 1e-12)
    return unit.astype(np.float32)
