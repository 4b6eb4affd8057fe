"""What every space says of the hits shown, of those too that it does not list among its best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple, TypeAlias

from qdrant_client import models

from schemas.ids import document_point_of, point_text
from schemas.manifest import CorpusManifest
from schemas.spaces import Shelf, VectorBatch
from search.ask import Ask
from search.fusing import Places
from search.fusion import Fused, Standing
from search.grouping import Group
from search.query_vectors import query_vector
from search.ranked_list import WINDOW
from search.whole_documents import DOCUMENT_TFIDF, is_sparse
from stores.base import Store, collection_name
from stores.nearest import Nearest

Explain: TypeAlias = bool | Literal["scores"]
"""How much is found out of each hit. False: rank and score in the lists that were fused, which cost nothing more; the
dense one is that of the query moved towards the best hit. ``"scores"``: its score in every space by the query as it
was asked, for about a millisecond, and its rank among the best hundred. True: its rank as deep as ``DEEP``, too."""

DEEP = 10_000
"""The deepest rank that is looked for."""


class _Lacking(NamedTuple):
    """Points of one query's page that one space's list does not hold."""

    row: int
    space: str
    points: list[int]


Known = dict[tuple[int, str, int], tuple[int | None, float]]
"""Rank, where it was looked for and found, and score, by query, space and point."""


def in_every_space(
    store: Store,
    manifest: CorpusManifest,
    vectors: Mapping[str, VectorBatch],
    ask: Ask,
    pages: Sequence[Sequence[Group]],
    places: Sequence[Places],
    *,
    explain: Explain = False,
) -> list[list[Group]]:
    """The same hits, each with rank and score in every space that was asked, as far as ``explain`` says.

    ``places`` are each query's lists. A hit that a list lacks is asked for alone: that gives its score
    exactly. Its rank is None, but with True it is looked for down to ``DEEP``. A sparse space scores 0
    what it does not match; a point without a vector in a space has no standing there. Shares stay.
    """
    if not explain:
        return [list(page) for page in pages]
    lacking = []
    for row, (page, found) in enumerate(zip(pages, places, strict=True)):
        shown = [hit.id for group in page for hit in group]
        for space, listed in found.items():
            points = sorted({_point(space, passage) for passage in shown} - listed.keys())
            # A sparse list that is not full holds all that matches.
            if points and (len(listed) >= WINDOW or not is_sparse(manifest, space)):
                lacking.append(_Lacking(row, space, points))
    known: Known = {}
    for shelf in (Shelf.PASSAGES, Shelf.DOCUMENTS):
        these = [one for one in lacking if (one.space == DOCUMENT_TFIDF) == (shelf is Shelf.DOCUMENTS)]
        if these:
            _look_up(store, collection_name(manifest.corpus, manifest.generation, shelf), vectors, these, known)
            if explain is True:
                _look_deep(store, manifest, shelf, vectors, ask, these, known)
    return [
        [[_complete(manifest, hit, row, found, known) for hit in group] for group in page]
        for row, (page, found) in enumerate(zip(pages, places, strict=True))
    ]


def _look_up(
    store: Store, collection: str, vectors: Mapping[str, VectorBatch], lacking: Sequence[_Lacking], known: Known
) -> None:
    """The scores of points that a list lacks."""
    questions = []
    for row, space, points in lacking:
        among = models.Filter(must=[models.HasIdCondition(has_id=[point_text(point) for point in points])])
        questions.append(_question(vectors, space, row, len(points), among))
    for (row, space, _), answer in zip(lacking, store.nearest(collection, questions), strict=True):
        for point, score in answer:
            known[row, space, point] = (None, score)


def _look_deep(
    store: Store,
    manifest: CorpusManifest,
    shelf: Shelf,
    vectors: Mapping[str, VectorBatch],
    ask: Ask,
    lacking: Sequence[_Lacking],
    known: Known,
) -> None:
    """The ranks of points whose scores are known."""
    asked, questions = [], []
    for row, space, points in lacking:
        if any((row, space, point) in known for point in points):
            asked.append((row, space))
            questions.append(_question(vectors, space, row, DEEP, ask.query_filter))
    answers = store.nearest(collection_name(manifest.corpus, manifest.generation, shelf), questions)
    for (row, space), answer in zip(asked, answers, strict=True):
        for rank, (point, score) in enumerate(answer, 1):
            if (row, space, point) in known:
                known[row, space, point] = (rank, score)


def _complete(manifest: CorpusManifest, hit: Fused[int], row: int, found: Places, known: Known) -> Fused[int]:
    spaces: dict[str, Standing] = {}
    for space, listed in found.items():
        point = _point(space, hit.id)
        place = listed.get(point) or known.get((row, space, point))
        if place is None and is_sparse(manifest, space):
            place = (None, 0.0)
        if place is not None:
            spaces[space] = Standing(*place, hit.spaces[space].share if space in hit.spaces else 0.0)
    judges = {name: standing for name, standing in hit.spaces.items() if name not in found}
    return replace(hit, spaces={**spaces, **judges})


def _point(space: str, passage: int) -> int:
    return document_point_of(passage) if space == DOCUMENT_TFIDF else passage


def _question(
    vectors: Mapping[str, VectorBatch], space: str, row: int, limit: int, among: models.Filter | None
) -> Nearest:
    held = "tfidf" if space == DOCUMENT_TFIDF else space
    vector = query_vector(vectors[held], row)
    assert vector is not None  # an empty query has no list, so nothing lacks in it
    return Nearest(vector, held, limit, among)
