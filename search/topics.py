"""Topics of a corpus: LDA over the counts of its words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.sparse import csr_array

from encoders.stopwords import english_stop_parts
from schemas.errors import UsageError
from schemas.spaces import Shelf
from search.corpus import Corpus
from search.view import CorpusView

BATCH_DOCUMENTS = 10_000
"""Documents up to which every round of LDA looks at all of them; a small corpus learns little from parts."""

RELEVANCE = 0.6
"""The lambda that readers told topics apart by best (Sievert & Shirley 2014)."""

SEED = 20130116
"""Where chance begins, so that the same corpus gives the same topics."""

MOST_TOPICS = 1000
"""Beyond them, scikit-learn's estimates overflow on ordinary corpora, and nobody reads them."""


class TopicDocument(BaseModel):
    """A document, and which share of its words a topic has."""

    model_config = ConfigDict(frozen=True)

    document_id: str
    title: str
    share: float


class Topic(BaseModel):
    """A topic: its number from 0, its share of the corpus, and its telling words with their probabilities.

    ``documents`` are those that belong most to it, where they were asked for.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    share: float
    words: list[tuple[str, float]]
    documents: list[TopicDocument] = Field(default_factory=list)


class TopicReport(BaseModel):
    """Topics, the largest first; ``documents`` and ``features`` say what they were learned from.

    They are fewer than were asked for where the documents tell no more apart.
    """

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


def _check(topics: int, words: int, documents: int = 0) -> None:
    if topics < 1 or words < 1:
        raise UsageError(f"{topics} topics of {words} words cannot be; give at least one of each.")
    if topics > MOST_TOPICS:
        raise UsageError(f"{topics} topics are too many to tell apart; ask for at most {MOST_TOPICS}.")
    if documents < 0:
        raise UsageError(f"{documents} documents of a topic cannot be shown; give 0 or more.")


def lda_topics(
    matrix: CountMatrix,
    *,
    topics: int = 10,
    words: int = 10,
    iterations: int = 50,
    seed: int = SEED,
    documents: int = 0,
    named: Sequence[tuple[str, str]] = (),
) -> TopicReport:
    """Learn topics by latent Dirichlet allocation (Blei, Ng & Jordan 2003; scikit-learn).

    Up to ``BATCH_DOCUMENTS`` documents all are looked at in each round, beyond them a part
    (Hoffman, Blei & Bach 2010). Words come by relevance (Sievert & Shirley 2014): those that are
    frequent in the topic, and more so there than elsewhere. There are at most as many topics as documents
    with words, and none that no word fell to. Each shows those ``documents`` that belong most to it, whose ids
    and titles are ``named``, one pair a row.

    Raises :class:`UsageError` for fewer than one topic or word, or counts without any feature.
    """
    _check(topics, words, documents)
    if not matrix.features or not matrix.counts.nnz:
        raise UsageError("there are no words to find topics in; ingest more text first.")
    from sklearn.decomposition import LatentDirichletAllocation

    lengths = np.asarray(matrix.counts.sum(axis=1), dtype=np.float64).ravel()
    method = "batch" if matrix.counts.shape[0] <= BATCH_DOCUMENTS else "online"
    told_apart = min(topics, int(np.count_nonzero(lengths)))
    prior = 1 / told_apart
    model = LatentDirichletAllocation(
        n_components=told_apart,
        topic_word_prior=prior,
        max_iter=iterations,
        learning_method=method,
        random_state=seed,
    )
    # Very many topics underflow on the way; what matters of it is looked at afterwards.
    with np.errstate(all="ignore"):
        mixture = model.fit_transform(matrix.counts)
    if not np.isfinite(mixture).all():
        raise UsageError(f"{topics} topics are too many to tell apart; ask for fewer.")
    shares = lengths @ mixture / lengths.sum()
    filled = (model.components_ - prior).sum(axis=1) >= 1
    shares = np.where(filled, shares, 0) / shares[filled].sum()
    probabilities = model.components_ / model.components_.sum(axis=1, keepdims=True)
    anywhere = np.asarray(matrix.counts.sum(axis=0), dtype=np.float64).ravel() / lengths.sum()
    relevance = np.log(probabilities) - (1 - RELEVANCE) * np.log(anywhere)
    found = []
    for number, topic in enumerate(np.argsort(-shares, kind="stable")[: np.count_nonzero(filled)]):
        best = np.argsort(-relevance[topic], kind="stable")[:words]
        belonging = mixture[:, topic]
        # Every document has a little of every topic beforehand; its own are those it has words of.
        has_words = belonging * (lengths + 1) - prior >= 0.5
        most = [row for row in np.argsort(-belonging, kind="stable") if has_words[row]][:documents]
        found.append(
            Topic(
                number=number,
                share=float(shares[topic]),
                words=[(matrix.features[column], float(probabilities[topic, column])) for column in best],
                documents=[
                    TopicDocument(document_id=named[row][0], title=named[row][1], share=float(belonging[row]))
                    for row in most
                ],
            )
        )
    return TopicReport(topics=found, documents=matrix.counts.shape[0], features=len(matrix.features))


def corpus_topics(
    corpus: Corpus, *, topics: int = 10, words: int = 10, documents: int = 0, seed: int = SEED
) -> TopicReport:
    """Topics over a corpus's documents, in the words of its analyser without stop words and single characters."""
    _check(topics, words, documents)
    matrix, named = corpus.ask(_word_counts)
    return lda_topics(matrix, topics=topics, words=words, documents=documents, named=named, seed=seed)


def _word_counts(corpus: CorpusView) -> tuple[CountMatrix, list[tuple[str, str]]]:
    analyzer, stop = corpus.lexical.analyzer, english_stop_parts()
    named: list[tuple[str, str]] = []

    def lists() -> Iterator[list[str]]:
        shown = ["text", "document_id", "title"]
        for record in corpus.store.scroll(corpus.collection(Shelf.DOCUMENTS), payload=shown):
            payload = record.payload or {}
            named.append((str(payload["document_id"]), str(payload["title"])))
            found = analyzer.words(str(payload["text"]))
            yield [word for word in found if len(word) > 1 and word not in stop]

    return count_features(lists()), named
