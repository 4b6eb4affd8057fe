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


LIMIT = 200_000
"""Distinct terms held in memory, some 150 bytes each, before they go to disk."""

MERGED = 16
"""Runs that are merged into one, and such as those again: no more files are open than so many for each power of it."""


class TermCounter:
    """Counts in how many texts a term stands (df) and how often (cf).

    Once ``limit`` distinct terms are held, they go as a sorted run to a temporary file; runs are merged as they become
    many, and all into one at the end. Nothing is pruned, so no count depends on order or on the number of workers.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._counts: dict[str, int] = {}
        self._runs: list[list[IO[str]]] = []
        """Those that were spilled, those that ``MERGED`` of them were merged into, and so on."""

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
        """Every ``(term, df, cf)``, by term; one such pass at a time."""
        totals: Iterable[tuple[str, int]] = sorted(self._counts.items())
        if self._runs:
            self._gather()
            totals = _read(self._runs[-1][0])
        for term, total in totals:
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
        self._keep(sorted(self._counts.items()), 0)
        self._counts = {}
        for level, runs in enumerate(self._runs):
            if len(runs) == MERGED:
                self._merge(runs, level + 1)

    def _gather(self) -> None:
        """Leave one run with everything, the last one."""
        if self._counts:
            self._spill()
        runs = [run for runs in self._runs for run in runs]
        if len(runs) > 1:
            self._merge(runs, len(self._runs))
            del self._runs[:-1]

    def _merge(self, runs: list[IO[str]], level: int) -> None:
        merged = heapq.merge(*map(_read, runs), key=itemgetter(0))
        self._keep(((term, sum(n for _, n in same)) for term, same in groupby(merged, key=itemgetter(0))), level)
        for run in runs:
            run.close()
        runs.clear()

    def _keep(self, totals: Iterable[tuple[str, int]], level: int) -> None:
        # A file without a name: no crash leaves it behind.
        file: IO[str] = tempfile.TemporaryFile(  # noqa: SIM115 - closed with the counter
            "w+", prefix="xunyi-", encoding="utf-8", errors="surrogatepass", newline="\n"
        )
        weakref.finalize(self, file.close)
        file.writelines(f"{term}\t{count}\n" for term, count in totals)
        if level == len(self._runs):
            self._runs.append([])
        self._runs[level].append(file)


def _restored(limit: int, joined: bytes, df: array[int], cf: array[int]) -> TermCounter:
    counter = TermCounter(limit)
    terms = joined.decode("utf-8", "surrogatepass").split("\n") if df else []
    for start in range(0, len(terms), limit):
        some = slice(start, start + limit)
        counter.add_totals(terms[some], df[some], cf[some])
    return counter


def _read(run: IO[str]) -> Iterator[tuple[str, int]]:
    run.seek(0)
    for line in run:
        term, _, count = line.rstrip("\n").rpartition("\t")
        yield term, int(count)
