"""Topics of a corpus: LDA over feature counts, and LSA as a dense space of TF-IDF rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy.sparse import csr_array

from encoders.stopwords import english_stop_parts
from schemas.errors import UsageError
from schemas.spaces import Shelf
from search.corpus import Corpus


class Topic(BaseModel):
    """A topic: its number from 0, its share of the corpus, and its words with their probabilities."""

    model_config = ConfigDict(frozen=True)

    number: int
    share: float
    words: list[tuple[str, float]]


class TopicReport(BaseModel):
    """Topics, the largest first; ``documents`` and ``features`` say what they were learned from."""

    model_config = ConfigDict(frozen=True)

    topics: list[Topic]
    documents: int
    features: int


class CountMatrix(NamedTuple):
    """Feature counts: CSR of shape ``(documents, features)``, and the features' names."""

    counts: csr_array
    features: list[str]


def count_features(
    feature_lists: Iterable[Sequence[str]], *, min_df: int = 2, max_df: float = 0.5, max_features: int = 20_000
) -> CountMatrix:
    """Count a stream of feature lists, one a document; only counts are held.

    Features in fewer than ``min_df`` documents or in more than ``max_df`` of them say nothing about
    a topic and are left out; the ``max_features`` most frequent ones stay. Where a small corpus
    would lose all of them, the limits are left out.
    """
    index: dict[str, int] = {}
    pointers = [0]
    columns: list[int] = []
    values: list[int] = []
    for features in feature_lists:
        row: dict[int, int] = {}
        for feature in features:
            column = index.setdefault(feature, len(index))
            row[column] = row.get(column, 0) + 1
        columns.extend(row.keys())
        values.extend(row.values())
        pointers.append(len(columns))
    size = (len(pointers) - 1, len(index))
    counts = csr_array((np.array(values, dtype=np.int32), np.array(columns, dtype=np.int32), pointers), shape=size)
    df = np.bincount(counts.indices, minlength=size[1])
    kept = np.flatnonzero((df >= min_df) & (df <= max(max_df * size[0], min_df)))
    if not len(kept):
        kept = np.arange(size[1])
    if len(kept) > max_features:
        frequency = np.asarray(counts.sum(axis=0)).ravel()[kept]
        kept = np.sort(kept[np.argsort(-frequency, kind="stable")[:max_features]])
    names = list(index)
    return CountMatrix(csr_array(counts[:, kept]), [names[column] for column in kept])


def lda_topics(
    matrix: CountMatrix, *, topics: int = 10, words: int = 10, iterations: int = 20, seed: int = 20130116
) -> TopicReport:
    """Learn topics by latent Dirichlet allocation (Blei, Ng & Jordan 2003; scikit-learn, online: Hoffman et al. 2010).

    Raises :class:`UsageError` for fewer than one topic or word, or counts without any feature.
    """
    if topics < 1 or words < 1:
        raise UsageError(f"{topics} topics of {words} words cannot be; give at least one of each.")
    if not matrix.features or not matrix.counts.nnz:
        raise UsageError("there are no words to find topics in; ingest more text first.")
    from sklearn.decomposition import LatentDirichletAllocation

    model = LatentDirichletAllocation(
        n_components=topics, max_iter=iterations, learning_method="online", random_state=seed
    )
    mixture = model.fit_transform(matrix.counts)
    lengths = np.asarray(matrix.counts.sum(axis=1), dtype=np.float64).ravel()
    shares = lengths @ mixture / lengths.sum()
    probabilities = model.components_ / model.components_.sum(axis=1, keepdims=True)
    found = []
    for number, topic in enumerate(np.argsort(-shares, kind="stable")):
        best = np.argsort(-probabilities[topic], kind="stable")[:words]
        found.append(
            Topic(
                number=number,
                share=float(shares[topic]),
                words=[(matrix.features[column], float(probabilities[topic, column])) for column in best],
            )
        )
    return TopicReport(topics=found, documents=matrix.counts.shape[0], features=len(matrix.features))


class Lsa:
    """Latent semantic analysis (Deerwester et al. 1990): TF-IDF rows to unit vectors of ``dim`` dimensions.

    ``components_`` is ``(dim, features)`` once fitted, ``dim`` lowered to what the matrix allows.
    """

    def __init__(self, dim: int = 100, *, seed: int = 20130116) -> None:
        if dim < 1:
            raise UsageError(f"LSA to {dim} dimensions cannot be; give at least 1.")
        self.dim = dim
        self.seed = seed
        self.components_: npt.NDArray[np.float32] | None = None

    def fit(self, rows: csr_array) -> Lsa:
        """Learn the components from TF-IDF rows ``(n, features)``; raises :class:`UsageError` for too few."""
        dim = min(self.dim, min(rows.shape) - 1)
        if dim < 1 or not rows.nnz:
            raise UsageError(f"LSA needs at least two texts and two features, there are {rows.shape}.")
        from sklearn.decomposition import TruncatedSVD

        model: Any = TruncatedSVD(n_components=dim, random_state=self.seed)
        model.fit(rows)
        self.components_ = np.asarray(model.components_, dtype=np.float32)
        return self

    def transform(self, rows: csr_array) -> npt.NDArray[np.float32]:
        """Unit vectors ``(n, dim)``; a row without known features stays zero."""
        if self.components_ is None:
            raise UsageError("LSA has not been fitted; call fit with the corpus's TF-IDF rows first.")
        vectors = np.asarray(rows @ self.components_.T, dtype=np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        units: npt.NDArray[np.float32] = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
        return units


def corpus_topics(corpus: Corpus, *, topics: int = 10, words: int = 10) -> TopicReport:
    """Topics over a corpus's documents, in the words of its analyser without stop words and single characters."""
    analyzer, stop = corpus.lexical.analyzer, english_stop_parts()

    def lists() -> Iterator[list[str]]:
        for record in corpus.store.scroll(corpus.collection(Shelf.DOCUMENTS), payload=["text"]):
            found = analyzer.words(str((record.payload or {})["text"]))
            yield [word for word in found if len(word) > 1 and word not in stop]

    return lda_topics(count_features(lists()), topics=topics, words=words)
