"""Counts of terms in bounded memory: exact, and the same in whatever order or process they were added."""

from __future__ import annotations

import heapq
import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import groupby
from operator import itemgetter
from pathlib import Path

_DF = 1 << 40  # document frequency and occurrences share one int: half the memory of a pair


class TermCounter:
    """Counts in how many texts a term stands (df) and how often (cf).

    Once ``limit`` distinct terms are held, they go as a sorted run to a temporary folder, and the
    runs are merged at the end. Nothing is pruned, so no count depends on order or on the number of workers.
    """

    def __init__(self, limit: int = 3_000_000) -> None:
        self._limit = limit
        self._counts: dict[str, int] = {}
        self._folder: Path | None = None
        self._runs: list[Path] = []

    def add(self, terms: Iterable[str]) -> None:
        """Count the terms of one text."""
        counts = self._counts
        for term, n in Counter(terms).items():
            counts[term] = counts.get(term, 0) + _DF + n
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
        with ExitStack() as stack:
            runs: list[Iterator[tuple[str, int]]] = [iter(sorted(self._counts.items()))]
            for path in self._runs:
                file = stack.enter_context(path.open(encoding="utf-8", errors="surrogatepass", newline="\n"))
                runs.append(_read(file))
            for term, group in groupby(heapq.merge(*runs, key=itemgetter(0)), key=itemgetter(0)):
                total = sum(count for _, count in group)
                yield term, total // _DF, total % _DF

    def _spill(self) -> None:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="xunyi-terms-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        path = self._folder / f"{len(self._runs)}.run"
        with path.open("w", encoding="utf-8", errors="surrogatepass", newline="\n") as file:
            file.writelines(f"{term}\t{count}\n" for term, count in sorted(self._counts.items()))
        self._runs.append(path)
        self._counts = {}


def _read(lines: Iterable[str]) -> Iterator[tuple[str, int]]:
    for line in lines:
        term, _, count = line.rstrip("\n").rpartition("\t")
        yield term, int(count)
