"""Documents like some, and not like others: whole documents, whatever their splitting."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from qdrant_client import models
from scipy.sparse import csr_array

from schemas.errors import UsageError
from schemas.names import several
from schemas.payload_paths import META
from schemas.search import Hit, SearchResponse, Took
from schemas.spaces import Shelf, SpaceKind
from search.corpus import Corpus
from search.fusion import Fused, Standing, fuse
from search.hits import space_scores
from search.named_document import document_named
from search.ranked_list import WINDOW
from search.snippets import Snippets
from search.view import DEFAULT_FUSION, CorpusView
from search.whole_documents import sparse_minima

UNLIKE_WEIGHT = 0.5
"""How much the disliked mean is subtracted: below 1, so that it steers and does not lead (Rocchio 1971)."""


def recommend(
    corpus: Corpus,
    like: str | Iterable[str],
    unlike: str | Iterable[str] = (),
    *,
    spaces: str | Iterable[str] | None = None,
    where: str | Iterable[str] = (),
    limit: int = 10,
    weights: Mapping[str, float] | None = None,
) -> SearchResponse:
    """Documents near the mean of ``like`` and away from the mean of ``unlike`` (ids or titles), best first.

    With one space a hit's score is the similarity there: for ``tfidf`` and one liked document the
    cosine that scikit-learn's ``linear_kernel`` gives. With several they are fused, and a hit that lies
    deeper in a space than was looked has its score there, without a rank. ``spaces`` that are named weigh
    1 each, those of the default what they weigh in a search, where ``weights`` say nothing else. The
    documents named are never among the hits.

    Raises ``UsageError`` for a document that is not there, with near names, or both liked and unliked, and
    for an unknown space.
    """
    if limit < 1:
        raise UsageError(f"--limit {limit}: ask for at least 1.")
    liked, disliked, conditions = several(like), several(unlike), several(where)
    if not liked:
        raise UsageError("Name at least one document to be like, with --like.")
    named = None if spaces is None else several(spaces)
    return corpus.ask(lambda view: _recommend(view, liked, disliked, named, conditions, limit, weights))


def _recommend(
    corpus: CorpusView,
    like: Sequence[str],
    unlike: Sequence[str],
    spaces: Sequence[str] | None,
    where: Sequence[str],
    limit: int,
    weights: Mapping[str, float] | None,
) -> SearchResponse:
    started = time.perf_counter()
    names = _spaces(corpus, spaces, weights)
    weighing = _weights(corpus, names, spaces, weights)
    liked = [document_named(corpus, name, names) for name in like]
    disliked = [document_named(corpus, name, names) for name in unlike]
    _refuse_both(liked, disliked)
    own = [str(record.id) for record in (*liked, *disliked)]
    query_filter = corpus.filter(where) or models.Filter()
    exclude = models.HasIdCondition(has_id=list(own))
    query_filter.must_not = [*_conditions(query_filter.must_not), exclude]
    asked = [(name, query) for name in names if (query := _mean(corpus, name, liked, disliked)) is not None]
    encoded = time.perf_counter()
    requests = [
        models.QueryRequest(query=query, using=name, filter=query_filter, limit=max(WINDOW, limit))
        for name, query in asked
    ]
    answers = corpus.store.query(corpus.collection(Shelf.DOCUMENTS), requests) if requests else []
    lists = {
        name: [(str(point.id), float(point.score)) for point in points]
        for (name, _), points in zip(asked, answers, strict=True)
    }
    used = {name: weighing[name] for name in lists}
    minima = sparse_minima(corpus.manifest, lists)
    chosen = used if sum(used.values()) > 0 else None
    ranking = fuse(lists, method=DEFAULT_FUSION, weights=chosen, minima=minima, limit=limit) if lists else []
    records = corpus.store.retrieve(corpus.collection(Shelf.DOCUMENTS), [fused.id for fused in ranking])
    payloads = {str(record.id): record.payload or {} for record in records}
    # An ingest may have taken a document away since it was ranked.
    ranking = [fused for fused in ranking if fused.id in payloads]
    deeper = _deeper(corpus, asked, ranking)
    # Nothing was asked in words, so that a snippet is the beginning of the text.
    snippets = Snippets((), lambda _text: ())
    hits = []
    for rank, fused in enumerate(ranking, 1):
        payload: dict[str, Any] = payloads[fused.id]
        text = str(payload["text"])
        single = next(iter(fused.spaces.values())).score if len(names) == 1 else None
        hits.append(
            Hit(
                rank=rank,
                score=round(single if single is not None else fused.score, 6),
                document_id=str(payload["document_id"]),
                passage_id=fused.id,
                title=str(payload["title"]),
                chapter=payload.get("chapter"),
                text=text,
                start=0,
                end=len(text),
                payload=dict(payload.get(META) or {}),
                spaces=space_scores({**deeper.get(fused.id, {}), **fused.spaces}),
                snippet=snippets.of(text),
            )
        )
    done = time.perf_counter()
    took = Took(
        encode=round((encoded - started) * 1e3, 3),
        search=round((done - encoded) * 1e3, 3),
        total=round((done - started) * 1e3, 3),
    )
    shown = "like " + ", ".join(like) + (", unlike " + ", ".join(unlike) if unlike else "")
    return SearchResponse(query=shown, corpus=corpus.name, hits=hits, fusion=DEFAULT_FUSION, weights=used, took_ms=took)


def _deeper(
    corpus: CorpusView, asked: Sequence[tuple[str, Any]], ranking: Sequence[Fused]
) -> dict[str, dict[str, Standing]]:
    """What each document of the ranking scores in the spaces whose lists lack it, by its point and space."""
    found: dict[str, dict[str, Standing]] = {}
    requests = []
    for space, query in asked:
        lacking = [fused.id for fused in ranking if space not in fused.spaces]
        if corpus.manifest.spaces[space].kind is SpaceKind.SPARSE:
            # Where no term is shared the engine gives nothing.
            for point in lacking:
                found.setdefault(point, {})[space] = Standing(None, 0.0, 0.0)
        if lacking:
            among = models.Filter(must=[models.HasIdCondition(has_id=list(lacking))])
            requests.append(models.QueryRequest(query=query, using=space, filter=among, limit=len(lacking)))
    answers = corpus.store.query(corpus.collection(Shelf.DOCUMENTS), requests) if requests else []
    for request, points in zip(requests, answers, strict=True):
        for hit in points:
            found.setdefault(str(hit.id), {})[str(request.using)] = Standing(None, float(hit.score), 0.0)
    return found


def _conditions(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _spaces(corpus: CorpusView, spaces: Sequence[str] | None, weights: Mapping[str, float] | None) -> list[str]:
    there = [space.name for space in corpus.manifest.document_spaces]
    if spaces is None:
        return [name for name in there if name != "word2vec" or name in (weights or {})] or there
    for space in spaces:
        if space not in there:
            raise UsageError(f"--spaces: documents of {corpus.name!r} have no space {space!r}; use {', '.join(there)}.")
    return list(dict.fromkeys(spaces))


def _weights(
    corpus: CorpusView, names: Sequence[str], spaces: Sequence[str] | None, weights: Mapping[str, float] | None
) -> dict[str, float]:
    """The weight of each space; those that were named by hand count alike where no weight is given."""
    used = corpus.weights(names, weights)
    # Tuning may have given a weight to whole documents' lists beside the passages'; here are documents alone.
    return {name: used[name] if spaces is None or name in (weights or {}) else 1.0 for name in names}


def _refuse_both(liked: Sequence[models.Record], disliked: Sequence[models.Record]) -> None:
    unwanted = {record.id for record in disliked}
    for record in liked:
        if record.id in unwanted:
            named = str((record.payload or {})["document_id"])
            raise UsageError(f"The document {named!r} is to be both like and unlike; name it in one of them only.")


def _mean(
    corpus: CorpusView, space: str, liked: Sequence[models.Record], disliked: Sequence[models.Record]
) -> Any | None:
    """The query of one space: mean of the liked less half the mean of the disliked, of unit length."""
    if corpus.manifest.spaces[space].kind is SpaceKind.SPARSE:
        rows = [_sparse_row(record, space) for record in (*liked, *disliked)]
        positive, negative = rows[: len(liked)], rows[len(liked) :]
        total = sum(positive[1:], positive[0]) / len(positive)
        if negative:
            total = total - sum(negative[1:], negative[0]) * (UNLIKE_WEIGHT / len(negative))
        norm = float(np.sqrt((total.data**2).sum()))
        if norm == 0:
            return None
        total = csr_array(total)
        total.sort_indices()
        return models.SparseVector(indices=total.indices.tolist(), values=(total.data / norm).tolist())
    vectors = [_dense_row(record, space) for record in liked]
    present = [vector for vector in vectors if vector is not None]
    if not present:
        return None
    mean = np.mean(present, axis=0)
    against = [vector for record in disliked if (vector := _dense_row(record, space)) is not None]
    if against:
        mean = mean - UNLIKE_WEIGHT * np.mean(against, axis=0)
    norm = float(np.linalg.norm(mean))
    return (mean / norm).tolist() if norm > 0 else None


def _dense_row(record: models.Record, space: str) -> Any | None:
    vector = record.vector.get(space) if isinstance(record.vector, dict) else None
    return None if vector is None else np.asarray(vector, dtype=np.float64)


def _sparse_row(record: models.Record, space: str) -> Any:
    vector = record.vector.get(space) if isinstance(record.vector, dict) else None
    width = 2**32
    if not isinstance(vector, models.SparseVector):
        return csr_array((1, width), dtype=np.float64)
    indices = np.asarray(vector.indices, dtype=np.int64)
    values = np.asarray(vector.values, dtype=np.float64)
    return csr_array((values, indices, np.array([0, len(indices)])), shape=(1, width))
