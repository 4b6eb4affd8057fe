"""Blocks of documents, split and counted: pure functions that every executor runs alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from encoders.analysis import Analyzer, make_analyzer
from encoders.bags import Bags, bags_of
from encoders.phrases import with_pairs
from encoders.registry import counter_from_identity
from encoders.word2vec import spool_line
from ingest.splitting import CountTokens, estimate_tokens, split
from schemas.documents import Document, Passage
from schemas.manifest import AnalyzerSettings, CorpusManifest, EncoderIdentity

BLOCK_CHARS = 300_000
"""Characters of one block's documents, roughly; a longer document is a block of its own."""

BLOCK_DOCUMENTS = 512
"""Documents of one block at most."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A document to write: its passages, its content hash, and how many passages stood before.

    ``old_passages`` is None for a document that is new to the corpus.
    """

    document: Document
    passages: list[Passage]
    hash: str
    old_passages: int | None = None


@dataclass(frozen=True, slots=True)
class BlockSettings:
    """What a block's analysis depends on, besides its documents."""

    analyzer: AnalyzerSettings
    features: bool
    words: bool
    titles: bool
    sentences: bool = False
    """Whether the words are wanted in their order too, for Word2Vec to be trained on."""
    phrases: bool = False
    """Whether pairs of neighbours are counted beside the words."""

    @classmethod
    def of(cls, manifest: CorpusManifest, *, sentences: bool = False) -> BlockSettings:
        """Those of a corpus."""
        spaces = manifest.spaces
        words, phrases = "word2vec" in spaces, manifest.word2vec.phrases
        return cls(manifest.analyzer, "tfidf" in spaces, words, manifest.titles, sentences, phrases)


@dataclass(frozen=True, slots=True)
class Block:
    """Some documents with their passages and what their lexical vectors are made from.

    The rows of ``features`` and ``words`` are the passages, document after document, and then the
    documents that have more or fewer passages than one; ``document_rows`` says which row a document
    has. None where the corpus has no such space. ``sentences`` are lines for Word2Vec's spool.
    """

    documents: list[Planned]
    features: Bags | None
    words: Bags | None
    document_rows: list[int]
    sentences: list[str]

    @property
    def passages(self) -> int:
        """How many passages the documents have."""
        return sum(len(planned.passages) for planned in self.documents)


def indexed_text(title: str, text: str, titles: bool) -> str:
    """What is encoded of a passage: BEIR's convention, title and text, where titles are on."""
    return f"{title}\n{text}" if titles and title else text


def split_all(documents: Iterable[Planned], max_tokens: int, count_tokens: CountTokens) -> list[Planned]:
    """The documents with their passages."""
    return [
        replace(planned, passages=split(planned.document, max_tokens=max_tokens, count_tokens=count_tokens))
        for planned in documents
    ]


@lru_cache(maxsize=2)
def _analyzer(settings: str) -> Analyzer:
    return make_analyzer(AnalyzerSettings.model_validate_json(settings))


def analyze(documents: Sequence[Planned], settings: BlockSettings) -> Block:
    """Count the terms and words of split documents; equal documents give equal rows in whatever block."""
    analyzer = _analyzer(settings.analyzer.model_dump_json())
    owner = [at for at, planned in enumerate(documents) for _ in planned.passages]
    passages = [passage.text for planned in documents for passage in planned.passages]
    titles = [planned.document.title if settings.titles else "" for planned in documents]
    # The one passage of a document holds all its text, so that its row is the document's too.
    apart = [at for at, planned in enumerate(documents) if len(planned.passages) != 1]
    first = np.cumsum([0, *(len(planned.passages) for planned in documents)])
    document_rows = [int(row) for row in first[:-1]]
    for more, at in enumerate(apart):
        document_rows[at] = len(passages) + more
    features = words = None
    sentences: list[str] = []
    if settings.features:
        texts = [indexed_text(titles[at], text, True) for at, text in zip(owner, passages, strict=True)]
        texts += [indexed_text(titles[at], documents[at].document.text, True) for at in apart]
        features = analyzer.feature_bags(texts)
    if settings.words:
        title_words = dict(enumerate(analyzer.word_lists(titles)))
        own = analyzer.word_lists(passages)
        lists = [title_words[at] + found for at, found in zip(owner, own, strict=True)]
        if settings.sentences:
            sentences = [spool_line(line) for line in lists]
        for at in apart:
            whole = list(title_words[at])
            for row in range(int(first[at]), int(first[at + 1])):
                whole.extend(own[row])
            lists.append(whole)
        words = bags_of(map(with_pairs, lists) if settings.phrases else lists)
    return Block(list(documents), features, words, document_rows, sentences)


def in_blocks(documents: Iterable[Planned]) -> Iterator[list[Planned]]:
    """The documents in runs of about ``BLOCK_CHARS`` characters."""
    block: list[Planned] = []
    size = 0
    for planned in documents:
        block.append(planned)
        size += len(planned.document.text)
        if size >= BLOCK_CHARS or len(block) >= BLOCK_DOCUMENTS:
            yield block
            block, size = [], 0
    if block:
        yield block


class BlockMaker:
    """Makes blocks of documents; picklable, so that a worker can.

    ``count_tokens`` measures the passages; ``identity`` names the encoder that does so elsewhere, where
    the function itself cannot go. Without ``max_tokens`` the documents come with their passages.
    """

    def __init__(
        self,
        settings: BlockSettings,
        max_tokens: int | None = None,
        count_tokens: CountTokens = estimate_tokens,
        identity: EncoderIdentity | None = None,
    ) -> None:
        self._settings = settings
        self._max_tokens = max_tokens
        self._count_tokens = count_tokens
        self._identity = identity

    def __call__(self, documents: Sequence[Planned]) -> Block:
        """The block of these documents."""
        if self._max_tokens is not None:
            documents = split_all(documents, self._max_tokens, self._count_tokens)
        return analyze(documents, self._settings)

    def __reduce__(self) -> tuple[Any, ...]:
        return _block_maker, (self._settings, self._max_tokens, self._identity)


@lru_cache(maxsize=2)
def _counter(identity: str) -> CountTokens:
    return counter_from_identity(EncoderIdentity.model_validate_json(identity))


def _block_maker(settings: BlockSettings, max_tokens: int | None, identity: EncoderIdentity | None) -> BlockMaker:
    counter = estimate_tokens if identity is None else _counter(identity.model_dump_json())
    return BlockMaker(settings, max_tokens, counter, identity)
