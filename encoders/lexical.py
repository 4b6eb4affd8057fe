"""``tfidf``, ``word2vec`` and ``lsa`` together: one analysis of a text fills all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from encoders.analysis import make_analyzer
from encoders.bags import Bags, bags_of
from encoders.base import TermLookup
from encoders.lsa import DIM, encode_lsa
from encoders.phrases import with_pairs
from encoders.query_features import query_features
from encoders.spelling import Speller
from encoders.tfidf import encode_bags
from encoders.word2vec import encode_word_bags
from schemas.manifest import CorpusManifest
from schemas.spaces import VectorBatch


class LexicalEncoder:
    """Encodes by a corpus's own vocabulary, as its manifest says.

    ``lookup`` gives the vocabulary's entries: the fit in memory, or the corpus's ``terms`` shelf.
    """

    def __init__(self, manifest: CorpusManifest, lookup: TermLookup) -> None:
        self.analyzer = make_analyzer(manifest.analyzer)
        self._manifest = manifest
        self.lookup = lookup
        self.speller = Speller(self.analyzer, lookup)

    @property
    def has_words(self) -> bool:
        """Whether the corpus has the space that needs words."""
        return "word2vec" in self._manifest.spaces

    @property
    def has_features(self) -> bool:
        """Whether the corpus has the space that needs features."""
        return "tfidf" in self._manifest.spaces

    def encode_passages(
        self, texts: Sequence[str], words: Sequence[Sequence[str]] | None = None
    ) -> dict[str, VectorBatch]:
        """One row a text in each of the corpus's lexical spaces; also for whole documents.

        ``words`` are those of each text, where they are known already.
        """
        features = self.analyzer.feature_bags(texts) if self.has_features else None
        return self.encode_bags(features, self._words(texts, words))

    def encode_queries(self, texts: Sequence[str]) -> dict[str, VectorBatch]:
        """One row a question in each of the corpus's lexical spaces."""
        features = bags_of(self.query_features(texts)) if self.has_features else None
        return self.encode_bags(features, self._words(texts), query=True)

    def query_features(self, texts: Sequence[str]) -> list[list[str]]:
        """The features of each question, its codes spelled as the corpus spells them, where it knows features."""
        if not self.has_features:
            return [self.analyzer.features(text) for text in texts]
        return query_features(self.analyzer, texts, self.lookup)

    def _words(self, texts: Sequence[str], words: Sequence[Sequence[str]] | None = None) -> Bags | None:
        if not self.has_words:
            return None
        return self.word_bags(self.analyzer.word_lists(texts) if words is None else words)

    def word_bags(self, words: Iterable[Sequence[str]]) -> Bags:
        """The counts of each text's words, and of its pairs where the corpus has phrases."""
        return bags_of(map(with_pairs, words) if self._manifest.word2vec.phrases else words)

    def encode_bags(self, features: Bags | None, words: Bags | None, *, query: bool = False) -> dict[str, VectorBatch]:
        """One row a text in each of the corpus's lexical spaces, from what was counted of the texts."""
        manifest = self._manifest
        vectors: dict[str, VectorBatch] = {}
        if features is not None and self.has_features:
            vectors["tfidf"] = encode_bags(features, self.lookup, manifest.tfidf, manifest.fit, query=query)
        if features is not None and (lsa := manifest.spaces.get("lsa")) is not None:
            vectors["lsa"] = encode_lsa(features, self.lookup, manifest.tfidf, manifest.fit, dim=lsa.dim or DIM)
        if words is not None and self.has_words:
            vectors["word2vec"] = encode_word_bags(words, self.lookup, manifest.word2vec, manifest.fit)
        return vectors
