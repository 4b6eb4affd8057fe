"""Corpora as single Parquet files: all three shelves with their vectors, to be moved between stores."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ingest.corpus import create_shelves, drop_beginnings, open_corpus
from ingest.exchange_agreement import Agreement
from ingest.exchange_manifest import check_manifest
from ingest.exchange_rows import check_columns, columns_of, points_of, rows_at_once, shelves_of, table_of
from ingest.exchange_seals import ROWS_KEY, RowDigest, check_seal, sealed
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
    A link is followed to the file that it names.

    Raises ``CorpusNotFound``, ``CorpusError`` for a changing corpus and an unfinished one of a server, and
    ``UsageError`` for a file that cannot be written, is a pipe or device, or that another export is writing.
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
        found = path.stat().st_mode
        if stat.S_ISDIR(found):
            raise UsageError(f"{path} is a folder; name a file in it.")
        if not stat.S_ISREG(found):
            raise UsageError(f"{path} is a pipe, a device or a socket, which an export would replace; name a file.")


def _write(store: Store, manifest: CorpusManifest, counts: Mapping[str, int], target: IO[bytes]) -> dict[str, int]:
    """Write all points to the file; gives how many of each shelf there were."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(columns_of(manifest.spaces.values()))
    written, digest = dict.fromkeys(counts, 0), RowDigest()
    settings: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}
    # Arrow's own copy of the schema would be all that readers look at for metadata, and it is written before the rows.
    with pq.ParquetWriter(target, schema, store_schema=False, **settings) as writer:
        for shelf, spaces in shelves_of(manifest).items():
            size = rows_at_once(manifest.spaces[name] for name in spaces)
            records = store.scroll(_collection(manifest, shelf), vectors=list(spaces), batch_size=size)
            for batch in batched(records, size):
                table = table_of(shelf, batch, manifest.spaces, schema)
                digest.add(table)
                writer.write_table(table)
                written[str(shelf)] += len(batch)
        writer.add_key_value_metadata(_metadata(manifest, counts, digest))
    return written


def import_corpus(file: str | Path, *, name: str | None = None, store: StoreLike = None) -> ExchangeReport:
    """Make a corpus of an exported file, under its own name or as ``name``; its manifest is written last.

    Every point's id must be the one that its payload derives, the checksums of pages, rows and manifest must
    fit, the manifest must agree with itself, and every point must be there once, with what a point of its
    shelf holds; under another name ids are derived anew. Rows of an earlier version, which wrote no checksum
    of them, must agree with one another. A run that fails removes what it made, and one that was killed leaves
    no corpus, and is made good by running it again.

    Raises ``InputError`` for a file that is no export or is damaged, and ``CorpusError`` where a corpus
    of that name stands.
    """
    started = time.perf_counter()
    path = Path(file)
    if name is not None:
        check_corpus_name(name)
    source, schema = _opened(path)
    with source, as_store(store) as opened:
        original, counts = _described(path, schema, source.metadata.num_rows)
        manifest = original.alone.model_copy(update={"corpus": name or original.corpus, "generation": 1})
        opened.hold(manifest.corpus, new=True)
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


def _opened(path: Path) -> tuple[Any, pa.Schema]:
    """The Parquet file and its schema; both are read from its footer, of which any byte may be spoilt."""
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    try:
        source = pq.ParquetFile(path, page_checksum_verification=True)
        return source, source.schema_arrow
    except (ArrowException, OSError, LookupError, ValueError, TypeError, ArithmeticError) as error:
        raise InputError(f"{path} is no Parquet file that can be read; give one made by `xunyi export`.") from error


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
    """``points_of``, with a sentence on the file whatever is wrong with it, at the end too."""
    from pyarrow import ArrowException

    told = (source.schema_arrow.metadata or {}).get(ROWS_KEY)
    digest, agreement = RowDigest(), None if told else Agreement(manifest)
    try:
        for shelf, batch in points_of(source, original, manifest, digest):
            if agreement is not None:
                agreement.add(shelf, batch)
            yield shelf, batch
        if agreement is not None:
            agreement.finish()
        elif digest.hexdigest().encode() != told:
            raise ValueError("its rows differ from their checksum")
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


def _metadata(manifest: CorpusManifest, counts: Mapping[str, int], digest: RowDigest) -> dict[bytes, bytes]:
    return sealed(
        {
            FORMAT_KEY: str(FORMAT).encode(),
            MANIFEST_KEY: manifest.model_dump_json().encode(),
            COUNTS_KEY: json.dumps(counts).encode(),
            ROWS_KEY: digest.hexdigest().encode(),
        }
    )


def _described(path: Path, schema: pa.Schema, rows: int) -> tuple[CorpusManifest, dict[str, int]]:
    """The corpus that the file holds, and how many points of each shelf; they must go with its columns and rows."""
    metadata = schema.metadata or {}
    try:
        check_seal(metadata)
    except ValueError as error:
        raise _damaged(path, error) from error
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
    try:
        check_manifest(manifest, counts)
    except ValueError as error:
        raise _damaged(path, error) from error
    return manifest, counts


def _damaged(path: Path, error: Exception) -> InputError:
    # What the store advises of a point is for whoever made it.
    why = str(error).partition("; ")[0] if isinstance(error, InvalidPoint) else str(error)
    short = " ".join(why.split())[:120].rstrip(".")
    return InputError(f"{path} is damaged ({short}); export the corpus again.")


def _other_points(path: Path) -> InputError:
    return InputError(f"{path} does not hold all points of its corpus once; export the corpus again.")
