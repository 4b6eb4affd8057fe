"""Corpora as single Parquet files: all three shelves with their vectors, to be moved between stores."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ingest.corpus import create_shelves, drop_beginnings, open_corpus
from ingest.exchange_rows import check_columns, columns_of, points_of, rows_at_once, shelves_of, table_of
from ingest.plan import batched
from schemas.errors import CorpusError, InputError, InvalidPoint, UsageError
from schemas.manifest import CorpusManifest
from schemas.names import check_corpus_name
from schemas.spaces import Shelf
from stores.base import Store, collection_name
from stores.embedded import EdgeStore
from stores.files import replace_alone
from stores.opening import StoreLike, as_store

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
MANIFEST_KEY, COUNTS_KEY, FORMAT_KEY = b"xunyi.manifest", b"xunyi.counts", b"xunyi.format"

_COUNTS = TypeAdapter(dict[str, Annotated[int, Field(ge=0, strict=True)]])


class ExchangeReport(BaseModel):
    """What was written or read: points by shelf, and the size of the file.

    ``unfinished``: the corpus's last ingest was cut off. It is to be run again, here or where the file goes.
    """

    model_config = ConfigDict(frozen=True)

    corpus: str
    store: str
    file: str
    bytes: int
    points: dict[str, int]
    seconds: float
    unfinished: bool = False


def export_corpus(corpus: str, file: str | Path, *, store: StoreLike = None) -> ExchangeReport:
    """Write a corpus to a Parquet file, which appears under its name when it is whole.

    An unfinished corpus of an embedded store goes out as it is, to be finished elsewhere by the same ingest:
    that is how one gets away from a full disk. Of a server's none does, where that ingest may be under way.

    Raises ``CorpusNotFound``, ``CorpusError`` for a changing corpus and an unfinished one of a server, and
    ``UsageError`` for a file that cannot be written or that another export is writing.
    """
    started = time.perf_counter()
    path = Path(file)
    _check_target(path)
    with ExitStack() as stack:
        opened, manifest = open_corpus(stack, corpus, store)
        # The end of an ingest is seen by the manifest, its middle is not; an embedded store has one owner.
        if not manifest.complete and not isinstance(opened, EdgeStore):
            raise CorpusError(f"The ingest of {corpus!r} is unfinished; run it again first, then export.")
        counts = {str(shelf): opened.count(_collection(manifest, shelf)) for shelf in shelves_of(manifest)}
        try:
            with replace_alone(path) as target:
                written = _write(opened, manifest, counts, target)
                if written != counts or opened.read_manifest(corpus) != manifest:
                    raise CorpusError(f"The corpus {corpus!r} changed during the export; run it again.")
        except BlockingIOError as error:
            raise UsageError(f"{path} is being written by another export; let it end, or name another file.") from error
        except OSError as error:
            raise UsageError(f"{path} cannot be written ({error.strerror or error}); name another file.") from error
        return ExchangeReport(
            corpus=corpus,
            store=opened.location,
            file=str(path),
            bytes=path.stat().st_size,
            points=written,
            seconds=round(time.perf_counter() - started, 3),
            unfinished=not manifest.complete,
        )


def _check_target(path: Path) -> None:
    # What the system does not even look at it refuses to write, with the reason.
    with suppress(OSError):
        if not path.parent.is_dir():
            why = "is no folder; name" if path.parent.exists() else "is not there; make the folder, or name"
            raise UsageError(f"{path} cannot be written, since {path.parent} {why} another file.")
        if path.is_dir():
            raise UsageError(f"{path} is a folder; name a file in it.")


def _write(store: Store, manifest: CorpusManifest, counts: Mapping[str, int], target: IO[bytes]) -> dict[str, int]:
    """Write all points to the file; gives how many of each shelf there were."""
    import pyarrow.parquet as pq

    schema = _schema(manifest, counts)
    written = dict.fromkeys(counts, 0)
    with pq.ParquetWriter(target, schema, compression="zstd", write_page_checksum=True) as writer:
        for shelf, spaces in shelves_of(manifest).items():
            size = rows_at_once(manifest.spaces[name] for name in spaces)
            records = store.scroll(_collection(manifest, shelf), vectors=list(spaces), batch_size=size)
            for batch in batched(records, size):
                writer.write_table(table_of(shelf, batch, manifest.spaces, schema))
                written[str(shelf)] += len(batch)
    return written


def import_corpus(file: str | Path, *, name: str | None = None, store: StoreLike = None) -> ExchangeReport:
    """Make a corpus of an exported file, under its own name or as ``name``; its manifest is written last.

    Every point's id must be the one that its payload derives, every page's checksum must fit, and every
    point must be there once, with what a point of its shelf holds; under another name ids are derived
    anew. A run that fails removes what it made, and one that was killed leaves no corpus, and is made
    good by running it again.

    Raises ``InputError`` for a file that is no export or is damaged, and ``CorpusError`` where a corpus
    of that name stands.
    """
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    started = time.perf_counter()
    path = Path(file)
    if name is not None:
        check_corpus_name(name)
    try:
        source = pq.ParquetFile(path, page_checksum_verification=True)
    except (OSError, ArrowException) as error:
        raise InputError(f"{path} is no Parquet file that can be read; give one made by `xunyi export`.") from error
    with source, as_store(store) as opened:
        original, counts = _described(path, source.schema_arrow, source.metadata.num_rows)
        manifest = original.alone.model_copy(update={"corpus": name or original.corpus, "generation": 1})
        if opened.read_manifest(manifest.corpus) is not None:
            raise CorpusError(
                f"{opened.location} has a corpus {manifest.corpus!r} already; delete it, or import with --as-corpus."
            )
        try:
            _fill(opened, source, original, manifest, path, counts)
            for shelf in (Shelf.PASSAGES, Shelf.DOCUMENTS):
                opened.optimize(_collection(manifest, shelf))
            opened.write_manifest(manifest)
        except BaseException:
            drop_beginnings(opened, manifest)
            raise
        return ExchangeReport(
            corpus=manifest.corpus,
            store=opened.location,
            file=str(path),
            bytes=path.stat().st_size,
            points=counts,
            seconds=round(time.perf_counter() - started, 3),
            unfinished=not manifest.complete,
        )


def _fill(
    store: Store,
    source: Any,
    original: CorpusManifest,
    manifest: CorpusManifest,
    path: Path,
    counts: Mapping[str, int],
) -> None:
    """Make the shelves and write all points, of which there must be as many as ``counts`` says."""
    _prepare(store, manifest)
    read = dict.fromkeys(counts, 0)
    for shelf, batch in _points(source, original, manifest, path):
        read[str(shelf)] += len(batch)
        try:
            store.upsert(_collection(manifest, shelf), batch)
        except InvalidPoint as error:
            raise _damaged(path, error) from error
    # As many rows as points, but fewer points: one came twice, and another not at all.
    if read != counts or any(store.count(_collection(manifest, Shelf(shelf))) != counts[shelf] for shelf in counts):
        raise _other_points(path)


def _points(source: Any, original: CorpusManifest, manifest: CorpusManifest, path: Path) -> Iterator[Any]:
    """``points_of``, with a sentence on the file whatever is wrong with it."""
    from pyarrow import ArrowException

    try:
        yield from points_of(source, original, manifest)
    except (ArrowException, OSError, LookupError, ValueError, TypeError, ArithmeticError, InvalidPoint) as error:
        raise _damaged(path, error) from error


def _collection(manifest: CorpusManifest, shelf: Shelf) -> str:
    return collection_name(manifest.corpus, manifest.generation, shelf)


def _prepare(store: Store, manifest: CorpusManifest) -> None:
    # Without a manifest whatever stands under these names is the rest of a run that was cut off.
    for shelf in Shelf:
        store.drop_collection(_collection(manifest, shelf))
    create_shelves(store, manifest)
    if Shelf.TERMS in shelves_of(manifest):
        store.create_collection(_collection(manifest, Shelf.TERMS), manifest.term_spaces, manifest.term_storage)


def _schema(manifest: CorpusManifest, counts: Mapping[str, int]) -> pa.Schema:
    import pyarrow as pa

    metadata = {
        FORMAT_KEY: str(FORMAT),
        MANIFEST_KEY: manifest.model_dump_json(),
        COUNTS_KEY: json.dumps(counts),
    }
    return pa.schema(columns_of(manifest.spaces.values()), metadata=metadata)


def _described(path: Path, schema: pa.Schema, rows: int) -> tuple[CorpusManifest, dict[str, int]]:
    """The corpus that the file holds, and how many points of each shelf; they must go with its columns and rows."""
    metadata = schema.metadata or {}
    if MANIFEST_KEY not in metadata or COUNTS_KEY not in metadata:
        raise InputError(f"{path} was not made by `xunyi export`; read it with `xunyi ingest` as a table.")
    if metadata.get(FORMAT_KEY) != str(FORMAT).encode():
        raise InputError(f"{path} is of a later format than {FORMAT}; import it with a newer version.")
    try:
        manifest = CorpusManifest.model_validate_json(metadata[MANIFEST_KEY])
        counts = _COUNTS.validate_json(metadata[COUNTS_KEY])
        check_corpus_name(manifest.corpus)
    except (ValueError, UsageError) as error:
        raise InputError(f"{path} does not say what corpus it holds; export the corpus again.") from error
    try:
        check_columns(schema, manifest.spaces)
    except ValueError as error:
        raise _damaged(path, error) from error
    if counts.keys() != set(map(str, shelves_of(manifest))) or sum(counts.values()) != rows:
        raise _other_points(path)
    return manifest, counts


def _damaged(path: Path, error: Exception) -> InputError:
    # What the store advises of a point is for whoever made it.
    why = str(error).partition("; ")[0] if isinstance(error, InvalidPoint) else str(error)
    short = " ".join(why.split())[:120].rstrip(".")
    return InputError(f"{path} is damaged ({short}); export the corpus again.")


def _other_points(path: Path) -> InputError:
    return InputError(f"{path} does not hold all points of its corpus once; export the corpus again.")
