"""Counts of terms in many texts at once, as a sparse matrix over a vocabulary of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

Integers: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bags:
    """How often each of ``terms`` stands in each text.

    ``terms`` are distinct and in the order of their code points, so that equal texts give equal sums
    whatever other texts came with them. ``counts`` is a CSR matrix of int64, shape ``(n_texts, len(terms))``,
    with rising indices.
    """

    terms: list[str]
    counts: csr_array

    def __len__(self) -> int:
        return int(self.counts.shape[0])

    @property
    def lengths(self) -> Integers:
        """The number of terms of each text, with repetitions."""
        return np.asarray(self.counts.sum(axis=1), dtype=np.int64).ravel()

    @property
    def row_of_entry(self) -> Integers:
        """The text of each entry of ``counts``."""
        return np.repeat(np.arange(len(self)), np.diff(self.counts.indptr))

    def totals(self) -> tuple[list[str], Integers, Integers]:
        """The terms that occur, in how many texts each stands, and how often in all."""
        size = len(self.terms)
        df = np.bincount(self.counts.indices, minlength=size)
        cf = np.bincount(self.counts.indices, weights=self.counts.data, minlength=size).astype(np.int64)
        if df.all():
            return self.terms, df, cf
        present = np.flatnonzero(df)
        return [self.terms[i] for i in present], df[present], cf[present]

    def take(self, rows: Sequence[int] | Integers) -> Bags:
        """The bags of these texts, over the same vocabulary."""
        return Bags(self.terms, self.counts[np.asarray(rows, dtype=np.int64)])

    def compact(self) -> Bags:
        """The same texts over those terms only that occur in them."""
        present = np.unique(self.counts.indices)
        return Bags([self.terms[i] for i in present], csr_array(self.counts[:, present]))


def bags_of(texts: Iterable[Sequence[str]]) -> Bags:
    """Count lists of terms."""
    found: dict[str, int] = {}
    columns: list[int] = []
    ends = [0]
    for text in texts:
        columns.extend([found.setdefault(term, len(found)) for term in text])
        ends.append(len(columns))
    rows = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    return count(list(found), np.array(columns, dtype=np.int64), rows, len(ends) - 1)


def count(terms: list[str], columns: Integers, rows: Integers, texts: int) -> Bags:
    """Bags from single occurrences: of each its column in ``terms`` (distinct, in any order) and its text."""
    order = sorted(range(len(terms)), key=terms.__getitem__)
    place = np.empty(len(terms), dtype=np.int64)
    place[order] = np.arange(len(terms))
    ones = np.ones(len(columns), dtype=np.int64)
    counts = coo_array((ones, (rows, place[columns])), shape=(texts, len(terms))).tocsr()
    counts.sum_duplicates()
    return Bags([terms[i] for i in order], counts)
