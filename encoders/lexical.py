"""``tfidf`` and ``word2vec`` together: one analysis of a text fills both spaces."""

from __future__ import annotations

from collections.abc import Sequence

from encoders.analysis import make_analyzer
from encoders.base import TermLookup
from encoders.tfidf import encode_features
from encoders.word2vec import encode_words
from schemas.manifest import CorpusManifest
from schemas.spaces import VectorBatch


class LexicalEncoder:
    """Encodes by a corpus's own vocabulary, as its manifest says.

    ``lookup`` gives the vocabulary's entries: the fit in memory, or the corpus's ``terms`` shelf.
    """

    def __init__(self, manifest: CorpusManifest, lookup: TermLookup) -> None:
        self.analyzer = make_analyzer(manifest.analyzer)
        self._manifest = manifest
        self._lookup = lookup

    @property
    def has_words(self) -> bool:
        """Whether the corpus has the space that needs words."""
        return "word2vec" in self._manifest.spaces

    def encode_passages(
        self, texts: Sequence[str], words: Sequence[Sequence[str]] | None = None
    ) -> dict[str, VectorBatch]:
        """One row a text in each of the corpus's lexical spaces; also for whole documents.

        ``words`` are those of each text, where they are known already.
        """
        return self._encode(texts, words, query=False)

    def encode_queries(self, texts: Sequence[str]) -> dict[str, VectorBatch]:
        """One row a question in each of the corpus's lexical spaces."""
        return self._encode(texts, None, query=True)

    def _encode(
        self, texts: Sequence[str], words: Sequence[Sequence[str]] | None, *, query: bool
    ) -> dict[str, VectorBatch]:
        manifest = self._manifest
        vectors: dict[str, VectorBatch] = {}
        if "tfidf" in manifest.spaces:
            features = [self.analyzer.features(text) for text in texts]
            vectors["tfidf"] = encode_features(features, self._lookup, manifest.tfidf, manifest.fit, query=query)
        if self.has_words:
            found = [self.analyzer.words(text) for text in texts] if words is None else words
            vectors["word2vec"] = encode_words(found, self._lookup, manifest.word2vec, manifest.fit)
        return vectors
