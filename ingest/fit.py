"""Fitting TF-IDF and Word2Vec in one pass over the passages, and writing the vocabulary as the terms shelf."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from encoders.analysis import Analyzer
from encoders.vocabulary import Vocabulary, VocabularyBuilder
from encoders.word2vec import fit_components, read_spool, spool_line, train
from ingest.plan import batched
from ingest.spool import Planned
from ingest.write import indexed_text
from schemas.ids import term_point_id
from schemas.manifest import TfidfSettings, Word2VecSettings
from schemas.spaces import PointBatch, Space, Term, VectorBatch
from stores.base import Store

TERMS_BATCH = 4096
"""Terms written in one request."""

COMPONENT_SAMPLE = 2000
"""Passages, evenly spread, from which the common component of Word2Vec's means is found."""


class Fitter:
    """Takes documents as they are read; ``finish`` gives the vocabulary with its word vectors.

    Holds the vocabulary only: the words of the texts wait in a file for Word2Vec's epochs.
    """

    def __init__(
        self,
        analyzer: Analyzer,
        tfidf: TfidfSettings,
        word2vec: Word2VecSettings,
        folder: Path,
        *,
        spaces: Sequence[str],
        titles: bool,
    ) -> None:
        self._analyzer = analyzer
        self._tfidf = tfidf
        self._word2vec = word2vec
        self._spaces = spaces
        self._titles = titles
        self._builder = VocabularyBuilder()
        self._texts = 0
        self._words_path = folder / "words.txt"
        self._words = self._words_path.open("w", encoding="utf-8", errors="surrogatepass", newline="\n")

    def add(self, planned: Planned) -> None:
        """Count one document's terms: passage by passage, or as a whole where the settings say so."""
        title = planned.document.title
        whole = self._tfidf.unit == "documents"
        texts = [planned.document.text] if whole else [passage.text for passage in planned.passages]
        for text in texts:
            features, words = self._analyzer.analyze(indexed_text(title, text, self._titles))
            self._builder.add(
                [features] if "tfidf" in self._spaces else [], [words] if "word2vec" in self._spaces else []
            )
            if "word2vec" in self._spaces:
                self._words.write(spool_line(words))
                self._texts += 1

    def close(self) -> None:
        """Let go of the file of words."""
        self._words.close()

    def finish(self) -> Vocabulary:
        """Choose the features, train the word vectors, and give the vocabulary of both."""
        self._words.close()
        vocabulary = self._builder.build(self._tfidf)
        if "word2vec" in self._spaces:
            words, matrix = train(self._words_path, self._word2vec)
            vocabulary.set_words(words, matrix)
            step = max(1, self._texts // COMPONENT_SAMPLE)
            sample = list(islice(read_spool(self._words_path), 0, None, step))
            vocabulary.stats = fit_components(sample, vocabulary.lookup, self._word2vec, vocabulary.stats)
        return vocabulary


def write_terms(store: Store, collection: str, corpus: str, vocabulary: Iterable[Term], space: Space | None) -> int:
    """Upsert the vocabulary, with the vectors of ``space`` where a term has one; returns how many terms there are."""
    store.create_collection(collection, [space] if space is not None else [])
    store.create_payload_index(collection, "term", "keyword")
    count = 0
    for batch in batched(vocabulary, TERMS_BATCH):
        count += len(batch)
        store.upsert(collection, _term_points(corpus, batch, space))
    return count


def _term_points(corpus: str, terms: Sequence[Term], space: Space | None) -> PointBatch:
    vectors: dict[str, VectorBatch] = {}
    if space is not None:
        matrix = np.zeros((len(terms), space.dim or 0), dtype=np.float32)
        for row, term in enumerate(terms):
            if term.vector is not None:
                matrix[row] = term.vector
        vectors[space.name] = matrix
    payloads: list[dict[str, Any]] = [
        {"term": term.term, "index": term.index, "df": term.df, "cf": term.cf, "idf": term.idf} for term in terms
    ]
    return PointBatch([term_point_id(corpus, term.term) for term in terms], payloads, vectors)
