"""Whole documents in ``tfidf`` as a witness of their passages, beside what the passages say themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from schemas.ids import document_point_of
from schemas.manifest import CorpusManifest
from schemas.spaces import SpaceKind
from search.ranked_list import ScoredList

DOCUMENT_TFIDF = "tfidf:document"
"""The name under which a hit shows what its whole document scored in ``tfidf``, and by which that is weighed."""


def spread(scores: Mapping[int, float], lists: Sequence[ScoredList[int]]) -> list[tuple[int, float]]:
    """Each passage of the lists with its whole document's score, of ``scores`` by the id of the document's point.

    Both are best first, equals by id.
    """
    of: dict[int, list[int]] = {}
    for passage in {passage for entries in lists for passage, _ in entries}:
        owner = document_point_of(passage)
        if owner in scores:
            of.setdefault(owner, []).append(passage)
    return [(passage, score) for owner, score in scores.items() if owner in of for passage in sorted(of[owner])]


def sparse_minima(manifest: CorpusManifest, names: Iterable[str]) -> dict[str, float]:
    """The lowest score that can be, for those of ``names`` that have one: 0 where spaces are sparse."""
    return {name: 0.0 for name in names if is_sparse(manifest, name)}


def is_sparse(manifest: CorpusManifest, name: str) -> bool:
    """Whether a list is of sparse scores: of a sparse space, or of whole documents in ``tfidf``."""
    return name == DOCUMENT_TFIDF or manifest.spaces[name].kind is SpaceKind.SPARSE
