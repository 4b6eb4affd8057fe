"""The vocabulary of a corpus: counted in one streaming pass, then looked up by term."""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from encoders.bags import Bags
from encoders.base import TermArrays
from encoders.counting import LIMIT, TermCounter
from encoders.phrases import is_pair
from encoders.word2vec import WordCounts, word_counts
from schemas.manifest import FitStats, TfidfSettings, Word2VecSettings
from schemas.spaces import Term

_CACHED = 200_000
"""Entries kept between look-ups: the frequent ones come with every batch of texts."""


class VocabularyBuilder:
    """Counts terms and words; builders of several workers are merged in any order.

    ``limit`` is how many distinct terms are held in memory before they go to disk.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._features = TermCounter(limit)
        self._words = TermCounter(limit)
        self._passages = 0
        self._tokens = 0
        self._word_tokens = 0

    def add(self, feature_lists: Iterable[Sequence[str]], word_lists: Iterable[Sequence[str]] = ()) -> None:
        """Count some passages: the features of each, and the words of each with or without their pairs."""
        for features in feature_lists:
            self._passages += 1
            self._tokens += len(features)
            self._features.add(features)
        for words in word_lists:
            self._word_tokens += sum(not is_pair(word) for word in words)
            self._words.add(words)

    def add_bags(self, features: Bags | None, words: Bags | None = None) -> None:
        """Count some passages: the features of each, and the words of each."""
        if features is not None:
            terms, df, cf = features.totals()
            self._passages += len(features)
            self._tokens += int(cf.sum())
            self._features.add_totals(terms, df.tolist(), cf.tolist())
        if words is not None:
            terms, df, cf = words.totals()
            self._word_tokens += sum(n for word, n in zip(terms, cf.tolist(), strict=True) if not is_pair(word))
            self._words.add_totals(terms, df.tolist(), cf.tolist())

    def merge(self, other: VocabularyBuilder) -> None:
        """Add another builder's counts to this one's."""
        self._features.merge(other._features)
        self._words.merge(other._words)
        self._passages += other._passages
        self._tokens += other._tokens
        self._word_tokens += other._word_tokens

    def words_for(self, settings: Word2VecSettings) -> WordCounts:
        """The words that Word2Vec is trained for."""
        return word_counts(lambda: ((word, cf) for word, _, cf in self._words.items()), self._word_tokens, settings)

    def build(self, settings: TfidfSettings) -> Vocabulary:
        """Choose the features as scikit-learn's CountVectorizer does; columns go by sorted term.

        ``min_df`` from 1 up and ``max_df`` above 1 are numbers of passages, below they are shares.
        Among features of equal count at the ``max_features`` limit, the first by term stay.
        """
        n = self._passages
        low = settings.min_df if settings.min_df >= 1 else settings.min_df * n
        high = settings.max_df if settings.max_df > 1 else settings.max_df * n
        least, equals = 0, 0
        if settings.max_features is not None:
            least, equals = self._threshold(low, high, settings.max_features)
        terms: list[str] = []
        df, cf = array("q"), array("q")
        for term, in_passages, occurrences in self._features.items():
            if not low <= in_passages <= high or occurrences < least:
                continue
            if occurrences == least:
                if not equals:
                    continue
                equals -= 1
            terms.append(term)
            df.append(in_passages)
            cf.append(occurrences)
        stats = FitStats(
            passages=n,
            tokens=self._tokens,
            features=len(terms),
            average_length=self._tokens / n if n else 0.0,
            extra={"word_tokens": self._word_tokens},
        )
        return Vocabulary(terms, np.array(df, dtype=np.int64), np.array(cf, dtype=np.int64), stats, self._words)

    def _threshold(self, low: float, high: float, most: int) -> tuple[int, int]:
        """The occurrences from which features stay so that ``most`` do, and how many of exactly that number.

        ``(0, 0)`` where all can stay. The counts are gone through once more for it rather than all terms held.
        """
        counts = np.array(array("q", (cf for _, df, cf in self._features.items() if low <= df <= high)))
        if len(counts) <= most:
            return 0, 0
        if most < 1:
            return int(counts.max()) + 1, 0
        least = int(np.partition(counts, len(counts) - most)[len(counts) - most])
        return least, most - int((counts > least).sum())


class Vocabulary:
    """Features with their columns, and Word2Vec words with their vectors. Made by ``VocabularyBuilder``."""

    def __init__(
        self,
        features: list[str],
        df: npt.NDArray[np.int64],
        cf: npt.NDArray[np.int64],
        stats: FitStats,
        words: TermCounter | None = None,
    ) -> None:
        self._rows = {term: row for row, term in enumerate(features)}
        self._df, self._cf = df, cf
        self._features = len(features)
        self._word_counts = words or TermCounter()
        self._vector_rows: dict[str, int] = {}
        self._matrix: npt.NDArray[np.float32] = np.zeros((0, 0), dtype=np.float32)
        self._lsa_rows: dict[str, int] = {}
        self._lsa: npt.NDArray[np.float32] = np.zeros((0, 0), dtype=np.float32)
        self.stats = stats
        self._cache: dict[str, Term] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def set_words(self, words: Sequence[str], matrix: npt.NDArray[np.float32]) -> None:
        """Take in Word2Vec's words and their vectors, of shape ``(len(words), dim)``; call it once.

        Words that are no features get an entry of their own, with the df and cf of the word.
        """
        self._cache.clear()
        self._vector_rows = {word: row for row, word in enumerate(words)}
        self._matrix = matrix
        df, cf = [], []
        for word, in_passages, occurrences in self._word_counts.items():
            if word in self._vector_rows and word not in self._rows:
                self._rows[word] = len(self._rows)
                df.append(in_passages)
                cf.append(occurrences)
        # As large as the vocabulary itself, and of no more use.
        self._word_counts = TermCounter()
        self._df = np.concatenate([self._df, np.array(df, dtype=np.int64)])
        self._cf = np.concatenate([self._cf, np.array(cf, dtype=np.int64)])
        self.stats = self.stats.model_copy(update={"words": len(words)})

    def set_lsa(self, features: Sequence[str], components: npt.NDArray[np.float32]) -> None:
        """Take in features' rows of LSA's components, of shape ``(len(features), dim)``."""
        self._cache.clear()
        self._lsa_rows = {feature: row for row, feature in enumerate(features)}
        self._lsa = components

    def lookup(self, terms: Collection[str]) -> dict[str, Term]:
        """The known ones of ``terms``, by term: a ``TermLookup``."""
        if len(self._cache) > _CACHED:
            self._cache.clear()
        found = {}
        for term in terms:
            entry = self._cache.get(term)
            if entry is None:
                row = self._rows.get(term)
                if row is None:
                    continue
                entry = self._cache[term] = self._term(term, row)
            found[term] = entry
        return found

    def __call__(self, terms: Collection[str]) -> dict[str, Term]:
        """What ``lookup`` gives."""
        return self.lookup(terms)

    def arrays(self, terms: Sequence[str]) -> TermArrays:
        """The entries of ``terms`` as columns; much quicker than ``lookup`` for many terms."""
        rows = np.fromiter((self._rows.get(term, -1) for term in terms), dtype=np.int64, count=len(terms))
        known = rows >= 0
        df = np.where(known, self._df[rows], 0) if len(self._df) else np.zeros(len(rows), dtype=np.int64)
        cf = np.where(known, self._cf[rows], 0) if len(self._cf) else np.zeros(len(rows), dtype=np.int64)
        vectors = np.fromiter((self._vector_rows.get(term, -1) for term in terms), dtype=np.int64, count=len(terms))
        idf = np.array([smooth_idf(n, self.stats.passages) for n in np.unique(df).tolist()])
        lsa = np.zeros(0, dtype=np.int64)
        if self._lsa_rows:
            lsa = np.fromiter((self._lsa_rows.get(term, -1) for term in terms), dtype=np.int64, count=len(terms))
        return TermArrays(
            index=np.where(known & (rows < self._features), rows, -1),
            df=df,
            cf=cf,
            idf=idf[np.searchsorted(np.unique(df), df)] if len(df) else np.zeros(0),
            with_vector=np.flatnonzero(vectors >= 0),
            vectors=self._matrix[vectors[vectors >= 0]],
            with_lsa=np.flatnonzero(lsa >= 0) if self._lsa_rows else lsa,
            lsa=self._lsa[lsa[lsa >= 0]] if self._lsa_rows else self._lsa,
        )

    def __iter__(self) -> Iterator[Term]:
        """Every entry: features by column, then the words that are none, both by term."""
        return (self._term(term, row) for term, row in self._rows.items())

    def _term(self, term: str, row: int) -> Term:
        df = int(self._df[row])
        vector = self._vector_rows.get(term)
        lsa = self._lsa_rows.get(term)
        return Term(
            term=term,
            index=row if row < self._features else None,
            df=df,
            cf=int(self._cf[row]),
            idf=smooth_idf(df, self.stats.passages),
            vector=None if vector is None else self._matrix[vector],
            lsa=None if lsa is None else self._lsa[lsa],
        )


def smooth_idf(df: int, passages: int) -> float:
    """scikit-learn's ``ln((1 + n) / (1 + df)) + 1``."""
    return math.log((1 + passages) / (1 + df)) + 1.0
