"""The reading pass: files to blocks of what is new or changed, which wait in the spool; counting terms on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from encoders.base import Encoder
from ingest.blocks import BlockMaker, BlockSettings, Planned, in_blocks
from ingest.encoding import counter_beside
from ingest.executors import Executor
from ingest.fit import Fitter
from ingest.moved import places
from ingest.payloads import FieldTypes
from ingest.plan import Planner
from ingest.readers import MetIds, ReadOptions, Source, read
from ingest.readers.met_ids import Standing, StandingDocuments
from ingest.spool import Spool
from schemas.documents import Document, Rejected
from schemas.errors import RowError
from schemas.ids import document_point_id
from schemas.manifest import CorpusManifest
from schemas.payload_paths import META
from stores.base import Store


@dataclass(slots=True)
class ReadingTimes:
    """Seconds of the reading pass: of reading and comparing, and of waiting for blocks and counting them."""

    read: float = 0.0
    fit: float = 0.0


def block_maker(
    manifest: CorpusManifest, encoder: Encoder | None, *, sentences: bool, beside: bool = False
) -> BlockMaker:
    """What makes a corpus's blocks: split by its encoder's tokens, or by the estimate where none counted.

    ``beside``: the encoder is at work meanwhile, so that only one that can do both counts its tokens itself.
    """
    settings = BlockSettings.of(manifest, sentences=sentences)
    if encoder is None or manifest.splitter.counter != "encoder":
        return BlockMaker(settings, manifest.splitter.max_tokens)
    count = counter_beside(encoder) if beside else encoder.count_tokens
    return BlockMaker(settings, manifest.splitter.max_tokens, count, encoder.identity)


def read_into(
    spool: Spool,
    items: Iterator[Document | Rejected],
    planner: Planner,
    make: BlockMaker,
    executor: Executor,
    fields: FieldTypes,
    fitter: Fitter | None,
    progress: Callable[[int], None],
) -> ReadingTimes:
    """Read to the end: what the planner hands on is split and counted by ``executor`` and put into the spool."""
    times = ReadingTimes()

    def planned() -> Iterator[Planned]:
        start = time.perf_counter()
        for one in planner.run(items, progress):
            fields.add(one.document.payload)
            times.read += time.perf_counter() - start
            yield one
            start = time.perf_counter()
        times.read += time.perf_counter() - start

    begin = time.perf_counter()
    counts = fitter.counts if fitter is not None else None
    for block in executor.map(make, in_blocks(planned()), counts):
        if fitter is not None:
            fitter.keep(block)
        spool.append(block)
    spool.end()
    times.fit = time.perf_counter() - begin - times.read
    return times


def documents_of(
    sources: Sequence[Source], reading: ReadOptions, strict: bool, met: MetIds, unread: Sequence[Rejected] = ()
) -> Iterator[Document | Rejected]:
    """The files ``unread``, then all documents of all sources.

    An id met twice anywhere in the run is set aside; all are noted in ``met``.
    """
    yield from unread
    for source in sources:
        for item in read(source, reading, met):
            if strict and isinstance(item, Rejected):
                where = f"{item.source}, line {item.line}" if item.line else item.source
                raise RowError(f"{where}: {item.reason.rstrip('.')}; mend it, or leave out --strict to set it aside.")
            yield item


def standing_documents(store: Store, corpus: str, documents: str | None) -> StandingDocuments | None:
    """Gives what stands under some ids in the collection ``documents``; None where there is no such."""
    if documents is None:
        return None
    real = cache(lambda source: str(places(source)[1]))

    def standing(ids: Sequence[str]) -> Mapping[str, Standing]:
        points = [document_point_id(corpus, one) for one in dict.fromkeys(ids)]
        records = store.retrieve(documents, points, payload=["document_id", "source", META])
        payloads = [record.payload or {} for record in records]
        return {p["document_id"]: Standing(real(p["source"]), (p.get(META) or {}).get("address")) for p in payloads}

    return standing


def replacements_told(
    replaced: Mapping[tuple[str, str], int], sources: Sequence[Source], heirs: Mapping[str, str]
) -> list[str]:
    """Warnings of documents that stood under another source and are now as a file of this run has them.

    ``heirs`` has the files that took the prefix of one that is gone. Hotels in tables without ids and addresses are
    known by their names alone, so that those of another file may be others.
    """
    names_alone = {source.recorded for source in sources if _has_names_alone(source)}
    told = []
    for (old, new), count in sorted(replaced.items()):
        if heirs.get(new) == old:
            told.append(
                f"{count:,} documents of {old}, which is not there any more, are now as {new} has them; "
                f"if both are wanted, ingest {old} again from where it is."
            )
        elif new in names_alone:
            told.append(
                f"{count:,} documents of {old} are now as {new} has them, since their names are the same; if they are "
                f"other hotels, give both tables a column of ids or addresses and ingest them again."
            )
    return told


def _has_names_alone(source: Source) -> bool:
    return source.kind == "hotels" and source.columns.keys().isdisjoint(("id", "address"))
