"""Queries made from a corpus that nobody judged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from schemas.documents import Document
from schemas.sentences import sentences
from search.tuning import SEED


class SyntheticQuery(NamedTuple):
    """A query made from the corpus: its id, text, the document it must find, and how it was made."""

    id: str
    text: str
    document_id: str
    kind: str


def synthetic_queries(documents: Iterable[Document], *, limit: int = 200, seed: int = SEED) -> list[SyntheticQuery]:
    """Make queries from a corpus that nobody judged: titles against bodies, sentences against their documents.

    Of each document its title where it has one, and half of the words (or characters, in Chinese) of
    one sentence, in one stretch: a whole sentence would only ask for itself. At most ``limit`` of
    each kind, drawn from the stream by reservoir sampling, the same for the same seed and stream.
    Such queries share words with their documents more than people's do, so they lean to lexical
    spaces: a report says that they were made and not asked.
    """
    rng = np.random.default_rng(seed)
    kept: dict[str, list[SyntheticQuery]] = {"title": [], "sentence": []}
    seen = dict.fromkeys(kept, 0)
    for document in documents:
        made = {"title": " ".join(document.title.split()), "sentence": _part_of_sentence(document.text, rng)}
        for kind, text in made.items():
            if len(text) < 2:
                continue
            seen[kind] += 1
            query = SyntheticQuery(f"{kind}-{document.id}", text, document.id, kind)
            if len(kept[kind]) < limit:
                kept[kind].append(query)
            elif (at := int(rng.integers(seen[kind]))) < limit:
                kept[kind][at] = query
    return [query for queries in kept.values() for query in queries]


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
    """Judgments of synthetic queries: each one's own document, grade 1."""
    return {query.id: {query.document_id: 1} for query in queries}
