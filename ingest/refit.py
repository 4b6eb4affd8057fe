"""Fitting TF-IDF and Word2Vec anew over what a corpus holds, beside the model that is in use."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from qdrant_client import models

from encoders.lexical import LexicalEncoder
from ingest.blocks import Block, BlockMaker, BlockSettings, Planned, in_blocks
from ingest.copying import stored_vectors
from ingest.corpus import create_shelves
from ingest.fit import Fitter, write_terms
from ingest.payloads import META
from ingest.plan import batched
from ingest.rebuild import drop_other_generations, unfinished
from ingest.run import Progress
from ingest.spool import Spool
from ingest.staleness import SINCE_FIT, stale_share
from ingest.write import slices
from schemas.documents import Document, Passage
from schemas.errors import CorpusError, CorpusNotFound, StoreDamaged
from schemas.ids import document_point_id, passage_point_id
from schemas.ingest import LEXICAL_SPACES
from schemas.manifest import CorpusManifest, Counts
from schemas.names import check_corpus_name
from schemas.spaces import PointBatch, Shelf, VectorBatch
from stores.base import Store, collection_name
from stores.opening import open_store

DOCUMENTS_BATCH = 64
"""Documents whose passages are fetched together."""

log = logging.getLogger("xunyi.refit")


class RefitReport(BaseModel):
    """What a refit did. ``stale_documents`` and ``stale_share`` say how far the old fit had been left behind."""

    model_config = ConfigDict(frozen=True)

    corpus: str
    store: str
    generation: int
    documents: int
    passages: int
    terms_before: int
    terms: int
    stale_documents: int
    stale_share: float
    kept_old: bool
    seconds: dict[str, float]


def refit(
    corpus: str, *, store: str | Store | None = None, keep_old: bool = False, progress: Progress | None = None
) -> RefitReport:
    """Fit the lexical spaces of ``corpus`` again; every other vector is copied as it is.

    A new generation is built beside the old one, and the manifest moves to it in one step: a search
    meets one model or the other, and a crash before that step leaves the old one in use. What such a
    crash leaves is removed by the next refit. With ``keep_old`` the old generation stays until then.

    Raises ``CorpusNotFound``, and ``CorpusError`` for a corpus without lexical spaces, with an
    unfinished ingest, or one that changed meanwhile.
    """
    check_corpus_name(corpus)
    with ExitStack() as stack:
        opened = stack.enter_context(open_store(store)) if store is None or isinstance(store, str) else store
        manifest = opened.read_manifest(corpus)
        if manifest is None:
            raise CorpusNotFound(f"{opened.location} has no corpus {corpus!r}; see `xunyi corpora list`.")
        if not any(name in manifest.spaces for name in LEXICAL_SPACES):
            raise CorpusError(f"The corpus {corpus!r} has no lexical space (tfidf, word2vec), so there is no fit.")
        if not manifest.complete:
            raise CorpusError(f"The ingest of {corpus!r} is unfinished; run it again first, then refit.")
        if unfinished(opened, manifest):
            raise CorpusError(
                f"A change of the spaces of {corpus!r} is unfinished, and a refit would lose it: run that first, or "
                f"give it up with: xunyi spaces remove {corpus} --unfinished"
            )
        return _Refit(opened, manifest, progress or (lambda *_: None), stack).run(keep_old)


class _Refit:
    def __init__(self, store: Store, manifest: CorpusManifest, progress: Progress, stack: ExitStack) -> None:
        self._store = store
        self._old = manifest
        self._new = manifest.model_copy(update={"generation": manifest.generation + 1, "rebuild": None})
        self._progress = progress
        self._stack = stack
        self._seconds: dict[str, float] = {}

    def run(self, keep_old: bool) -> RefitReport:
        started = time.perf_counter()
        drop_other_generations(self._store, self._old)
        spool = Spool()
        self._stack.callback(spool.close)
        lexical = self._fit(spool)
        self._copy(spool, lexical)
        if self._store.read_manifest(self._old.corpus) != self._old:
            raise CorpusError(f"The corpus {self._old.corpus!r} changed during the refit; run it again.")
        self._store.write_manifest(self._new)
        if not keep_old:
            drop_other_generations(self._store, self._new)
        self._seconds["total"] = time.perf_counter() - started
        documents, share = stale_share(self._old.fit)
        counts = self._new.counts
        return RefitReport(
            corpus=self._new.corpus,
            store=self._store.location,
            generation=self._new.generation,
            documents=counts.documents,
            passages=counts.passages,
            terms_before=self._old.counts.terms,
            terms=counts.terms,
            stale_documents=documents,
            stale_share=round(share, 4),
            kept_old=keep_old,
            seconds={stage: round(value, 3) for stage, value in self._seconds.items()},
        )

    def _fit(self, spool: Spool) -> LexicalEncoder:
        started = time.perf_counter()
        manifest = self._new
        fitter = Fitter(manifest)
        self._stack.callback(fitter.close)
        make = BlockMaker(BlockSettings.of(manifest, sentences=True))
        for documents in in_blocks(self._documents()):
            block = make(documents)
            fitter.add(block)
            spool.append(block)
            self._progress("read", spool.documents, self._old.counts.documents)
        self._seconds["read"] = time.perf_counter() - started
        started = time.perf_counter()
        self._progress("fit", 0, None)
        spaces = manifest.term_spaces
        terms = self._collection(self._new, Shelf.TERMS)
        self._store.create_collection(terms, spaces, self._new.storage)
        vocabulary = fitter.finish(lambda found: write_terms(self._store, terms, manifest.corpus, found, spaces))
        self._seconds["fit"] = time.perf_counter() - started
        log.info("fit", extra={"corpus": manifest.corpus, "terms": len(vocabulary), "passages": spool.passages})
        counts = Counts(documents=spool.documents, passages=spool.passages, terms=len(vocabulary))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._new = manifest.model_copy(update={"fit": vocabulary.stats, "counts": counts, "updated": now})
        return LexicalEncoder(self._new, vocabulary)

    def _documents(self) -> Iterator[Planned]:
        """Every document with its passages, from the shelves in use."""
        documents = self._collection(self._old, Shelf.DOCUMENTS)
        passages = self._collection(self._old, Shelf.PASSAGES)
        corpus = self._old.corpus
        for batch in batched(self._store.scroll(documents, batch_size=DOCUMENTS_BATCH), DOCUMENTS_BATCH):
            payloads = [_payload(record) for record in batch]
            wanted = [
                passage_point_id(corpus, payload["document_id"], position)
                for payload in payloads
                for position in range(int(payload["passages"]))
            ]
            fields = ["position", "start", "end", "text"]
            found = {
                str(record.id): _payload(record) for record in self._store.retrieve(passages, wanted, payload=fields)
            }
            if len(found) < len(wanted):
                raise StoreDamaged(
                    f"{self._store.location}: {len(wanted) - len(found)} passages of {corpus!r} are missing; "
                    f"ingest its files into a new corpus."
                )
            at = 0
            for payload in payloads:
                name, count = str(payload["document_id"]), int(payload["passages"])
                document = Document(name, str(payload["title"]), str(payload["text"]), "", "")
                own = [found[point] for point in wanted[at : at + count]]
                at += count
                parts = [Passage(name, p["position"], p["start"], p["end"], p["text"]) for p in own]
                yield Planned(document, parts, "")

    def _copy(self, spool: Spool, lexical: LexicalEncoder) -> None:
        started = time.perf_counter()
        create_shelves(self._store, self._new)
        shelves = Shelf.PASSAGES, Shelf.DOCUMENTS
        for field, kind in self._new.payload_fields.items():
            for shelf in shelves:
                self._store.create_payload_index(self._collection(self._new, shelf), f"{META}.{field}", kind)  # type: ignore[arg-type]
        done = 0
        for block in spool:
            self._copy_block(block, lexical)
            done += block.passages
            self._progress("encode", done, spool.passages)
        self._seconds["encode"] = time.perf_counter() - started
        started = time.perf_counter()
        self._progress("optimize", 0, None)
        for shelf in shelves:
            name = self._collection(self._new, shelf)
            self._store.optimize(name)
            if self._store.count(name) != self._store.count(self._collection(self._old, shelf)):
                raise CorpusError(f"The corpus {self._old.corpus!r} changed during the refit; run it again.")
        self._seconds["optimize"] = time.perf_counter() - started
        log.info("encode", extra={"corpus": self._new.corpus, "passages": done, "seconds": self._seconds["encode"]})

    def _copy_block(self, block: Block, lexical: LexicalEncoder) -> None:
        corpus = self._new.corpus
        vectors = lexical.encode_bags(block.features, block.words)
        for batch in slices(block):
            names = [(part.planned.document.id, passage.position) for part in batch for passage in part.passages]
            rows = range(batch[0].row, batch[0].row + len(names))
            self._write(Shelf.PASSAGES, [passage_point_id(corpus, *name) for name in names], vectors, rows)
            finished = [part for part in batch if part.last]
            ids = [document_point_id(corpus, part.planned.document.id) for part in finished]
            self._write(Shelf.DOCUMENTS, ids, vectors, [part.document_row for part in finished])

    def _write(self, shelf: Shelf, ids: list[str], lexical: dict[str, VectorBatch], rows: Sequence[int]) -> None:
        """The points as they stand in the old generation, with these rows of the new lexical vectors."""
        if not ids:
            return
        there = self._new.document_spaces if shelf is Shelf.DOCUMENTS else self._new.spaces.values()
        kept = {space.name: space for space in there if space.name not in LEXICAL_SPACES}
        records = self._store.retrieve(self._collection(self._old, shelf), ids, vectors=list(kept))
        if len(records) < len(ids):
            raise CorpusError(f"The corpus {self._old.corpus!r} changed during the refit; run it again.")
        fresh: dict[str, Any] = {name: found[list(rows)] for name, found in lexical.items()}  # type: ignore[call-overload]
        payloads = [{key: value for key, value in _payload(r).items() if key != SINCE_FIT} for r in records]
        batch = PointBatch(ids, payloads, {**stored_vectors(records, kept), **fresh})
        self._store.upsert(self._collection(self._new, shelf), batch)

    @staticmethod
    def _collection(manifest: CorpusManifest, shelf: Shelf) -> str:
        return collection_name(manifest.corpus, manifest.generation, shelf)


def _payload(record: models.Record) -> dict[str, Any]:
    return dict(record.payload or {})
