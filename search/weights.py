"""What each space weighs in a search, and beside the spaces whole documents and coverage.

As given, else as tuned for the corpus, else by default.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from numbers import Real

from schemas.errors import UsageError
from schemas.manifest import CorpusManifest
from search.coverage import COVERAGE
from search.ranked_list import FusionMethod
from search.whole_documents import DOCUMENT_TFIDF

DEFAULT_WEIGHTS: Mapping[str, float] = {"dense": 1.5, "word2vec": 0.0, "lsa": 0.0}
"""Weights other than 1. The best of a sparse list stand further out in standard scores than those of a dense
one, right or wrong: over ten collections of known answers, each left out in turn, the weight that tells best
which of two disagreeing spaces is right was 1.3 to 1.7 for dense. Word2Vec's means of words hurt a hybrid
wherever they were tried, and LSA added nothing to dense and TF-IDF together; alone they can be asked."""

MAX_WEIGHT = 1_000_000
"""The most that a space may weigh. Only the ratios of weights matter; sums of larger ones could overflow."""

SPLIT_DOCUMENTS = 2.0
"""Passages a document, on average, from which a passage and its whole document count as two witnesses: below,
they say nearly the same, and share the weight of one."""

COVERAGE_WEIGHT = 0.75
"""Of what ``tfidf`` weighs, for coverage: 0.5 to 1.5 do alike, more for keywords and less for questions."""


def chosen_weights(
    manifest: CorpusManifest, names: Sequence[str], weights: Mapping[str, float] | None = None
) -> dict[str, float]:
    """The weight of each space: as given, else as tuned for this corpus, else the default.

    That of whole documents in ``tfidf`` is among them where it was given, or tuned and ``tfidf`` was not given, that
    of coverage where it was given; else they are made of that of ``tfidf`` (``search_weights``).
    """
    known = [*names, DOCUMENT_TFIDF, COVERAGE] if "tfidf" in names else names
    if weights is not None and not isinstance(weights, Mapping):
        raise UsageError("weights is no mapping of spaces to numbers, such as {'dense': 1.5}.")
    for space, weight in (weights or {}).items():
        if space not in known:
            raise UsageError(f"--weights: {space!r} is not among the spaces searched, {', '.join(known)}.")
        if not isinstance(weight, Real) or not 0 <= weight <= MAX_WEIGHT:
            raise UsageError(f"--weights: {space}={weight} is not a number from 0 to {MAX_WEIGHT:,}.")
    tuned: Mapping[str, float] = manifest.search.get("weights", {})
    used = {name: float((weights or {}).get(name, tuned.get(name, DEFAULT_WEIGHTS.get(name, 1.0)))) for name in names}
    if DOCUMENT_TFIDF in (weights or {}):
        used[DOCUMENT_TFIDF] = float((weights or {})[DOCUMENT_TFIDF])
    elif DOCUMENT_TFIDF in tuned and "tfidf" in names and "tfidf" not in (weights or {}):
        used[DOCUMENT_TFIDF] = float(tuned[DOCUMENT_TFIDF])
    if COVERAGE in (weights or {}):
        used[COVERAGE] = float((weights or {})[COVERAGE])
    return used


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
