"""One ingest, stage by stage; every stage is a function of another module."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from encoders.base import Encoder
from encoders.lexical import LexicalEncoder
from ingest.ahead import EncodingAhead, begin_ahead
from ingest.completion import completed, index
from ingest.corpus import create_shelves, drop_beginnings, new_manifest, require_agreement
from ingest.encoding import EncoderRecipe, encoder_for, encoders_of, tokens_sent
from ingest.executors import Executor
from ingest.fit import Fitter, write_fit
from ingest.mending import Losses, find_losses, short_documents
from ingest.naming import keep_names
from ingest.payloads import FieldTypes
from ingest.plan import Plan, Planner
from ingest.points import Target
from ingest.prune import Scope, gone_documents, remove_documents
from ingest.readers import Found, MetIds, ReadOptions, Source, told, with_heading
from ingest.reading import block_maker, documents_of, read_into, replacements_told, standing_documents
from ingest.rejects import RejectedFile
from ingest.spool import Spool
from ingest.write import write_documents
from schemas.documents import Document, Rejected
from schemas.errors import CorpusError, InputError
from schemas.ingest import (
    LEXICAL_SPACES,
    CorpusOptions,
    IngestReport,
    SourceReport,
)
from schemas.spaces import Shelf
from stores.base import Store, collection_name
from stores.lookup import StoreTermLookup

log = logging.getLogger("xunyi.ingest")

Progress = Callable[[str, int, int | None], None]
"""Called with a stage's name, how much of it is done, and how much there is, where that is known."""


class Run:
    """One ingest, its stages in order."""

    def __init__(
        self, store: Store, corpus: str, options: CorpusOptions, pool: Executor, progress: Progress, stack: ExitStack
    ) -> None:
        self._store = store
        self._corpus = corpus
        self._pool = pool
        self._progress = progress
        self._stack = stack
        self._seconds: dict[str, float] = {}
        self._encoded = self._taken_over = 0
        self._ahead: EncodingAhead | None = None
        self.rejected: RejectedFile | None = None
        self.prune = False
        self.dry_run = False
        self.paths: list[Path] = []
        self._gone: list[str] = []
        self._new_heading = False
        store.hold(corpus)
        found = store.read_manifest(corpus)
        self._warnings: list[str] = []
        self._losses = Losses() if found is None else find_losses(store, found)
        # What was lost is made good as what was cut off is.
        self._resumed = found is not None and (not found.complete or self._losses.any)
        if found is None:
            self._encoder: Encoder | None = encoder_for(options)
            self._manifest = new_manifest(corpus, options, self._encoder)
            store.check_storage(self._manifest.storage)
        else:
            require_agreement(found, options)
            self._manifest = found
            self._encoder = encoders_of(found, options)
        self._known = found is not None
        # A new corpus's manifest names the encoder as it turned out to be: elsewhere it must be the same.
        self._recipe = EncoderRecipe(self._manifest, options if self._known else replace(options, encoder=None))
        # Until the first ingest is whole, what it writes is what the fit was made on, cut off or not.
        self._fitted_before = found is not None and found.counts.documents > 0

    def run(self, found: Found, reading: ReadOptions, strict: bool) -> IngestReport:
        """Read and compare everything, then write what is new or changed; raises what ``ingest`` does."""
        started = time.perf_counter()
        named = keep_names(found.sources, self._store, self._standing)
        sources = self._with_heading(named.sources, reading.heading)
        fitter, makes_new = None, not self._known and not self.dry_run
        if makes_new and any(name in self._manifest.spaces for name in LEXICAL_SPACES):
            fitter = Fitter(self._manifest)
            self._stack.callback(fitter.close)
        fields = FieldTypes(self._manifest.payload_fields)
        spool = Spool()
        self._stack.callback(spool.close)
        if makes_new:
            self._ahead = begin_ahead(spool, self._encoder, self._pool, titles=self._manifest.titles)
        if self._ahead is not None:
            self._stack.callback(self._ahead.close)
        items = partial(documents_of, sources, reading, strict, unread=found.unread)
        plan = self._read(sources, items, spool, fields, fitter)
        self._warnings += replacements_told(plan.replaced, sources, named.heirs)
        if plan.documents == 0:
            raise InputError(
                f"{', '.join(str(s.path) for s in sources)}: no document could be read"
                + (f" ({plan.rejected} rejected; the first: {plan.rejected_rows[0].reason})" if plan.rejected else "")
                + ", so nothing was written; look at the file, or name its kind with --as."
            )
        if not self.dry_run and (plan.added or plan.changed or plan.removed or self._resumed):
            if self._encoder is not None:
                self._encoder = self._pool.encoder(self._encoder, self._recipe)
            self._require_still_new()
            try:
                lexical = self._lexical(fitter)
                self._write(spool, lexical, fields)
            except BaseException:
                if not self._known:
                    drop_beginnings(self._store, self._manifest)
                raise
        elif not self.dry_run and self._new_heading:
            self._store.write_manifest(self._manifest)
        self._seconds["total"] = time.perf_counter() - started
        self._warnings += told(found.passed_over, reading.kind)
        return self._report(sources, plan, found.passed_over)

    @property
    def _standing(self) -> str | None:
        """The collection of the documents that stand, None where there are none."""
        return self._collection(Shelf.DOCUMENTS) if self._known and not self._losses.documents_gone else None

    def _require_still_new(self) -> None:
        if not self._known:
            self._store.hold(self._corpus, new=True)
            if self._store.read_manifest(self._corpus) is not None:
                raise CorpusError(
                    f"Another command has made the corpus {self._corpus!r} meanwhile; run the same command again."
                )

    def _reading(self, done: int) -> None:
        self._progress("read", done, None)
        if self._ahead is not None:
            self._ahead.check()

    def _with_heading(self, sources: Sequence[Source], heading: str | None) -> Sequence[Source]:
        """The sources with the pattern of headings that was asked for, which is recorded, or else the recorded one."""
        wanted = self._manifest.heading if heading is None else heading or None
        self._new_heading = wanted != self._manifest.heading
        self._manifest = self._manifest.model_copy(update={"heading": wanted})
        return [with_heading(source, wanted) for source in sources]

    def _read(
        self,
        sources: Sequence[Source],
        items: Callable[[MetIds], Iterator[Document | Rejected]],
        spool: Spool,
        fields: FieldTypes,
        fitter: Fitter | None,
    ) -> Plan:
        planner = Planner(
            self._store,
            self._corpus,
            self._standing,
            titles=self._manifest.titles,
            rejected=self.rejected.add if self.rejected is not None else None,
            only_compare=self.dry_run,
            short=self._short if self._resumed else None,
        )
        met = MetIds(standing_documents(self._store, self._corpus, self._standing))
        self._stack.callback(met.close)
        times = read_into(
            spool,
            items(met),
            planner,
            block_maker(self._manifest, self._encoder, sentences=fitter is not None, beside=self._ahead is not None),
            self._pool,
            fields,
            fitter,
            self._reading,
        )
        if self.rejected is not None:
            self.rejected.commit()
        if planner.moved and not self.dry_run:
            planner.moved.record(self._store, self._collection(Shelf.DOCUMENTS))
        plan = planner.plan
        if plan.mended:
            done = "this makes them good" if not self.dry_run else "an ingest makes them good"
            self._warnings.append(f"{plan.mended:,} documents of {self._corpus!r} had lost passages; {done}.")
        if self.prune and self._known and plan.documents and not self._losses.documents_gone:
            scope = Scope([Path(source.path) for source in sources], self.paths, planner.plan.unsure)
            self._gone = gone_documents(self._store, self._collection(Shelf.DOCUMENTS), met, scope)
            plan.removed = len(self._gone)
        self._seconds["read"], self._seconds["fit"] = times.read, times.fit
        log.info(
            "read",
            extra={
                "corpus": self._corpus,
                "documents": plan.documents,
                "added": plan.added,
                "changed": plan.changed,
                "unchanged": plan.unchanged,
                "rejected": plan.rejected,
                "seconds": round(self._seconds["read"], 3),
            },
        )
        return plan

    def _short(self, recorded: Mapping[str, int]) -> set[str]:
        """Which of these documents have fewer passages than are recorded."""
        passages = None if self._losses.passages_gone else self._collection(Shelf.PASSAGES)
        return short_documents(self._store, self._corpus, passages, recorded)

    def _lexical(self, fitter: Fitter | None) -> LexicalEncoder | None:
        """The lexical encoder over the new fit, which is written first, or over the corpus's own."""
        if fitter is None:
            if not any(name in self._manifest.spaces for name in LEXICAL_SPACES):
                return None
            lookup = StoreTermLookup(self._store, self._corpus, self._collection(Shelf.TERMS))
            return LexicalEncoder(self._manifest, lookup)
        started = time.perf_counter()
        self._progress("fit", 0, None)
        # Without a manifest whatever stands under these names is the rest of a run that was cut off.
        for shelf in Shelf:
            self._store.drop_collection(self._collection(shelf))
        self._manifest, lexical = write_fit(fitter, self._store, self._manifest)
        self._seconds["fit"] += time.perf_counter() - started
        terms, seconds = self._manifest.counts.terms, round(self._seconds["fit"], 3)
        log.info("fit", extra={"corpus": self._corpus, "terms": terms, "seconds": seconds})
        return lexical

    def _write(self, spool: Spool, lexical: LexicalEncoder | None, fields: FieldTypes) -> None:
        self._manifest = self._manifest.model_copy(
            update={"complete": False, "payload_fields": fields.as_dict(), "updated": _now()}
        )
        create_shelves(self._store, self._manifest)
        self._store.write_manifest(self._manifest)
        target = Target(
            self._store,
            self._corpus,
            self._collection(Shelf.PASSAGES),
            self._collection(Shelf.DOCUMENTS),
            self._encoder,
            lexical,
            self._manifest.titles,
            self._resumed,
            self._fitted_before,
            ahead=self._ahead,
            float16=self._manifest.storage.datatype == "float16",
        )
        self._progress("encode", 0, spool.passages)
        for done, timings in write_documents(spool, target):
            self._progress("encode", done, spool.passages)
            self._seconds["encode"], self._seconds["write"] = timings.encode, timings.write
            if self._ahead is not None:
                self._seconds["encode"] += self._ahead.seconds - self._ahead.waited
            self._encoded, self._taken_over = timings.encoded, timings.taken_over
        self._log_stage("encode", spool.passages)
        self._log_stage("write", spool.passages)
        if self._gone:
            self._remove()
        started = time.perf_counter()
        self._progress("optimize", 0, None)
        # Not the vocabulary: it is fetched by id, and its words are few enough to be compared one by one.
        shelves = self._collection(Shelf.PASSAGES), self._collection(Shelf.DOCUMENTS)
        index(self._store, shelves)
        self._seconds["optimize"] = time.perf_counter() - started
        self._log_stage("optimize", spool.passages)
        self._manifest, missing = completed(
            self._store,
            self._manifest,
            shelves,
            fitted_before=self._fitted_before,
            losses=self._losses if self._resumed else None,
            removed=len(self._gone),
        )
        self._warnings += missing
        self._manifest = self._manifest.model_copy(update={"updated": _now()})
        self._store.write_manifest(self._manifest)

    def _remove(self) -> None:
        started = time.perf_counter()
        shelves = self._collection(Shelf.PASSAGES), self._collection(Shelf.DOCUMENTS)
        for done in remove_documents(self._store, self._corpus, *shelves, self._gone):
            self._progress("prune", done, len(self._gone))
        self._seconds["prune"] = time.perf_counter() - started
        log.info("prune", extra={"corpus": self._corpus, "removed": len(self._gone)})

    def _log_stage(self, stage: str, passages: int) -> None:
        seconds = round(self._seconds.get(stage, 0.0), 3)
        log.info(stage, extra={"corpus": self._corpus, "passages": passages, "seconds": seconds})

    def _collection(self, shelf: Shelf) -> str:
        return collection_name(self._corpus, self._manifest.generation, shelf)

    def _report(self, sources: Sequence[Source], plan: Plan, passed_over: Mapping[str, int]) -> IngestReport:
        counts = self._manifest.counts
        return IngestReport(
            corpus=self._corpus,
            store=self._store.location,
            sources=[
                SourceReport(path=str(s.path), kind=s.kind, encoding=s.encoding or s.format, reason=s.reason)
                for s in sources
            ],
            documents=counts.documents + (plan.added - plan.removed if self.dry_run else 0),
            added=plan.added,
            changed=plan.changed,
            unchanged=plan.unchanged,
            passages=counts.passages,
            encoded=self._encoded,
            taken_over=self._taken_over,
            terms=counts.terms,
            rejected=plan.rejected,
            removed=plan.removed,
            not_pruned=sorted(plan.unsure) if self.prune else [],
            dry_run=self.dry_run,
            passed_over=dict(passed_over),
            warnings=self._warnings,
            tokens_sent=tokens_sent(self._encoder),
            rejected_file=str(self.rejected.path) if self.rejected is not None else None,
            rejected_rows=plan.rejected_rows,
            seconds={stage: round(value, 3) for stage, value in self._seconds.items()},
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
