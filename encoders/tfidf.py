"""TF-IDF and BM25 vectors from lists of features, as functions of a term lookup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from encoders.base import TermLookup
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
    terms = lookup({feature for features in feature_lists for feature in features})
    known = {name: term for name, term in terms.items() if term.index is not None}
    columns: list[int] = []
    counts: list[int] = []
    idf: list[float] = []
    df: list[int] = []
    ends = [0]
    for features in feature_lists:
        for feature, count in Counter(features).items():
            term = known.get(feature)
            if term is not None and term.index is not None:
                columns.append(term.index)
                counts.append(count)
                idf.append(term.idf)
                df.append(term.df)
        ends.append(len(columns))
    indptr = np.array(ends, dtype=np.int64)
    tf = np.array(counts, dtype=np.float64)
    rows = np.repeat(np.arange(len(feature_lists)), np.diff(indptr))
    if settings.weighting == "bm25":
        data = tf
        if not query:
            lengths = np.array([len(features) for features in feature_lists], dtype=np.float64)
            relative = lengths / (stats.average_length or 1.0)
            norm = settings.k1 * (1.0 - settings.b + settings.b * relative)
            in_passages = np.array(df, dtype=np.float64)
            weight = np.log1p((stats.passages - in_passages + 0.5) / (in_passages + 0.5))
            data = weight * tf * (settings.k1 + 1.0) / (tf + norm[rows])
    else:
        data = (1.0 + np.log(tf) if settings.sublinear_tf else tf) * np.array(idf, dtype=np.float64)
        squares = np.bincount(rows, weights=data * data, minlength=len(feature_lists))
        data = data / np.sqrt(squares)[rows]
    matrix = csr_array(
        (data.astype(np.float32), np.array(columns, dtype=np.int64), indptr),
        shape=(len(feature_lists), stats.features),
    )
    matrix.sort_indices()
    return matrix
