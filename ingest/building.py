"""The builder of a corpus's next generation: refit, spaces and rebuild are all of them one call of it.

It is built beside the one in use by the same writing pass as an ingest, and the manifest moves to it in one
step. What is being built is recorded in the manifest, so that a run that was killed is taken up where it
stopped.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from encoders.base import Encoder
from encoders.lexical import LexicalEncoder
from ingest.blocks import Block, BlockMaker, BlockSettings, Planned, in_blocks
from ingest.carried import CarriedVectors, changed
from ingest.copying import copy_points
from ingest.corpus import create_shelves
from ingest.differences import same_rebuild, spaces_to_encode
from ingest.encoding import Fill, tokens_sent
from ingest.executors import Executor, InProcess
from ingest.fit import Fitter, write_fit
from ingest.generations import drop_other_generations, other_unfinished, unfinished
from ingest.next_manifest import next_manifest
from ingest.plan import batched
from ingest.points import Target
from ingest.reading import block_maker
from ingest.recovery import remove_absent
from ingest.run import Progress
from ingest.slices import BATCH_PASSAGES, MULTI_BATCH
from ingest.spool import Spool
from ingest.staleness import SINCE_FIT
from ingest.stored import DOCUMENTS_BATCH, payload_of, stored_documents, unanalysed
from ingest.write import write_documents
from schemas.errors import StoreError, StoreUnavailable
from schemas.ids import document_point_id
from schemas.ingest import LEXICAL_SPACES
from schemas.manifest import CorpusManifest, Counts, Rebuild
from schemas.spaces import Shelf, SpaceKind
from stores.base import Store, collection_name
from stores.memory import large_pieces_apart

SHELVES = (Shelf.PASSAGES, Shelf.DOCUMENTS)

_PLACE = ("source", "position")

log = logging.getLogger("xunyi.build")


@dataclass(frozen=True)
class Built:
    """A new generation in use: its manifest, the passages that an interrupted run had made, seconds by stage.

    ``tokens_sent`` are those that an encoder's API counted.
    """

    manifest: CorpusManifest
    taken_over: int = 0
    tokens_sent: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


def build(
    store: Store,
    old: CorpusManifest,
    wanted: Rebuild,
    fill: Fill | None,
    *,
    keep_old: bool,
    progress: Progress | None = None,
    pool: Executor | None = None,
) -> Built:
    """Build ``wanted`` and make it the corpus's generation in use.

    ``fill`` encodes ``spaces_to_encode``. With ``keep_old`` the old generation stays and can be brought back.
    ``pool`` cuts, counts and encodes; without one this process does. What this process frees in large pieces goes
    back to the system at once from here on, as with an ingest.

    Raises ``CorpusError`` where another command's generation is unfinished, or the corpus changed meanwhile.
    """
    left = unfinished(store, old)
    if left is not None and not same_rebuild(left, wanted):
        raise other_unfinished(old, left)
    large_pieces_apart()
    with ExitStack() as stack:
        builder = _Builder(store, old, wanted, left, fill, progress or (lambda *_: None), pool or InProcess(), stack)
        try:
            return builder.run(keep_old)
        except StoreUnavailable:
            raise
        except StoreError as error:
            # On a server nobody holds a corpus: another command may have dropped what this one reads or writes.
            if builder.overtaken():
                raise changed(old.corpus) from error
            raise


class _Builder:
    def __init__(
        self,
        store: Store,
        old: CorpusManifest,
        wanted: Rebuild,
        left: Rebuild | None,
        fill: Fill | None,
        progress: Progress,
        pool: Executor,
        stack: ExitStack,
    ) -> None:
        plan = left or wanted
        self._store = store
        self._plan = plan
        self._encoded = spaces_to_encode(old, plan)
        # A fit of before is no fit of now: without vectors that cost something, such a run begins anew.
        self._resumed = left is not None and (bool(self._encoded) or not plan.refit)
        self._lexical = any(name in plan.spaces for name in LEXICAL_SPACES)
        self._same_fit = self._lexical and not plan.refit
        self._old = old.model_copy(update={"rebuild": plan})
        self._new = next_manifest(old, plan)
        self._fill = fill
        self._progress = progress
        self._pool = pool
        self._encoder: Encoder | None = None
        self._stack = stack
        self._documents = 0
        self._passages = 0
        self._taken_over = 0
        self._seconds: dict[str, float] = {}

    def run(self, keep_old: bool) -> Built:
        started = time.perf_counter()
        store, corpus = self._store, self._old.corpus
        if self._plan.refit or self._plan.resplit or self._encoded:
            self._pool.start()
        if self._encoded and self._fill is not None:
            self._encoder = self._pool.encoder(self._fill.here, self._fill.load)
        drop_other_generations(store, self._old, *((self._plan.generation,) if self._resumed else ()))
        store.write_manifest(self._old)
        create_shelves(store, self._new)
        if self._plan.refit:
            blocks, lexical = self._fitted()
        else:
            if self._lexical:
                self._copy_terms()
            blocks, lexical = self._streamed(), None
        self._write(blocks, lexical)
        self._finish()
        if self.overtaken():
            raise changed(corpus)
        counts = Counts(documents=self._documents, passages=self._passages, terms=self._new.counts.terms)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        kept = [*self._old.kept, self._old.alone] if keep_old else self._old.kept
        self._new = self._new.model_copy(update={"counts": counts, "updated": now, "kept": kept})
        store.write_manifest(self._new)
        drop_other_generations(store, self._new)
        self._done("total", time.perf_counter() - started)
        seconds = {stage: round(value, 3) for stage, value in self._seconds.items()}
        return Built(self._new, self._taken_over, tokens_sent(self._encoder), seconds)

    def overtaken(self) -> bool:
        """Whether the corpus is no more what it was when this began."""
        return self._store.read_manifest(self._old.corpus) != self._old

    # -- what the points are made from ---------------------------------------------------------
    def _fitted(self) -> tuple[Iterable[Block], LexicalEncoder]:
        """Every block, counted and waiting in a file, and the encoder over the new fit, which is written first."""
        started = time.perf_counter()
        spool, fitter = Spool(), Fitter(self._new)
        self._stack.callback(spool.close)
        self._stack.callback(fitter.close)
        for block in self._cut(fitter):
            fitter.keep(block)
            spool.append(block)
            self._progress("read", spool.documents, self._old.counts.documents)
        self._done("read", time.perf_counter() - started, spool)
        started = time.perf_counter()
        self._progress("fit", 0, None)
        self._new, lexical = write_fit(fitter, self._store, self._new)
        self._done("fit", time.perf_counter() - started, spool)
        self._passages = spool.passages
        return spool, lexical

    def _streamed(self) -> Iterator[Block]:
        """Every block as it is read, without those that an earlier run finished."""
        if self._plan.resplit:
            yield from self._cut(None)
            return
        for documents in in_blocks(self._left(stored_documents(self._store, self._old, titles=self._new.titles))):
            yield unanalysed(documents)

    def _cut(self, fitter: Fitter | None) -> Iterator[Block]:
        """The documents, cut anew if that is wanted, and counted for the fit if there is one."""
        resplit, sentences = self._plan.resplit, fitter is not None
        documents = stored_documents(self._store, self._old, with_passages=not resplit, titles=self._new.titles)
        if not self._plan.refit:
            documents = self._left(documents)
        settings = BlockSettings.of(self._new, sentences=sentences)
        here = self._fill.here if self._fill is not None else None
        make = block_maker(self._new, here, sentences=sentences) if resplit else BlockMaker(settings)
        return self._pool.map(make, in_blocks(documents), fitter.counts if fitter is not None else None)

    def _left(self, documents: Iterator[Planned]) -> Iterator[Planned]:
        """The documents that an earlier run did not finish."""
        if not self._resumed:
            yield from documents
            return
        for batch in batched(documents, DOCUMENTS_BATCH):
            ids = [document_point_id(self._new.corpus, planned.document.id) for planned in batch]
            there = self._payloads(self._to(Shelf.DOCUMENTS), ids, ["hash", "passages", *_PLACE, SINCE_FIT])
            here = self._payloads(self._from(Shelf.DOCUMENTS), ids, [SINCE_FIT]) if self._same_fit else {}
            since = {point: payload.get(SINCE_FIT) for point, payload in here.items()}
            for point, planned in zip(ids, batch, strict=True):
                made = there.get(point)
                if made is None:
                    yield planned
                elif _is_made(made, planned) and made.get(SINCE_FIT) == since.get(point):
                    self._documents += 1
                    self._passages += int(made["passages"])
                    self._taken_over += int(made["passages"]) if self._encoded else 0
                else:
                    yield replace(planned, old_passages=int(made["passages"]))

    def _payloads(self, collection: str, ids: Sequence[str], keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        return {str(r.id): payload_of(r) for r in self._store.retrieve(collection, ids, payload=keys)}

    def _copy_terms(self) -> None:
        source, target = self._from(Shelf.TERMS), self._to(Shelf.TERMS)
        if self._resumed and self._store.collection_exists(target):
            if self._store.count(target) == self._store.count(source):
                return
            self._store.drop_collection(target)
        self._store.create_collection(target, self._new.term_spaces, self._new.term_storage)
        copy_points(self._store, source, target, self._new.term_spaces)

    # -- writing -------------------------------------------------------------------------------
    def _write(self, blocks: Iterable[Block], lexical: LexicalEncoder | None) -> None:
        plan = self._plan
        fitted = LEXICAL_SPACES if plan.refit else ()
        carried = CarriedVectors(
            self._store,
            self._old,
            self._new,
            copied=[name for name in plan.spaces if name not in self._encoded and name not in fitted],
            encoded=self._encoded,
            fill=self._encoder,
            resumed=self._resumed,
            same_fit=self._same_fit,
        )
        multi = any(space.kind is SpaceKind.MULTI for space in plan.spaces.values())
        target = Target(
            self._store,
            self._new.corpus,
            self._to(Shelf.PASSAGES),
            self._to(Shelf.DOCUMENTS),
            None,
            lexical,
            self._new.titles,
            resumed=self._resumed,
            carried=carried,
            batch=MULTI_BATCH if multi else BATCH_PASSAGES,
            float16=self._new.storage.datatype == "float16",
        )
        # How many there are is known unless they are cut anew as they are read.
        total = self._passages or (None if plan.resplit else self._old.counts.passages)
        self._passages = 0
        self._progress("encode", 0, total)
        for done, timings in write_documents(self._counted(blocks), target):
            self._progress("encode", done, total)
            self._seconds["encode"], self._seconds["write"] = timings.encode, timings.write
        for stage in ("encode", "write"):
            self._done(stage, self._seconds.get(stage, 0.0))
        self._taken_over += carried.taken_over

    def _counted(self, blocks: Iterable[Block]) -> Iterator[Block]:
        for block in blocks:
            self._documents += len(block.documents)
            self._passages += block.passages
            yield block

    def _finish(self) -> None:
        started = time.perf_counter()
        self._progress("optimize", 0, None)
        if self._resumed:
            # What an earlier run made and an ingest has removed since.
            made = self._to(Shelf.PASSAGES), self._to(Shelf.DOCUMENTS)
            remove_absent(self._store, self._new.corpus, *made, self._from(Shelf.DOCUMENTS))
        for shelf, count in zip(SHELVES, (self._passages, self._documents), strict=True):
            self._store.optimize(self._to(shelf))
            if self._store.count(self._to(shelf)) != count:
                raise changed(self._old.corpus)
        if self._store.count(self._from(Shelf.DOCUMENTS)) != self._documents:
            raise changed(self._old.corpus)
        self._done("optimize", time.perf_counter() - started)

    def _done(self, stage: str, seconds: float, of: Spool | None = None) -> None:
        """Tell of a stage that is done, with what was written so far, or of what it is."""
        self._seconds[stage] = seconds
        documents, passages = (self._documents, self._passages) if of is None else (of.documents, of.passages)
        counts = {"documents": documents, "passages": passages}
        log.info(stage, extra={"corpus": self._old.corpus, **counts, "seconds": round(seconds, 3)})

    def _from(self, shelf: Shelf) -> str:
        return collection_name(self._old.corpus, self._old.generation, shelf)

    def _to(self, shelf: Shelf) -> str:
        return collection_name(self._new.corpus, self._new.generation, shelf)


def _is_made(made: Mapping[str, Any], planned: Planned) -> bool:
    """Whether a document of the new generation is as it is in the old one, where an ingest may have moved it since."""
    document = planned.document
    return (made["hash"], *(made[key] for key in _PLACE)) == (planned.hash, document.source, document.position)
