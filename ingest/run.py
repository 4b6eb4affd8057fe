"""``ingest``: files to a corpus that can be searched. Every step is a function of another module."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from ingest.executors import ExecutorName, make_executor
from ingest.readers import ReadOptions, find_sources
from ingest.rejects import RejectedFile
from ingest.stages import Progress, Run
from schemas.errors import UsageError
from schemas.ingest import CorpusOptions, IngestReport, checked_options
from schemas.names import check_corpus_name
from stores.memory import large_pieces_apart
from stores.opening import StoreLike, as_store


def ingest(
    paths: str | Path | Iterable[str | Path],
    corpus: str,
    *,
    store: StoreLike = None,
    reading: ReadOptions | None = None,
    options: CorpusOptions | None = None,
    strict: bool = False,
    progress: Progress | None = None,
    rejected: str | Path | None = None,
    prune: bool = False,
    dry_run: bool = False,
    workers: int = 0,
    executor: ExecutorName = "local",
    encoder_workers: int | None = None,
    ray_address: str | None = None,
) -> IngestReport:
    """Read files into the corpus ``corpus``, making it where there is none.

    ``store`` is a folder, a URL or an open store (default: ``XUNYI_STORE``, else a folder of the
    user's own). All input is read and checked before anything is written. Documents that stand
    unchanged are passed over, so that a second run, or one after a crash, does only what is left.

    Of several files, books that cannot be read are set aside as bad rows are. ``rejected`` is a JSONL file
    for every row set aside: source, line (none for a whole file), reason and the whole row. ``prune``
    removes documents that came from one of ``paths`` and that the run did not meet, after all files
    were read to their end; of a file with rows set aside, or that is set aside itself, none, since they may be there.
    ``dry_run`` compares and reports, and writes nothing to the store. ``workers`` processes split,
    segment and count (0: this one does); the points are the same whatever their number, and with
    ``executor="ray"``, where Ray's workers do that and ``encoder_workers`` of its actors encode (by
    default one a GPU, and without GPUs one a machine): those of the cluster at ``ray_address``, or of
    this machine (docs/scaling.md). With glibc, what this process frees in large pieces goes back to the
    system at once from here on (``large_pieces_apart``).

    Raises ``UsageError`` for a bad name, ``InputError`` for files that cannot be read (or hold
    nothing), ``RowError`` for the first bad row if ``strict``, ``EncoderMismatch`` where the
    corpus was made by another encoder, and ``StoreError`` where the store refuses.
    """
    check_corpus_name(corpus)
    reading = reading or ReadOptions()
    options = checked_options(options)
    if not isinstance(paths, str | Path) and (hasattr(paths, "columns") or not isinstance(paths, Iterable)):
        raise UsageError(
            f"paths is a {type(paths).__name__}; write a table to a file (CSV, Parquet) and give its path."
        )
    named = [_path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    found = find_sources(named, reading, strict=strict)
    large_pieces_apart()
    with ExitStack() as stack:
        opened = stack.enter_context(as_store(store))
        pool = make_executor(workers, executor, encoder_workers=encoder_workers, ray_address=ray_address)
        stack.callback(pool.close)
        run = Run(opened, corpus, options, pool, progress or (lambda *_: None), stack)
        if rejected is not None:
            run.rejected = RejectedFile(
                Path(rejected), [*(s.path for s in found.sources), *(Path(r.source) for r in found.unread)]
            )
            stack.callback(run.rejected.close)
        run.prune, run.dry_run, run.paths = prune, dry_run, named
        return run.run(found, reading, strict)


def _path(path: str | Path) -> Path:
    if not isinstance(path, str | Path):
        raise UsageError(f"A path is a {type(path).__name__}; give files or folders, and tables as a file.")
    if path == "":
        raise UsageError("A path is empty; give a file or a folder ('.' is the one that you are in).")
    return Path(path)


__all__ = ["Progress", "ingest"]
