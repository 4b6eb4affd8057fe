"""Fitting TF-IDF and Word2Vec in one pass over the passages, and writing the vocabulary as the terms shelf."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
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

    def add(self, planned: Planned) -> Planned:
        """Count one document's terms, by passage or as a whole; gives it back with the words of each passage."""
        title = planned.document.title if self._titles else ""
        if "tfidf" in self._spaces:
            whole = self._tfidf.unit == "documents"
            texts = [planned.document.text] if whole else [passage.text for passage in planned.passages]
            self._builder.add(self._analyzer.features(indexed_text(title, text, self._titles)) for text in texts)
        if "word2vec" not in self._spaces:
            return planned
        title_words = self._analyzer.words(title) if title else []
        words = [self._analyzer.words(passage.text) for passage in planned.passages]
        lines = [title_words + found for found in words]
        self._builder.add([], lines)
        self._words.writelines(map(spool_line, lines))
        self._texts += len(lines)
        return replace(planned, words=words)

    def close(self) -> None:
        """Let go of the file of words."""
        self._words.close()

    def finish(self, write: Callable[[Iterable[Term]], None]) -> Vocabulary:
        """Choose the features, train the word vectors, and hand every entry to ``write``.

        Features are written while the vectors are trained, which takes as long and leaves Python
        free; the words follow, those that are features too once more with their vectors.
        """
        self._words.close()
        vocabulary = self._builder.build(self._tfidf)
        if "word2vec" not in self._spaces:
            write(vocabulary)
            return vocabulary
        with ThreadPoolExecutor(1) as pool:
            training = pool.submit(train, self._words_path, self._word2vec)
            write(vocabulary)
            words, matrix = training.result()
        vocabulary.set_words(words, matrix)
        write(term for term in vocabulary if term.vector is not None)
        step = max(1, self._texts // COMPONENT_SAMPLE)
        sample = list(islice(read_spool(self._words_path), 0, None, step))
        vocabulary.stats = fit_components(sample, vocabulary.lookup, self._word2vec, vocabulary.stats)
        return vocabulary


def write_terms(store: Store, collection: str, corpus: str, terms: Iterable[Term], space: Space | None) -> None:
    """Upsert terms, with the vectors of ``space`` where they have one."""
    for batch in batched(terms, TERMS_BATCH):
        store.upsert(collection, _term_points(corpus, batch, space))


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
