"""TF-IDF and BM25 vectors from lists of features, as functions of a term lookup."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from encoders.bags import Bags, bags_of
from encoders.base import TermLookup, term_arrays
from schemas.manifest import FitStats, TfidfSettings


def encode_features(
    feature_lists: Sequence[Sequence[str]],
    lookup: TermLookup,
    settings: TfidfSettings,
    stats: FitStats,
    *,
    query: bool,
) -> csr_array:
    """One sparse row a list: float32 of shape ``(len(feature_lists), stats.features)``.

    With ``weighting="tfidf"`` rows are scikit-learn's TfidfVectorizer's (smooth idf, L2), so the dot
    product of two is their cosine; ``query`` changes nothing. With ``"bm25"`` the dot product of a
    query's row (occurrences) and a passage's row is its BM25 score, with Lucene's never negative
    ``ln(1 + (n - df + 0.5) / (df + 0.5))`` (Robertson & Zaragoza 2009). Unknown features are left out;
    a passage's length counts them.
    """
    return encode_bags(bags_of(feature_lists), lookup, settings, stats, query=query)


def encode_bags(bags: Bags, lookup: TermLookup, settings: TfidfSettings, stats: FitStats, *, query: bool) -> csr_array:
    """``encode_features`` of texts that are counted already."""
    terms = term_arrays(lookup, bags.terms)
    entries = np.flatnonzero(terms.index[bags.counts.indices] >= 0)
    rows = bags.row_of_entry[entries]
    term = bags.counts.indices[entries]
    tf = bags.counts.data[entries].astype(np.float64)
    if settings.weighting == "bm25":
        data = tf
        if not query:
            relative = bags.lengths / (stats.average_length or 1.0)
            norm = settings.k1 * (1.0 - settings.b + settings.b * relative)
            in_passages = terms.df[term].astype(np.float64)
            weight = np.log1p((stats.passages - in_passages + 0.5) / (in_passages + 0.5))
            data = weight * tf * (settings.k1 + 1.0) / (tf + norm[rows])
    else:
        data = (1.0 + np.log(tf) if settings.sublinear_tf else tf) * terms.idf[term]
        squares = np.bincount(rows, weights=data * data, minlength=len(bags))
        data = data / np.sqrt(squares)[rows]
    ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(bags)))])
    matrix = csr_array(
        (data.astype(np.float32), terms.index[term], ends.astype(np.int64)), shape=(len(bags), stats.features)
    )
    matrix.sort_indices()
    return matrix
