"""An open collection of the embedded store: its parts asked together, and their answers as one."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import qdrant_edge as edge
from qdrant_client import models

from schemas.errors import StoreError
from schemas.spaces import PointBatch, Space, VectorBatch
from schemas.storage import StorageSettings
from stores import edge_translation as translate
from stores.base import PayloadChange, PayloadIndexType
from stores.checks import check_batch, check_names, check_nearest, check_request
from stores.edge_config import resolved
from stores.edge_description import Description
from stores.edge_parts import PART_POINTS, Parts
from stores.edge_results import query_request, scored
from stores.nearest import Nearest, Scored, SparseRow
from stores.quantized import rescoring, with_rescoring
from stores.ties import MARGIN, by_score, cut, in_order

_ALL_VALUES = 1_000_000
"""Values of a field that each part counts: those that most points of all hold need not lead in any one."""


@dataclass(slots=True)
class _Lane:
    """How far one part has been gone through, and the records that came before their turn."""

    after: Any = None
    waiting: deque[models.Record] = field(default_factory=deque)
    done: bool = False


@dataclass(slots=True)
class Cursor:
    """How far a collection has been gone through in the order of ids."""

    lanes: list[_Lane] = field(default_factory=list)
    last: str | None = None


class EdgeCollection:
    """Points of one collection. The caller sees to it that one thread is in here at a time."""

    def __init__(
        self,
        name: str,
        folder: Path,
        spaces: dict[str, Space],
        indexes: dict[str, PayloadIndexType],
        storage: StorageSettings,
        part_points: int = PART_POINTS,
    ) -> None:
        self.name = name
        self.spaces = spaces
        self.storage = storage
        self._asked = resolved(list(spaces.values()), storage)
        self._params = translate.params_of(rescoring(self._asked))
        self._folder = folder
        self._indexes = indexes
        self._parts = Parts(name, folder, spaces, storage, indexes, part_points)

    @classmethod
    def create(cls, name: str, folder: Path, spaces: Mapping[str, Space], storage: StorageSettings) -> None:
        """Make an empty collection's files in ``folder``."""
        Parts.create(name, folder, spaces, storage)
        Description(dict(spaces), storage).write(folder)

    @classmethod
    def load(cls, name: str, folder: Path, part_points: int = PART_POINTS) -> EdgeCollection:
        """Open what ``create`` made; raises ``StoreDamaged`` where that cannot be."""
        described = Description.read(folder)
        return cls(name, folder, described.spaces, described.indexes, described.storage, part_points)

    def close(self) -> None:
        """Flush and let go of the files."""
        self._parts.close()

    def open(self) -> None:
        """Open every part, which would else be when it is first asked."""
        self._parts.all()

    @property
    def threaded(self) -> bool:
        """Whether the engine searches in threads of its own, which a forked process has not."""
        return self._parts.threaded()

    def forked(self) -> None:
        """From now on read what is open, and open nothing: the process is one that was forked from the owner."""
        self._parts.forked()

    def create_payload_index(self, field: str, kind: PayloadIndexType) -> None:
        """Index a payload field; nothing happens where it is indexed already so."""
        if self._indexes.get(field) == kind:
            return
        for part in self._parts.visited():
            part.create_payload_index(field, kind)
        self._indexes[field] = kind
        Description(self.spaces, self.storage, self._indexes).write(self._folder)

    # -- points ----------------------------------------------------------------------------
    def upsert(self, batch: PointBatch) -> None:
        """Write points whole, durable when this returns."""
        check_batch(batch, self.spaces, self.storage)
        self._parts.ready()
        for part, rows in self._parts.of(batch.ids):
            part.upsert(_rows_of(batch, rows))
        self._parts.wrote(len(batch))

    def update_vectors(self, batch: PointBatch) -> None:
        """Write the batch's spaces of points that stand; the rest of them stays."""
        check_batch(batch, self.spaces, self.storage, payloads=False)
        for part, rows in self._parts.of(batch.ids):
            part.update_vectors(_rows_of(batch, rows))

    def set_payloads(self, changes: Sequence[PayloadChange]) -> None:
        """Set payload keys on points, leaving other keys."""
        ids = [point for _, points in changes for point in points]
        owners = [number for number, (_, points) in enumerate(changes) for _ in points]
        # All at once: a part that is asked for later may close one that was asked for before.
        for part, rows in self._parts.of(ids):
            own: dict[int, list[Any]] = {}
            for row in rows:
                own.setdefault(owners[row], []).append(ids[row])
            part.update(
                *(edge.UpdateOperation.set_payload(points, dict(changes[number][0])) for number, points in own.items())
            )

    def delete(self, points: Sequence[str] | models.Filter, documents: Sequence[str] | None = None) -> None:
        """Remove points by id or by filter; the passages of ``documents`` alone, where they are given."""
        if isinstance(points, models.Filter):
            # A passage's id begins as its document's, and with that it leads to one part.
            parts = self._parts.all() if documents is None else [part for part, _ in self._parts.of(documents)]
            operation = edge.UpdateOperation.delete_points_by_filter(translate.filter_of(points) or edge.Filter())
            for part in parts:
                part.update(operation)
            return
        for part, rows in self._parts.of(points):
            part.update(edge.UpdateOperation.delete_points([points[row] for row in rows]))

    def retrieve(self, ids: Sequence[str], payload: Any, vectors: Any) -> list[models.Record]:
        """The points that stand among ``ids``, in the order of ``ids``."""
        if not isinstance(vectors, bool):
            check_names(vectors, self.spaces)
        by_id: dict[str, models.Record] = {}
        for part, rows in self._parts.of(ids):
            found = part.retrieve([ids[row] for row in rows], payload, vectors)
            by_id.update((str(one.id), one) for one in found)
        return [by_id[point] for point in ids if point in by_id]

    def columns(self, ids: Sequence[str], space: str) -> dict[int, Sequence[int]]:
        """Which columns points hold in a sparse space, by their ids as numbers."""
        check_names([space], self.spaces)
        found: dict[int, Sequence[int]] = {}
        for part, rows in self._parts.of(ids):
            found.update(part.columns([ids[row] for row in rows], space))
        return found

    def scroll(
        self, cursor: Cursor, limit: int, query_filter: models.Filter | None, payload: Any, vectors: Any
    ) -> list[models.Record]:
        """The next page of points in the order of ids, of which ``cursor`` is moved to the end; none after the last."""
        parts = self._parts.all()
        # A part that is new since the last page begins where that one ended.
        cursor.lanes += [_Lane(cursor.last) for _ in parts[len(cursor.lanes) :]]
        page: list[models.Record] = []
        while len(page) < limit:
            for part, lane in zip(parts, cursor.lanes, strict=True):
                if not lane.waiting and not lane.done:
                    found, lane.after = part.scroll(lane.after, limit, query_filter, payload, vectors)
                    lane.waiting.extend(found)
                    lane.done = lane.after is None
            waiting = [lane.waiting for lane in cursor.lanes if lane.waiting]
            if not waiting:
                break
            page.append(min(waiting, key=lambda records: str(records[0].id)).popleft())
        if page:
            cursor.last = str(page[-1].id)
        return page

    def count(self, query_filter: models.Filter | None = None) -> int:
        """Exactly how many points match."""
        if query_filter is None:
            return self._parts.count()
        return sum(part.count(query_filter) for part in self._parts.all())

    def facet(self, field: str, query_filter: models.Filter | None, limit: int) -> dict[str, int]:
        """How many points hold each value of an indexed field."""
        parts = self._parts.all()
        if len(parts) == 1:
            return parts[0].facet(field, query_filter, limit)
        total: Counter[str] = Counter()
        for part in parts:
            total.update(part.facet(field, query_filter, _ALL_VALUES))
        return dict(sorted(total.items(), key=lambda found: (-found[1], found[0]))[:limit])

    def query(self, requests: Sequence[models.QueryRequest]) -> list[list[models.ScoredPoint]]:
        """Answer the requests in one round, best first and equals by id."""
        for request in requests:
            check_request(request, self.spaces)
            if isinstance(getattr(request.query, "nearest", request.query), str | int | UUID):
                raise StoreError("Ask with a point's vector, which retrieve gives, instead of its id.")
        requests = [with_rescoring(request, self._asked) for request in requests]
        pages = [(request.offset or 0, request.limit or 10) for request in requests]
        ranked = [by_score(request.query) for request in requests]
        if len(self._parts) > 1:
            for request, scores in zip(requests, ranked, strict=True):
                _require_mergeable(self.name, request, scores)
        found = self._answers(lambda row, depth: query_request(requests[row], depth), pages, ranked)
        return [[scored(point) for point in points] for points in found]

    def nearest(self, questions: Sequence[Nearest]) -> list[list[Scored]]:
        """Answer the questions in one round, best first and equals by id."""
        for question in questions:
            check_nearest(question, self.spaces)
        # One filter goes with all questions of a search.
        filters = {id(question.query_filter): translate.filter_of(question.query_filter) for question in questions}
        made = [translate.nearest_of(question.vector, question.space) for question in questions]

        def request(row: int, depth: int) -> edge.QueryRequest:
            return edge.QueryRequest(
                limit=depth,
                offset=0,
                query=made[row],
                filter=filters[id(questions[row].query_filter)],
                params=None if isinstance(questions[row].vector, SparseRow) else self._params,
                with_payload=False,
                with_vector=False,
            )

        pages = [(0, question.limit) for question in questions]
        found = self._answers(request, pages, [True] * len(questions))
        return [[(point.id.int, point.score) for point in points] for points in found]

    def _answers(
        self, request: Callable[[int, int], edge.QueryRequest], pages: Sequence[tuple[int, int]], ranked: Sequence[bool]
    ) -> list[list[Any]]:
        """The page, offset and limit, of what each request finds; ``request`` makes one, for so many results.

        Those that are ``ranked`` by score have their ties settled by id.
        """
        if not pages:
            return []
        parts = self._parts.all()
        asked = [offset + limit + MARGIN for offset, limit in pages]
        batch = [request(row, depth) for row, depth in enumerate(asked)]
        answers = zip(*(part.answers(batch) for part in parts), strict=True)
        results = []
        for row, ((offset, limit), found) in enumerate(zip(pages, answers, strict=True)):
            points = _merged(found, asked[row], ranked[row])

            def ask(more: int, row: int = row) -> list[Any]:
                return _merged([part.answers([request(row, more)])[0] for part in parts], more, True)

            if ranked[row]:
                results.append(cut(ask, points, asked[row], offset, limit))
            else:
                results.append(points[offset : offset + limit])
        return results

    # -- care ------------------------------------------------------------------------------
    def optimize(self) -> None:
        """Make the segments that were written to unchangeable, with their indexes."""
        self._parts.optimize()


def _merged(found: Sequence[list[Any]], most: int, ranked: bool) -> list[Any]:
    """What the parts found as one part would have found it."""
    if len(found) == 1:
        return found[0]
    together = [point for points in found for point in points]
    return (in_order(together) if ranked else sorted(together, key=lambda point: str(point.id)))[:most]


def _require_mergeable(name: str, request: models.QueryRequest, ranked: bool) -> None:
    """Refuse what cannot be put together from several parts' answers: a rank among all, a difference from others."""
    if request.prefetch or not (ranked or request.query is None):
        kind = "prefetches" if request.prefetch else type(request.query).__name__
        raise StoreError(
            f"{name} is too large for {kind} in the embedded engine, which holds it in several parts: "
            f"ask for what is nearest and fuse or order that, or use a server."
        )


def _rows_of(batch: PointBatch, rows: Sequence[int]) -> PointBatch:
    """Some of a batch's points."""
    if len(rows) == len(batch):
        return batch

    def some(vectors: VectorBatch) -> VectorBatch:
        return [vectors[row] for row in rows] if isinstance(vectors, list) else vectors[np.asarray(rows)]

    # An update of vectors alone comes without payloads.
    payloads = [batch.payloads[row] for row in rows] if batch.payloads else []
    vectors = {space: some(found) for space, found in batch.vectors.items()}
    return PointBatch([batch.ids[row] for row in rows], payloads, vectors)
