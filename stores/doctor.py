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
from stores.edge_parts import part_folders
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
    if count is None and repair:
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
    """The number of points with the logs of those parts set aside that do not open; None where that does not help."""
    lock = FolderLock(corpus / "lock", 1.0)
    lock.acquire()
    try:
        total, parts = 0, part_folders(folder)
        while parts:
            counts, _ = _count_in_child(parts, timeout)
            total += sum(counts)
            parts = parts[len(counts) :]
            if parts:
                count = _part_without_log(parts.pop(0), timeout)
                if count is None:
                    return None
                total += count
        return total
    finally:
        lock.release()


def _part_without_log(part: Path, timeout: float) -> int | None:
    log = part / "wal"
    # Beside the part: what is called like one would be taken for one.
    aside = part.with_name(f"wal.damaged{part.name.removeprefix('shard')}")
    if not log.is_dir():
        return None
    remove(aside)
    log.rename(aside)
    counts, _ = _count_in_child([part], timeout)
    if not counts:
        remove(log)
        aside.rename(log)
        return None
    return counts[0]


def _open_in_child(folder: Path, timeout: float) -> tuple[int | None, str]:
    """The number of points of a collection, or None and why it, or one of its parts, does not open."""
    parts = part_folders(folder)
    if not parts:
        return None, "does not open (its points are gone)"
    counts, problem = _count_in_child(parts, timeout)
    if len(counts) == len(parts):
        return sum(counts), ""
    return None, problem if len(parts) == 1 else f"{problem} in {parts[len(counts)].name}"


def _count_in_child(parts: list[Path], timeout: float) -> tuple[list[int], str]:
    """The numbers of points of the parts, up to the first that does not open, and why that one does not."""
    command = [sys.executable, "-m", "stores.doctor", *(str(part.resolve()) for part in parts)]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=timeout, check=False, cwd=Path(__file__).parent.parent
        )
        output, said = done.stdout, done.stderr.decode("utf-8", "replace").strip().splitlines()
        problem = f"does not open ({said[-1][:200] if said else f'the engine ended with {done.returncode}'})"
    except subprocess.TimeoutExpired as late:
        output, problem = late.stdout or b"", f"does not open within {timeout:.0f} seconds"
    counts = []
    for line in output.splitlines():
        try:
            counts.append(int(json.loads(line)["points"]))
        except (ValueError, KeyError):
            break
    return counts, problem


def _count(parts: list[str]) -> None:
    import qdrant_edge as edge

    for part in parts:
        shard = edge.EdgeShard.load(part)
        sys.stdout.write(json.dumps({"points": shard.count(edge.CountRequest(exact=True))}) + "\n")
        # Some damage ends the process: what was found before is out by then.
        sys.stdout.flush()
        shard.close()


if __name__ == "__main__":
    _count(sys.argv[1:])
