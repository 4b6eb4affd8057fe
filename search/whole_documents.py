"""Whole documents in ``tfidf`` as a witness of their passages, beside what the passages say themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from schemas.ids import document_point_of
from schemas.manifest import CorpusManifest
from schemas.spaces import SpaceKind
from search.coverage import COVERAGE
from search.ranked_list import FusionMethod, ScoredList

DOCUMENT_TFIDF = "tfidf:document"
"""The name under which a hit shows what its whole document scored in ``tfidf``, and by which that is weighed."""

SPLIT_DOCUMENTS = 2.0
"""Passages a document, on average, from which a passage and its whole document count as two witnesses: below,
they say nearly the same, and share the weight of one."""

COVERAGE_WEIGHT = 0.75
"""Of what ``tfidf`` weighs, for coverage: 0.5 to 1.5 do alike, more for keywords and less for questions."""


def with_documents(manifest: CorpusManifest, weights: Mapping[str, float]) -> dict[str, float]:
    """The weights with that of whole documents: as given, else made of the weight of ``tfidf``."""
    if DOCUMENT_TFIDF in weights or "tfidf" not in weights:
        return dict(weights)
    each = weights["tfidf"] * (1.0 if _apart(manifest) else 0.5)
    return {**weights, "tfidf": each, DOCUMENT_TFIDF: each}


def asks_documents(manifest: CorpusManifest, spaces: Collection[str], weights: Mapping[str, float]) -> bool:
    """Whether whole documents are asked beside passages: in a hybrid with ``tfidf``, where documents are split."""
    weighs = weights.get("tfidf", 0.0) > 0 or weights.get(DOCUMENT_TFIDF, 0.0) > 0
    split = manifest.counts.passages > manifest.counts.documents
    return split and "tfidf" in spaces and len(spaces) > 1 and weighs


def search_weights(
    manifest: CorpusManifest, spaces: Collection[str], weights: Mapping[str, float], method: FusionMethod
) -> dict[str, float]:
    """The weights that count in a search over ``spaces``.

    That of whole documents is among them where they are asked, and that of coverage in a hybrid by ``zscore``; the
    other methods weigh as they were told.
    """
    asks = asks_documents(manifest, spaces, weights)
    used = with_documents(manifest, weights) if asks else without_documents(weights)
    if method != "zscore" or "tfidf" not in spaces or len(spaces) < 2:
        used.pop(COVERAGE, None)
    elif COVERAGE not in used:
        used[COVERAGE] = coverage_weight(manifest, used)
    return used


def coverage_weight(manifest: CorpusManifest, weights: Mapping[str, float]) -> float:
    """What coverage weighs where nobody says, by the weights of ``tfidf``, of which whole documents may have half."""
    lexical = weights.get("tfidf", 0.0) + weights.get(DOCUMENT_TFIDF, 0.0)
    return COVERAGE_WEIGHT * (lexical / 2 if DOCUMENT_TFIDF in weights and _apart(manifest) else lexical)


def _apart(manifest: CorpusManifest) -> bool:
    return manifest.counts.passages >= SPLIT_DOCUMENTS * max(manifest.counts.documents, 1)


def without_documents(weights: Mapping[str, float]) -> dict[str, float]:
    """The weights of spaces alone, where a passage is its whole document: what that weighs, ``tfidf`` weighs."""
    used = dict(weights)
    if DOCUMENT_TFIDF in used:
        used["tfidf"] = used.get("tfidf", 0.0) + used.pop(DOCUMENT_TFIDF)
    return used


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
