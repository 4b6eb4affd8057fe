"""Queries made from a corpus that nobody judged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from schemas.documents import Document
from schemas.sentences import sentences
from search.tuning import SEED

MOST_NAMESAKES = 10
"""Documents that may bear a title for it to be a query: one of more names none of them."""

KINDS = ("title", "sentence")
"""How queries are made."""


class SyntheticQuery(NamedTuple):
    """A query made from the corpus: its id, text, the documents it must find, and how it was made."""

    id: str
    text: str
    document_ids: tuple[str, ...]
    kind: str


def synthetic_queries(
    documents: Iterable[Document], *, titles: bool = True, limit: int = 200, seed: int = SEED
) -> list[SyntheticQuery]:
    """Make queries from a corpus that nobody judged: titles against bodies, sentences against their documents.

    A title must find all documents that bear it; without ``titles`` none are asked, as is right where passages
    have them indexed and a title finds itself. Of each document half of the words (or characters, in Chinese) of
    one sentence, in one stretch: a whole sentence would only ask for itself. At most ``limit`` of each kind, drawn
    from the stream, the same for the same seed and stream. Such queries share words with their documents more
    than people's do, so they lean to lexical spaces: a report says that they were made and not asked.
    """
    rng = np.random.default_rng(seed)
    drawn = _Titles(limit, seed)
    kept: list[SyntheticQuery] = []
    seen = 0
    for document in documents:
        if titles:
            drawn.add(document)
        text = _part_of_sentence(document.text, rng)
        if len(text) < 2:
            continue
        seen += 1
        query = SyntheticQuery(f"sentence-{document.id}", text, (document.id,), "sentence")
        if len(kept) < limit:
            kept.append(query)
        elif (at := int(rng.integers(seen))) < limit:
            kept[at] = query
    return [*drawn.queries(), *kept]


class _Titles:
    """Distinct titles drawn from a stream, with all documents that bear them.

    Kept are those whose hashes are the lowest. One that was put out never comes back for good, so that what is
    kept to the end was kept since its first document, and has missed none.
    """

    def __init__(self, limit: int, seed: int) -> None:
        self._limit, self._key = limit, str(seed).encode()
        self._kept: dict[str, tuple[bytes, str, list[str]]] = {}

    def add(self, document: Document) -> None:
        """Count in a document's title."""
        text = " ".join(document.title.split())
        if len(text) < 2:
            return
        name = text.casefold()
        if name in self._kept:
            bearers = self._kept[name][2]
            if len(bearers) <= MOST_NAMESAKES:
                bearers.append(document.id)
            return
        mark = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key).digest()
        self._kept[name] = (mark, text, [document.id])
        if len(self._kept) > 2 * self._limit:
            self._cut()

    def queries(self) -> list[SyntheticQuery]:
        """The titles as queries, but for those that name too many documents."""
        self._cut()
        return [
            SyntheticQuery(f"title-{bearers[0]}", text, tuple(bearers), "title")
            for _, text, bearers in self._kept.values()
            if len(bearers) <= MOST_NAMESAKES
        ]

    def _cut(self) -> None:
        lowest = sorted(self._kept.items(), key=lambda item: item[1][0])
        self._kept = dict(lowest[: self._limit])


def _part_of_sentence(text: str, rng: np.random.Generator) -> str:
    long = [(start, end) for start, end in sentences(text) if end - start >= 8]
    if not long:
        return ""
    start, end = long[int(rng.integers(len(long)))]
    sentence = text[start:end]
    words = sentence.split()
    if len(words) >= 4:
        size = len(words) // 2
        at = int(rng.integers(len(words) - size + 1))
        return " ".join(words[at : at + size])
    size = len(sentence) // 2
    at = int(rng.integers(len(sentence) - size + 1))
    return sentence[at : at + size].strip()


def synthetic_qrels(queries: Iterable[SyntheticQuery]) -> dict[str, dict[str, int]]:
    """Judgments of synthetic queries: each one's own documents, grade 1."""
    return {query.id: dict.fromkeys(query.document_ids, 1) for query in queries}
