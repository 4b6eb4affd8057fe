"""Latent semantic analysis: TF-IDF rows to dense vectors by a truncated SVD (Deerwester et al. 1990).

A text's vector is the sum of its terms' rows of the components, by their TF-IDF weights, at unit
length. So the rows live with their terms in the ``terms`` shelf, and a query needs no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, vstack

from encoders.bags import Bags
from encoders.base import TermLookup, term_arrays
from encoders.tfidf import encode_bags
from schemas.manifest import FitStats, TfidfSettings

Matrix = npt.NDArray[np.float32]

DIM = 200
"""Components: 200 to 500 are the field's usual number (Bradford, CIKM 2008), 200 gensim's default."""

SAMPLE = 20_000
"""Passages, evenly spread, that the components are learned from at most: some 200 MB."""

MAX_FEATURES = 100_000
"""Features that get a row, by falling number of passages: a component's weights lie in the frequent ones."""

SEED = 20130116
_NOISE = 1e-5


class EvenSample:
    """Keeps at most ``size`` of a stream of passages, evenly spread over it, and the same for the same stream."""

    def __init__(self, size: int = SAMPLE) -> None:
        self._size = size
        self._every = 1
        self._seen = 0
        self._kept: list[tuple[npt.NDArray[np.int64], Bags]] = []

    def add(self, bags: Bags) -> None:
        """See some passages."""
        rows = np.arange(-self._seen % self._every, len(bags), self._every)
        if len(rows):
            self._kept.append((self._seen + rows, bags.take(rows).compact()))
        self._seen += len(bags)
        while len(self) > self._size:
            self._every *= 2
            thinned = [(at, np.flatnonzero(at % self._every == 0), kept) for at, kept in self._kept]
            self._kept = [(at[rows], kept.take(rows).compact()) for at, rows, kept in thinned if len(rows)]

    def __len__(self) -> int:
        return sum(len(at) for at, _ in self._kept)

    def __iter__(self) -> Iterator[Bags]:
        """The passages kept, in their order."""
        return iter([kept for _, kept in self._kept])


def fit_lsa(
    passages: Iterable[Bags],
    lookup: TermLookup,
    settings: TfidfSettings,
    stats: FitStats,
    *,
    dim: int = DIM,
    max_features: int = MAX_FEATURES,
) -> tuple[list[str], Matrix]:
    """Learn the components from (a sample of) a corpus's passages.

    Gives features and their rows, float32 of shape ``(features, dim)``: scikit-learn's ``components_`` of
    the TF-IDF matrix, by column. Features of one passage only, which say nothing of company, and those
    past ``max_features`` have none. Where the sample allows fewer components the rest is 0; fewer than
    two passages or features give no row at all. The same input gives the same rows.
    """
    names: dict[int, str] = {}
    blocks: list[csr_array] = []
    for bags in passages:
        blocks.append(encode_bags(bags, lookup, _plain(settings), stats, query=False))
        index = term_arrays(lookup, bags.terms).index
        names.update((int(column), bags.terms[at]) for at, column in enumerate(index) if column >= 0)
    nothing: tuple[list[str], Matrix] = [], np.zeros((0, dim), dtype=np.float32)
    if not blocks:
        return nothing
    rows = csr_array(vstack(blocks, format="csr"))
    present = np.bincount(rows.indices, minlength=rows.shape[1])
    kept = np.flatnonzero(present >= 2)
    if len(kept) > max_features:
        kept = np.sort(kept[np.argsort(-present[kept], kind="stable")[:max_features]])
    found = min(dim, len(kept) - 1, rows.shape[0] - 1)
    if found < 1:
        return nothing
    from sklearn.decomposition import TruncatedSVD

    model = TruncatedSVD(n_components=found, random_state=SEED)
    model.fit(csr_array(rows[:, kept]))
    components = np.zeros((len(kept), dim), dtype=np.float32)
    # Past the matrix's rank a component is rounding noise, which a query would be measured by.
    sound = model.singular_values_ > _NOISE * model.singular_values_[0]
    components[:, :found] = model.components_.T * sound
    return [names[int(column)] for column in kept], components


def encode_lsa(bags: Bags, lookup: TermLookup, settings: TfidfSettings, stats: FitStats, *, dim: int = DIM) -> Matrix:
    """Texts as unit vectors, float32 of shape ``(n, dim)``; a zero row where no feature has a row of its own.

    What scikit-learn's ``TruncatedSVD.transform`` gives of the TF-IDF rows, brought to unit length.
    """
    terms = term_arrays(lookup, bags.terms)
    if not len(terms.with_lsa):
        return np.zeros((len(bags), dim), dtype=np.float32)
    rows = encode_bags(bags, lookup, _plain(settings), stats, query=False)
    vectors = rows[:, terms.index[terms.with_lsa]] @ terms.lsa.astype(np.float64)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 1e-12)
    return np.asarray(unit, dtype=np.float32)


def _plain(settings: TfidfSettings) -> TfidfSettings:
    """LSA is of TF-IDF, also where the sparse space is weighted by BM25."""
    return settings.model_copy(update={"weighting": "tfidf"})
