"""How far a corpus has grown away from the fit of its lexical spaces, counted while documents are written."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from encoders.base import TermLookup
from schemas.manifest import FitStats
from schemas.spaces import Term

SINCE = "since"
"""Key of ``FitStats.extra``: documents written since the fit, terms looked up for them, and how many were unknown."""


class CountingLookup:
    """A ``TermLookup`` that counts what it is asked for: the distinct terms of each batch of texts."""

    def __init__(self, lookup: TermLookup) -> None:
        self._lookup = lookup
        self.asked = 0
        self.unknown = 0

    def __call__(self, terms: Collection[str]) -> Mapping[str, Term]:
        """The known ones of ``terms``, by term."""
        found = self._lookup(terms)
        self.asked += len(terms)
        self.unknown += len(terms) - len(found)
        return found


def add_staleness(fit: FitStats, counted: CountingLookup, documents: int) -> FitStats:
    """``fit`` with what one more ingest counted."""
    before = fit.extra.get(SINCE) or {}
    since = {
        "documents": int(before.get("documents", 0)) + documents,
        "terms": int(before.get("terms", 0)) + counted.asked,
        "unknown": int(before.get("unknown", 0)) + counted.unknown,
    }
    return fit.model_copy(update={"extra": {**fit.extra, SINCE: since}})


def stale_share(fit: FitStats) -> tuple[int, float]:
    """Documents written since the fit, and the share (0 to 1) of their terms that it does not know."""
    since = fit.extra.get(SINCE) or {}
    terms = int(since.get("terms", 0))
    return int(since.get("documents", 0)), int(since.get("unknown", 0)) / terms if terms else 0.0
