"""Checks an embedded store, each collection in a process of its own, since some damage aborts the engine's process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from pydantic import BaseModel

from schemas.errors import StoreError, XunyiError
from schemas.manifest import CorpusManifest
from schemas.spaces import Shelf
from stores.base import collection_name
from stores.embedded import EdgeStore
from stores.files import leftovers, remove
from stores.locking import FolderLock

TIMEOUT = 600.0
"""Seconds that opening and counting one collection may take."""


class Finding(BaseModel):
    """Something wrong at ``place``, and what was done about it, where something was."""

    place: str
    problem: str
    repaired: str | None = None


class StoreHealth(BaseModel):
    """What ``check_store`` found; ``points`` of each collection that opens."""

    store: str
    points: dict[str, int]
    findings: list[Finding]

    def add(self, place: Path, problem: str, repaired: str | None = None) -> None:
        """Note something wrong."""
        self.findings.append(Finding(place=str(place), problem=problem, repaired=repaired))

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong any more."""
        return all(finding.repaired for finding in self.findings)


def check_store(folder: Path, *, repair: bool = False, timeout: float = TIMEOUT) -> StoreHealth:
    """Open and count every collection below ``folder``, and mend what can be mended if ``repair``.

    Leftovers of crashes are removed. Of a collection that does not open the engine's log is moved
    to ``wal.damaged``: what was flushed, which is all that was ever acknowledged, then loads; if
    it does not, the log is put back. Raises ``StoreError`` where ``folder`` is no store, and
    ``StoreLocked`` where another process holds a corpus that is to be mended.
    """
    if not folder.is_dir():
        raise StoreError(f"{folder} is no folder; give --store the folder of an embedded store.")
    health = StoreHealth(store=str(folder), points={}, findings=[])
    store = EdgeStore(folder)
    for corpus in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        _check_corpus(store, corpus, health, repair, timeout)
    return health


def _check_corpus(store: EdgeStore, corpus: Path, health: StoreHealth, repair: bool, timeout: float) -> None:
    _check_leftovers(corpus, health, repair)
    manifest = None
    try:
        manifest = store.read_manifest(corpus.name)
        if manifest is None:
            health.add(corpus, "has no manifest: a first ingest was cut off; run it again, or remove the folder")
    except XunyiError as error:
        health.add(corpus / "manifest.json", str(error))
    for folder in sorted(corpus.glob("g*.*")):
        _check_collection(corpus, folder, manifest, health, repair, timeout)
    for generation in [] if manifest is None else [manifest, *manifest.kept]:
        if generation.complete:
            _check_counts(corpus, generation, health, in_use=generation is manifest)


def _check_collection(
    corpus: Path, folder: Path, manifest: CorpusManifest | None, health: StoreHealth, repair: bool, timeout: float
) -> None:
    name = f"{corpus.name}.{folder.name}"
    count, problem = _open_in_child(folder, timeout)
    if count is None and repair and (folder / "shard" / "wal").is_dir():
        count = _without_log(corpus, folder, timeout)
        if count is not None:
            health.add(folder, problem, f"its damaged log was moved to wal.damaged; {count} points load")
    if count is None:
        health.add(folder, f"{problem}; bring it back from a copy, or remove the corpus and ingest again")
        return
    health.points[name] = count
    if manifest is not None:
        _check_generation(folder, manifest, health)


def _check_generation(folder: Path, manifest: CorpusManifest, health: StoreHealth) -> None:
    def holds(generation: int) -> bool:
        return folder.name in [f"g{generation}.{shelf}" for shelf in Shelf]

    if any(holds(one.generation) for one in (manifest, *manifest.kept)):
        return
    if manifest.rebuild is not None and holds(manifest.rebuild.generation):
        health.add(
            folder,
            f"`xunyi {manifest.rebuild.command}` is unfinished: run it again, or give it up with: "
            f"xunyi generations drop {manifest.corpus} --unfinished",
        )
        return
    health.add(
        folder, f"belongs to no generation in use ({manifest.generation}) or kept; the next rebuild or refit removes it"
    )


def _check_leftovers(corpus: Path, health: StoreHealth, repair: bool) -> None:
    if repair:
        lock = FolderLock(corpus / "lock", 1.0)
        lock.acquire()
        try:
            for left in leftovers(corpus):
                remove(left)
                health.add(left, "left by a run that was cut off", "removed")
        finally:
            lock.release()
    else:
        for left in leftovers(corpus):
            health.add(left, "left by a run that was cut off; --repair removes it")


def _check_counts(corpus: Path, manifest: CorpusManifest, health: StoreHealth, *, in_use: bool) -> None:
    remedy = "ingest again" if in_use else f"xunyi generations drop {manifest.corpus} {manifest.generation}"
    for shelf, counted in manifest.counts.model_dump().items():
        name = collection_name(corpus.name, manifest.generation, Shelf(shelf))
        if counted and not (corpus / f"g{manifest.generation}.{shelf}").is_dir():
            health.add(corpus, f"the shelf {shelf} of generation {manifest.generation} is missing; {remedy}")
        elif name in health.points and health.points[name] != counted:
            health.add(corpus, f"{name} holds {health.points[name]} points, the manifest says {counted}; {remedy}")


def _without_log(corpus: Path, folder: Path, timeout: float) -> int | None:
    log = folder / "shard" / "wal"
    aside = folder / "wal.damaged"
    lock = FolderLock(corpus / "lock", 1.0)
    lock.acquire()
    try:
        remove(aside)
        log.rename(aside)
        count, _ = _open_in_child(folder, timeout)
        if count is None:
            remove(log)
            aside.rename(log)
        return count
    finally:
        lock.release()


def _open_in_child(folder: Path, timeout: float) -> tuple[int | None, str]:
    """The number of points, or None and why it does not open."""
    command = [sys.executable, "-m", "stores.doctor", str(folder)]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=timeout, check=False, cwd=Path(__file__).parent.parent
        )
    except subprocess.TimeoutExpired:
        return None, f"does not open within {timeout:.0f} seconds"
    try:
        return int(json.loads(done.stdout)["points"]), ""
    except (ValueError, KeyError):
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return None, f"does not open ({said[-1][:200] if said else f'the engine ended with {done.returncode}'})"


def _count(folder: Path) -> None:
    import qdrant_edge as edge

    shard = edge.EdgeShard.load(str(folder / "shard"))
    sys.stdout.write(json.dumps({"points": shard.count(edge.CountRequest(exact=True))}))
    shard.close()


if __name__ == "__main__":
    _count(Path(sys.argv[1]).resolve())
