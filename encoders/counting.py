"""Counts of terms in bounded memory: exact, and the same in whatever order or process they were added."""

from __future__ import annotations

import heapq
import tempfile
import weakref
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import IO, Any

_DF = 1 << 40  # document frequency and occurrences share one int: half the memory of a pair


LIMIT = 500_000
"""Distinct terms held in memory, some 150 bytes each, before they go to disk."""


class TermCounter:
    """Counts in how many texts a term stands (df) and how often (cf).

    Once ``limit`` distinct terms are held, they go as a sorted run to a temporary file, and the
    runs are merged at the end. Nothing is pruned, so no count depends on order or on the number of workers.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._counts: dict[str, int] = {}
        self._runs: list[IO[str]] = []

    def add(self, terms: Iterable[str]) -> None:
        """Count the terms of one text."""
        counts = self._counts
        for term, n in Counter(terms).items():
            counts[term] = counts.get(term, 0) + _DF + n
        if len(counts) >= self._limit:
            self._spill()

    def add_totals(self, terms: Iterable[str], df: Iterable[int], cf: Iterable[int]) -> None:
        """Count terms that stand in ``df`` texts, ``cf`` times in all."""
        counts = self._counts
        for term, in_texts, occurrences in zip(terms, df, cf, strict=True):
            counts[term] = counts.get(term, 0) + in_texts * _DF + occurrences
        if len(counts) >= self._limit:
            self._spill()

    def merge(self, other: TermCounter) -> None:
        """Add what another counter counted; ``other`` stays as it is."""
        for term, df, cf in other.items():
            self._counts[term] = self._counts.get(term, 0) + df * _DF + cf
            if len(self._counts) >= self._limit:
                self._spill()

    def items(self) -> Iterator[tuple[str, int, int]]:
        """Every ``(term, df, cf)``, by term."""
        runs: list[Iterator[tuple[str, int]]] = [iter(sorted(self._counts.items()))]
        for file in self._runs:
            file.seek(0)
            runs.append(_read(file))
        for term, group in groupby(heapq.merge(*runs, key=itemgetter(0)), key=itemgetter(0)):
            total = sum(count for _, count in group)
            yield term, total // _DF, total % _DF

    def __reduce__(self) -> tuple[Any, ...]:
        # Files do not travel between processes: what is in them is read into the copy's pickle.
        terms: list[str] = []
        df, cf = array("q"), array("q")
        for term, in_texts, occurrences in self.items():
            terms.append(term)
            df.append(in_texts)
            cf.append(occurrences)
        return _restored, (self._limit, "\n".join(terms).encode("utf-8", "surrogatepass"), df, cf)

    def _spill(self) -> None:
        # A file without a name: no crash leaves it behind.
        file: IO[str] = tempfile.TemporaryFile(  # noqa: SIM115 - closed with the counter
            "w+", prefix="xunyi-", encoding="utf-8", errors="surrogatepass", newline="\n"
        )
        weakref.finalize(self, file.close)
        file.writelines(f"{term}\t{count}\n" for term, count in sorted(self._counts.items()))
        self._runs.append(file)
        self._counts = {}


def _restored(limit: int, joined: bytes, df: array[int], cf: array[int]) -> TermCounter:
    counter = TermCounter(limit)
    terms = joined.decode("utf-8", "surrogatepass").split("\n") if df else []
    for start in range(0, len(terms), limit):
        some = slice(start, start + limit)
        counter.add_totals(terms[some], df[some], cf[some])
    return counter


def _read(lines: Iterable[str]) -> Iterator[tuple[str, int]]:
    for line in lines:
        term, _, count = line.rstrip("\n").rpartition("\t")
        yield term, int(count)
