"""Checks an embedded store: its mark, each corpus that nobody else holds, and what crashes left of snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from schemas.errors import StoreError, StoreLocked, XunyiError
from schemas.manifest import CorpusManifest
from schemas.spaces import Shelf
from stores.base import collection_name
from stores.doctor_collections import check_collection, generation_of, shelf_of
from stores.edge_errors import files
from stores.edge_folder import LOCK, MANIFEST, MARK, write_mark
from stores.edge_snapshots import FOLDER, snapshot_leftovers, snapshot_names
from stores.embedded import EdgeStore
from stores.files import leftovers, remove
from stores.health import Finding, StoreHealth
from stores.locking import FolderLock

__all__ = ["Finding", "StoreHealth", "check_store"]

TIMEOUT = 600.0
"""Seconds that opening and reading one part of a collection may take: 100,000 points take a second or two."""

LOCK_WAIT = 1.0
"""Seconds to wait for another process to leave a corpus."""


def check_store(
    folder: Path, *, repair: bool = False, timeout: float = TIMEOUT, lock_wait: float = LOCK_WAIT
) -> StoreHealth:
    """Open every collection below ``folder``, read every point, and mend what can be mended if ``repair``.

    Each corpus is held meanwhile; one that another process holds is named in ``in_use`` and left alone, since
    opening the engine's files under it would damage what it writes. How a collection is mended is told in
    ``stores.doctor_collections``; besides, leftovers of crashes are removed, and the store's mark is written again.

    Raises ``StoreError`` where ``folder`` is no store.
    """
    if not folder.is_dir():
        raise StoreError(f"{folder} is no folder; give --store the folder of an embedded store.")
    health = StoreHealth(store=str(folder))
    store = EdgeStore(folder)
    with files(folder):
        _check_mark(folder, health, repair)
        corpora = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        for corpus in corpora:
            if not any(any(corpus.glob(name)) for name in (MANIFEST, LOCK, "g*.*")):
                health.note(corpus, "holds nothing of a corpus; remove it, or move it out of the store")
                continue
            with _held(corpus, health, lock_wait) as held:
                if held:
                    _check_corpus(store, corpus, health, repair, timeout)
                    _check_snapshots(folder / FOLDER / corpus.name, health, repair)
        # Without a corpus nobody can be making a snapshot of it.
        for snapshots in sorted((folder / FOLDER).glob("*")):
            if folder / snapshots.name not in corpora:
                _check_snapshots(snapshots, health, repair)
    return health


@contextmanager
def _held(corpus: Path, health: StoreHealth, wait: float) -> Iterator[bool]:
    """Whether the corpus is this process's for as long as the block takes; who holds it else is noted."""
    lock = FolderLock(corpus / LOCK, wait)
    try:
        lock.acquire()
    except StoreLocked as error:
        health.in_use[corpus.name] = str(error)
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
        with suppress(OSError):  # a corpus: only what holds nothing any more goes
            corpus.rmdir()


def _check_mark(folder: Path, health: StoreHealth, repair: bool) -> None:
    if (folder / MARK).exists() or not any(folder.glob("*/manifest.json")):
        return
    problem = "is gone, which marks the folder as a store"
    if repair:
        write_mark(folder)
        health.add(folder / MARK, problem, "written again")
    else:
        health.add(folder / MARK, f"{problem}; the next ingest or search writes it again, and so does --repair")


def _check_corpus(store: EdgeStore, corpus: Path, health: StoreHealth, repair: bool, timeout: float) -> None:
    for left in leftovers(corpus):
        _leftover(left, health, repair)
    manifest, garbled = None, False
    try:
        manifest = store.read_manifest(corpus.name)
    except XunyiError as error:
        health.add(corpus / MANIFEST, str(error))
        garbled = True
    collections = sorted(corpus.glob("g*.*"))
    for folder in collections:
        check_collection(folder, manifest, health, repair=repair, timeout=timeout)
        if manifest is not None:
            _check_generation(folder, manifest, health, repair)
    if manifest is None:
        if not garbled:
            _check_nameless(corpus, collections, health, repair)
        return
    for generation in [manifest, *manifest.kept]:
        if generation.complete:
            _check_counts(corpus, generation, health, in_use=generation is manifest)
    if not manifest.complete:
        health.note(corpus, "an ingest is unfinished; go on with it by running the same `xunyi ingest` again")


def _leftover(left: Path, health: StoreHealth, repair: bool) -> None:
    if repair:
        remove(left)
        health.add(left, "left by a run that was cut off", "removed")
    else:
        health.add(left, "left by a run that was cut off; --repair removes it")


def _check_snapshots(snapshots: Path, health: StoreHealth, repair: bool) -> None:
    for left in snapshot_leftovers(snapshots):
        _leftover(left, health, repair)


def _check_nameless(corpus: Path, collections: list[Path], health: StoreHealth, repair: bool) -> None:
    """A folder without a manifest: beginnings that nobody needs, or a corpus that lost what says how it was made."""
    held: dict[Shelf | None, int | None] = {}
    for folder in collections:
        points = health.points.get(f"{corpus.name}.{folder.name}")
        before = held.get(shelf_of(folder), 0)
        held[shelf_of(folder)] = None if points is None or before is None else before + points
    passages, documents = held.get(Shelf.PASSAGES, 0), held.get(Shelf.DOCUMENTS, 0)
    # A document's point is written when its passages are in; a vocabulary alone is no corpus.
    nothing = documents == 0 and (passages == 0 or Shelf.DOCUMENTS in held) and None not in held
    if nothing and collections:
        problem = "has no manifest and no finished document: a first ingest or an import was cut off"
        if repair:
            for path in corpus.iterdir():
                if path.name != LOCK:
                    remove(path)
                    health.points.pop(f"{corpus.name}.{path.name}", None)
            (corpus / LOCK).unlink()
            health.add(corpus, problem, "removed")
        else:
            health.add(corpus, f"{problem}; run it again, or have --repair remove what it left")
    elif nothing:
        if repair:
            (corpus / LOCK).unlink()
        health.note(corpus, "holds no points", "removed" if repair else None)
    else:
        names = snapshot_names(corpus.parent / FOLDER / corpus.name)
        back = f"xunyi snapshots restore {corpus.name} {names[-1]}" if names else "xunyi import"
        health.add(
            corpus,
            f"has no manifest, but its shelves hold points ({documents or 0:,} documents, {passages or 0:,} passages): "
            f"an import was cut off, which is then run again, or the manifest is lost; bring the corpus back with "
            f"`{back}`{'' if names else ' of an export'}, or ingest its files again, which makes it anew and encodes "
            f"everything again, or remove the folder",
        )


def _check_generation(folder: Path, manifest: CorpusManifest, health: StoreHealth, repair: bool) -> None:
    known = [one.generation for one in (manifest, *manifest.kept)]
    if shelf_of(folder) is not None and generation_of(folder) in known:
        return
    if manifest.rebuild is not None and generation_of(folder) == manifest.rebuild.generation:
        health.add(
            folder,
            f"`xunyi {manifest.rebuild.command}` is unfinished: run it again, or give it up with: "
            f"xunyi generations drop {manifest.corpus} --unfinished",
        )
        return
    problem = f"belongs to no generation in use ({manifest.generation}) or kept"
    number = generation_of(folder)
    # Later ones may be what was in use, where the manifest is an older copy.
    if shelf_of(folder) is None or number is None or number > manifest.generation:
        health.add(folder, f"{problem}; the next rebuild or refit removes it")
    elif repair:
        remove(folder)
        health.points.pop(f"{manifest.corpus}.{folder.name}", None)
        health.add(folder, problem, "removed")
    else:
        health.add(folder, f"{problem}; --repair removes it")


def _check_counts(corpus: Path, manifest: CorpusManifest, health: StoreHealth, *, in_use: bool) -> None:
    wrong: dict[Shelf, str] = {}
    for shelf, counted in manifest.counts.model_dump().items():
        name = collection_name(corpus.name, manifest.generation, Shelf(shelf))
        if counted and not (corpus / f"g{manifest.generation}.{shelf}").is_dir():
            wrong[Shelf(shelf)] = f"the shelf {shelf} of generation {manifest.generation} is missing"
        elif name in health.points and health.points[name] != counted:
            wrong[Shelf(shelf)] = f"{name} holds {health.points[name]} points, the manifest says {counted}"
    for problem in wrong.values():
        if not in_use:
            remedy = f"xunyi generations drop {manifest.corpus} {manifest.generation}"
        elif Shelf.TERMS not in wrong:
            remedy = "ingest the same files again"
        elif len(wrong) == 1:
            remedy = f"fit the words anew with: xunyi refit {manifest.corpus}"
        else:
            # A fit reads the passages, and an ingest needs the words.
            remedy = f"restore a snapshot, or run `xunyi corpora delete {manifest.corpus}` and ingest its files again"
        health.add(corpus, f"{problem}; {remedy}")
