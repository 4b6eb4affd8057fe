"""Fitting TF-IDF and Word2Vec in one pass over the passages, and writing the vocabulary as the terms shelf."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np

from encoders.lexical import LexicalEncoder
from encoders.lsa import EvenSample, fit_lsa
from encoders.phrases import with_pairs
from encoders.vocabulary import Vocabulary, VocabularyBuilder
from encoders.word2vec import WordCounts, fit_components, train
from encoders.word2vec_process import train_apart
from ingest.blocks import Block
from ingest.counts import BlockCounts
from ingest.plan import batched
from ingest.spool import Sentences
from schemas.ids import term_point_id
from schemas.manifest import CorpusManifest, Counts
from schemas.spaces import PointBatch, Shelf, Space, Term, VectorBatch
from stores.base import Store, collection_name

TERMS_BATCH = 4096
"""Terms written in one request."""

WORDS_APART = 100_000
"""Words from which Word2Vec is trained in a process of its own: below, starting one takes longer than training."""

COMPONENT_SAMPLE = 2000
"""Passages, evenly spread, from which the common component of Word2Vec's means is found."""


class Fitter:
    """Takes blocks as they are read; ``finish`` gives the vocabulary with its word vectors.

    Holds the vocabulary only: the words of the texts wait in a file for Word2Vec's epochs.
    """

    def __init__(self, manifest: CorpusManifest) -> None:
        self._tfidf = manifest.tfidf
        self._word2vec = manifest.word2vec
        self._has_words = "word2vec" in manifest.spaces
        self._lsa = manifest.spaces.get("lsa")
        self._sample = EvenSample()
        self._builder = VocabularyBuilder()
        self._sentences = Sentences()

    def add(self, block: Block) -> None:
        """Count one block's terms, by passage or by document, and keep its sentences."""
        self.counts.add(block)
        self.keep(block)

    @property
    def counts(self) -> BlockCounts:
        """Where terms are counted, here or by others whose counts are merged."""
        return BlockCounts(self._tfidf.unit, self._builder)

    def keep(self, block: Block) -> None:
        """Keep what is wanted of a block whose terms are counted already: its sentences, and of passages a sample."""
        if block.features is not None and self._lsa is not None:
            self._sample.add(block.features.take(range(block.passages)))
        if block.words is not None:
            self._sentences.append(block.sentences)

    def close(self) -> None:
        """Let go of the file of words."""
        self._sentences.close()

    def finish(self, write: Callable[[Iterable[Term]], None]) -> Vocabulary:
        """Choose the features, train the word vectors, and hand every entry to ``write``.

        What has no vector is written while the vectors are trained, which takes as long and leaves
        Python free; the words follow.
        """
        vocabulary = self._builder.build(self._tfidf)
        if self._lsa is not None and self._lsa.dim:
            vocabulary.set_lsa(*fit_lsa(self._sample, vocabulary, self._tfidf, vocabulary.stats, dim=self._lsa.dim))
        if not self._has_words:
            self._builder = VocabularyBuilder()
            write(vocabulary)
            return vocabulary
        counts = self._builder.words_for(self._word2vec)
        self._builder = VocabularyBuilder()
        with ThreadPoolExecutor(1) as pool:
            training = pool.submit(self._train, counts)
            write(term for term in vocabulary if term.term not in counts.kept)
            words, matrix = training.result()
        vocabulary.set_words(words, matrix)
        write(term for term in vocabulary if term.term in counts.kept)
        step = max(1, self._sentences.lines // COMPONENT_SAMPLE)
        sample = list(islice(self._sentences, 0, None, step))
        if self._word2vec.phrases:
            sample = [with_pairs(words) for words in sample]
        vocabulary.stats = fit_components(sample, vocabulary.lookup, self._word2vec, vocabulary.stats)
        return vocabulary

    def _train(self, counts: WordCounts) -> tuple[list[str], np.ndarray[Any, Any]]:
        if self._sentences.words < WORDS_APART:
            return train(self._sentences, self._word2vec, counts)
        return train_apart(self._sentences.chunks(), self._word2vec, counts)


def write_fit(fitter: Fitter, store: Store, manifest: CorpusManifest) -> tuple[CorpusManifest, LexicalEncoder]:
    """Fit what was added and write it as the terms shelf of the manifest's generation, in place of what stands there.

    Gives the manifest with the fit's statistics and number of terms, and the encoder over the fit.
    """
    collection = collection_name(manifest.corpus, manifest.generation, Shelf.TERMS)
    spaces = manifest.term_spaces
    store.drop_collection(collection)
    store.create_collection(collection, spaces, manifest.term_storage)

    def write(terms: Iterable[Term]) -> None:
        for batch in batched(terms, TERMS_BATCH):
            store.upsert(collection, _term_points(manifest.corpus, batch, spaces))

    vocabulary = fitter.finish(write)
    fitted = manifest.model_copy(update={"fit": vocabulary.stats, "counts": Counts(terms=len(vocabulary))})
    return fitted, LexicalEncoder(fitted, vocabulary)


def _term_points(corpus: str, terms: Sequence[Term], spaces: Sequence[Space]) -> PointBatch:
    vectors: dict[str, VectorBatch] = {}
    for space in spaces:
        matrix = np.zeros((len(terms), space.dim or 0), dtype=np.float32)
        for row, term in enumerate(terms):
            vector = term.lsa if space.name == "lsa" else term.vector
            if vector is not None:
                matrix[row] = vector
        vectors[space.name] = matrix
    payloads: list[dict[str, Any]] = [
        {"term": term.term, "index": term.index, "df": term.df, "cf": term.cf, "idf": term.idf} for term in terms
    ]
    return PointBatch([term_point_id(corpus, term.term) for term in terms], payloads, vectors)
