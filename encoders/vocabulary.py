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
from encoders.term_rows import TermRows
from encoders.word2vec import WordCounts, word_counts
from schemas.manifest import FitStats, TfidfSettings, Word2VecSettings
from schemas.spaces import Term


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
        features: Sequence[str],
        df: npt.NDArray[np.int64],
        cf: npt.NDArray[np.int64],
        stats: FitStats,
        words: TermCounter | None = None,
    ) -> None:
        self._rows = TermRows(features)
        self._df, self._cf = df, cf
        self._features = len(self._rows)
        self._word_counts = words or TermCounter()
        self._vectors = _Vectors(self._rows, [], np.zeros((0, 0), dtype=np.float32))
        self._lsa = self._vectors
        self.stats = stats

    def __len__(self) -> int:
        return len(self._rows)

    def set_words(self, words: Sequence[str], matrix: npt.NDArray[np.float32]) -> None:
        """Take in Word2Vec's words and their vectors, of shape ``(len(words), dim)``; call it once.

        Words that are no features get an entry of their own, with the df and cf of the word.
        """
        wanted, added = set(words), []
        df, cf = array("q"), array("q")
        for word, in_passages, occurrences in self._word_counts.items():
            if word in wanted and word not in self._rows:
                added.append(word)
                df.append(in_passages)
                cf.append(occurrences)
        # As large as the vocabulary itself, and of no more use.
        self._word_counts = TermCounter()
        if added:
            self._rows = TermRows([*self._rows, *added])
        self._df = np.concatenate([self._df, np.array(df, dtype=np.int64)])
        self._cf = np.concatenate([self._cf, np.array(cf, dtype=np.int64)])
        self._vectors = _Vectors(self._rows, words, matrix)
        self.stats = self.stats.model_copy(update={"words": len(words)})

    def set_lsa(self, features: Sequence[str], components: npt.NDArray[np.float32]) -> None:
        """Take in features' rows of LSA's components, of shape ``(len(features), dim)``."""
        self._lsa = _Vectors(self._rows, features, components)

    def lookup(self, terms: Collection[str]) -> dict[str, Term]:
        """The known ones of ``terms``, by term: a ``TermLookup``."""
        rows = self._rows.of(terms).tolist()
        return {term: self._term(term, row) for term, row in zip(terms, rows, strict=True) if row >= 0}

    def __call__(self, terms: Collection[str]) -> dict[str, Term]:
        """What ``lookup`` gives."""
        return self.lookup(terms)

    def arrays(self, terms: Sequence[str]) -> TermArrays:
        """The entries of ``terms`` as columns; much quicker than ``lookup`` for many terms."""
        rows = self._rows.of(terms)
        known = rows >= 0
        df, cf = np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=np.int64)
        df[known], cf[known] = self._df[rows[known]], self._cf[rows[known]]
        different, place = np.unique(df, return_inverse=True)
        idf = np.array([smooth_idf(n, self.stats.passages) for n in different.tolist()])
        with_vector, vectors = self._vectors.of(rows)
        with_lsa, lsa = self._lsa.of(rows)
        return TermArrays(
            index=np.where(known & (rows < self._features), rows, -1),
            df=df,
            cf=cf,
            idf=idf[place],
            with_vector=with_vector,
            vectors=vectors,
            with_lsa=with_lsa,
            lsa=lsa,
        )

    def __iter__(self) -> Iterator[Term]:
        """Every entry: features by column, then the words that are none, both by term."""
        return (self._term(term, row) for row, term in enumerate(self._rows))

    def _term(self, term: str, row: int) -> Term:
        df = int(self._df[row])
        return Term(
            term=term,
            index=row if row < self._features else None,
            df=df,
            cf=int(self._cf[row]),
            idf=smooth_idf(df, self.stats.passages),
            vector=self._vectors.at(row),
            lsa=self._lsa.at(row),
        )


class _Vectors:
    """Vectors that some of the vocabulary's rows have."""

    def __init__(self, rows: TermRows, terms: Sequence[str], matrix: npt.NDArray[np.float32]) -> None:
        self._matrix = matrix
        self._places = np.full(len(rows), -1, dtype=np.int32)
        of_terms = rows.of(terms)
        self._places[of_terms[of_terms >= 0]] = np.flatnonzero(of_terms >= 0)

    def at(self, row: int) -> npt.NDArray[np.float32] | None:
        """One row's vector, where it has one."""
        # Words that are no features come after the rows that had vectors of features alone.
        place = self._places[row] if row < len(self._places) else -1
        return None if place < 0 else self._matrix[place]

    def of(self, rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Which of ``rows``, in which -1 is no row, have a vector, and theirs."""
        places = np.full(len(rows), -1, dtype=np.int64)
        inside = (rows >= 0) & (rows < len(self._places))
        places[inside] = self._places[rows[inside]]
        return np.flatnonzero(places >= 0), self._matrix[places[places >= 0]]


def smooth_idf(df: int, passages: int) -> float:
    """scikit-learn's ``ln((1 + n) / (1 + df)) + 1``."""
    return math.log((1 + passages) / (1 + df)) + 1.0
