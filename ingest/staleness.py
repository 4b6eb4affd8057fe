"""How far a corpus has grown away from the fit of its lexical spaces.

A document that is written after the fit carries its own count in its payload, so that the sum does
not depend on how many runs wrote the corpus, or where one was cut off.
"""

from __future__ import annotations

import numpy as np
from qdrant_client import models

from encoders.bags import Bags
from encoders.base import TermLookup, term_arrays
from schemas.manifest import FitStats
from stores.base import Store

SINCE = "since"
"""Key of ``FitStats.extra``: documents written since the fit, their terms, and how many of them it does not know."""

SINCE_FIT = "since_fit"
"""Key of a document's payload: its distinct terms, and how many of them the fit does not know."""


def unknown_terms(bags: Bags, lookup: TermLookup, *, words: bool) -> list[dict[str, int]]:
    """Of each text how many distinct terms it has, and how many are unknown (words: those without a vector)."""
    terms = term_arrays(lookup, bags.terms)
    unknown = terms.index < 0
    if words:
        unknown = np.ones(len(bags.terms), dtype=bool)
        unknown[terms.with_vector] = False
    missing = np.bincount(bags.row_of_entry[unknown[bags.counts.indices]], minlength=len(bags)).tolist()
    counted = np.diff(bags.counts.indptr).tolist()
    return [{"terms": n, "unknown": m} for n, m in zip(counted, missing, strict=True)]


def with_staleness(fit: FitStats, store: Store, documents: str) -> FitStats:
    """``fit`` with the sum over all documents that were written after it."""
    found = {"documents": 0, "terms": 0, "unknown": 0}
    has_none = models.IsEmptyCondition(is_empty=models.PayloadField(key=SINCE_FIT))
    for record in store.scroll(documents, query_filter=models.Filter(must_not=[has_none]), payload=[SINCE_FIT]):
        counted = (record.payload or {})[SINCE_FIT]
        found["documents"] += 1
        found["terms"] += int(counted["terms"])
        found["unknown"] += int(counted["unknown"])
    extra = {key: value for key, value in fit.extra.items() if key != SINCE}
    return fit.model_copy(update={"extra": {**extra, SINCE: found} if found["documents"] else extra})


def stale_share(fit: FitStats) -> tuple[int, float]:
    """Documents written since the fit, and the share (0 to 1) of their terms that it does not know."""
    since = fit.extra.get(SINCE) or {}
    terms = int(since.get("terms", 0))
    return int(since.get("documents", 0)), int(since.get("unknown", 0)) / terms if terms else 0.0
