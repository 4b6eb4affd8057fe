"""A corpus's next generation with other spaces: vectors that stay are copied, those of new spaces encoded.

It is built beside the one in use, and the manifest moves to it in one step. What is being built is
recorded in the manifest, so that a run that was killed is taken up where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from qdrant_client import models

from encoders.identity import same_encoder
from encoders.learned import LearnedEncoders
from ingest.blocks import indexed_text
from ingest.copying import stored_vectors
from ingest.corpus import create_shelves
from ingest.payloads import META
from ingest.plan import batched
from ingest.run import Progress
from schemas.errors import CorpusError
from schemas.ids import passage_point_id
from schemas.manifest import CorpusManifest, Rebuild
from schemas.spaces import DenseBatch, PointBatch, Shelf, Space, SpaceKind, VectorBatch
from stores.base import Store, collection_name

PAGE = 128
"""Passages encoded and written together; what a killed run has to do again."""

MULTI_PAGE = 16
"""The same where a passage has a vector for each of its tokens: 256 of 1024 dimensions are a megabyte."""


def rebuild(
    store: Store, old: CorpusManifest, wanted: Rebuild, fill: LearnedEncoders | None, progress: Progress
) -> tuple[CorpusManifest, int, dict[str, float]]:
    """Build ``wanted`` and make it the corpus's current generation.

    ``fill`` encodes the spaces that ``old`` has not. Gives the new manifest, the passages that an
    interrupted run had made already, and the seconds of each stage.

    Raises ``CorpusError`` where another rebuild is unfinished, or the corpus changed meanwhile.
    """
    return _Rebuilder(store, old, wanted, fill, progress).run()


def unfinished(store: Store, manifest: CorpusManifest) -> Rebuild | None:
    """The rebuild that a killed run left, if its collections stand."""
    left = manifest.rebuild
    if left is None or left.generation <= manifest.generation:
        return None
    stands = store.collection_exists(collection_name(manifest.corpus, left.generation, Shelf.PASSAGES))
    return left if stands else None


def same_rebuild(first: Rebuild, second: Rebuild) -> bool:
    """Whether both make the same spaces with the same encoders."""
    return (
        first.spaces == second.spaces
        and first.encoder_spaces == second.encoder_spaces
        and first.encoders.keys() == second.encoders.keys()
        and all(same_encoder(identity, second.encoders[space]) for space, identity in first.encoders.items())
    )


def drop_other_generations(store: Store, manifest: CorpusManifest, *also_kept: int) -> None:
    """Remove the corpus's collections of every generation but the current one and ``also_kept``."""
    kept = {f"g{generation}" for generation in (manifest.generation, *also_kept)}
    for name in store.list_collections():
        owner, generation, _ = name.rsplit(".", 2)
        if owner == manifest.corpus and generation not in kept:
            store.drop_collection(name)


class _Rebuilder:
    def __init__(
        self, store: Store, old: CorpusManifest, wanted: Rebuild, fill: LearnedEncoders | None, progress: Progress
    ) -> None:
        left = unfinished(store, old)
        if left is not None and not same_rebuild(left, wanted):
            names = ", ".join(sorted(left.spaces.keys() ^ old.spaces.keys()))
            raise CorpusError(
                f"The spaces {names} of {old.corpus!r} are being changed and unfinished: run that command again first, "
                f"or give it up with: xunyi spaces remove {old.corpus} --unfinished"
            )
        self._store = store
        self._old = old.model_copy(update={"rebuild": left or wanted})
        plan = left or wanted
        fields = {"generation", "spaces", "encoders", "encoder_spaces"}
        self._new = old.model_copy(update={**{name: getattr(plan, name) for name in fields}, "rebuild": None})
        self._fill = fill
        self._progress = progress
        self._resumed = left is not None
        self._taken_over = 0
        self._seconds: dict[str, float] = {}

    def run(self) -> tuple[CorpusManifest, int, dict[str, float]]:
        started = time.perf_counter()
        kept = (self._new.generation,) if self._resumed else ()
        drop_other_generations(self._store, self._old, *kept)
        self._store.write_manifest(self._old)
        self._create()
        self._copy_terms()
        self._stage("encode", self._passages)
        self._stage("documents", self._documents)
        self._stage("optimize", self._finish)
        if self._store.read_manifest(self._old.corpus) != self._old:
            raise self._changed()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._new = self._new.model_copy(update={"updated": now})
        self._store.write_manifest(self._new)
        drop_other_generations(self._store, self._new)
        self._seconds["total"] = time.perf_counter() - started
        return self._new, self._taken_over, {stage: round(value, 3) for stage, value in self._seconds.items()}

    def _stage(self, name: str, work: Any) -> None:
        started = time.perf_counter()
        work()
        self._seconds[name] = time.perf_counter() - started

    def _create(self) -> None:
        create_shelves(self._store, self._new)
        for field, kind in self._new.payload_fields.items():
            for shelf in (Shelf.PASSAGES, Shelf.DOCUMENTS):
                self._store.create_payload_index(self._to(shelf), f"{META}.{field}", kind)  # type: ignore[arg-type]

    def _copy_terms(self) -> None:
        if not self._store.collection_exists(self._from(Shelf.TERMS)):
            return
        spaces = {space.name: space for space in self._new.term_spaces}
        self._store.create_collection(self._to(Shelf.TERMS), list(spaces.values()), self._new.storage)
        if self._resumed and self._store.count(self._to(Shelf.TERMS)) == self._store.count(self._from(Shelf.TERMS)):
            return
        for page in batched(self._store.scroll(self._from(Shelf.TERMS), vectors=list(spaces), batch_size=1024), 1024):
            self._write(Shelf.TERMS, page, stored_vectors(page, spaces))

    def _passages(self) -> None:
        total, done = self._old.counts.passages, 0
        self._progress("encode", 0, total)
        for page, stands in self._pages(Shelf.PASSAGES, self._new.spaces.values()):
            self._taken_over += stands
            if page:
                texts = [_text(_payload(record), self._new.titles) for record in page]
                fresh = self._fill.encode_passages(texts) if self._fill is not None else {}
                self._write(Shelf.PASSAGES, page, {**stored_vectors(page, self._kept(self._new.spaces)), **fresh})
            done += stands + len(page)
            self._progress("encode", done, total)

    def _documents(self) -> None:
        spaces = {space.name: space for space in self._new.document_spaces}
        averaged = {name: space for name, space in spaces.items() if name not in self._old.spaces}
        for page, _ in self._pages(Shelf.DOCUMENTS, spaces.values()):
            means = self._means(page, averaged) if averaged else {}
            self._write(Shelf.DOCUMENTS, page, {**stored_vectors(page, self._kept(spaces)), **means})

    def _means(self, page: Sequence[models.Record], spaces: Mapping[str, Space]) -> dict[str, VectorBatch]:
        """The mean of each document's passage vectors, of unit length."""
        wanted, owner = [], []
        for row, record in enumerate(page):
            payload = _payload(record)
            for position in range(int(payload["passages"])):
                wanted.append(passage_point_id(self._new.corpus, str(payload["document_id"]), position))
                owner.append(row)
        found: dict[str, VectorBatch] = {}
        sums = {name: np.zeros((len(page), space.dim or 0)) for name, space in spaces.items()}
        for batch in batched(zip(wanted, owner, strict=True), 1024):
            ids = [point for point, _ in batch]
            records = self._store.retrieve(self._to(Shelf.PASSAGES), ids, payload=False, vectors=list(spaces))
            if len(records) < len(ids):
                raise self._changed()
            for name, rows in stored_vectors(records, spaces).items():
                np.add.at(sums[name], [row for _, row in batch], rows)
        for name, total in sums.items():
            norms = np.linalg.norm(total, axis=1, keepdims=True)
            means: DenseBatch = (total / np.where(norms > 0, norms, 1.0)).astype(np.float32)
            found[name] = means
        return found

    def _finish(self) -> None:
        self._progress("optimize", 0, None)
        for shelf in (Shelf.PASSAGES, Shelf.DOCUMENTS):
            there = self._store.count(self._from(shelf))
            if self._resumed and self._store.count(self._to(shelf)) > there:
                self._remove_gone(shelf)
            self._store.optimize(self._to(shelf))
            if self._store.count(self._to(shelf)) != there:
                raise self._changed()

    def _remove_gone(self, shelf: Shelf) -> None:
        """Take out what an interrupted run copied and an ingest has removed since."""
        for page in batched(self._store.scroll(self._to(shelf), payload=False), 1024):
            ids = [str(record.id) for record in page]
            present = {str(record.id) for record in self._store.retrieve(self._from(shelf), ids, payload=False)}
            if gone := [point for point in ids if point not in present]:
                self._store.delete(self._to(shelf), gone)

    def _pages(self, shelf: Shelf, spaces: Any) -> Iterator[tuple[list[models.Record], int]]:
        """The points still to be made, with the vectors that are kept, and how many of each page stand already."""
        size = MULTI_PAGE if any(space.kind is SpaceKind.MULTI for space in spaces) else PAGE
        kept = list(self._kept({space.name: space for space in spaces}))
        for page in batched(self._store.scroll(self._from(shelf), vectors=kept, batch_size=size), size):
            made: dict[str, Any] = {}
            if self._resumed:
                ids = [str(record.id) for record in page]
                made = {str(record.id): record.payload for record in self._store.retrieve(self._to(shelf), ids)}
            # An ingest may have come between: a point counts as made only if all that it holds is the same.
            left = [record for record in page if str(record.id) not in made or made[str(record.id)] != record.payload]
            yield left, len(page) - len(left)

    def _kept(self, spaces: Mapping[str, Space]) -> dict[str, Space]:
        return {name: space for name, space in spaces.items() if name in self._old.spaces}

    def _write(self, shelf: Shelf, page: Sequence[models.Record], vectors: Mapping[str, VectorBatch]) -> None:
        if page:
            ids = [str(record.id) for record in page]
            self._store.upsert(self._to(shelf), PointBatch(ids, [_payload(record) for record in page], vectors))

    def _from(self, shelf: Shelf) -> str:
        return collection_name(self._old.corpus, self._old.generation, shelf)

    def _to(self, shelf: Shelf) -> str:
        return collection_name(self._new.corpus, self._new.generation, shelf)

    def _changed(self) -> CorpusError:
        return CorpusError(
            f"The corpus {self._old.corpus!r} changed meanwhile; run the same command again, which goes on from here."
        )


def _payload(record: models.Record) -> dict[str, Any]:
    return dict(record.payload or {})


def _text(payload: Mapping[str, Any], titles: bool) -> str:
    return indexed_text(str(payload["title"]), str(payload["text"]), titles)
