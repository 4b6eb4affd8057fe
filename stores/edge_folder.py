"""The folder of an embedded store: what lies where, whose it is, and the corpora's manifests.

Layout, all of it below the store's folder::

    xunyi-store.json            marks the folder as ours
    CORPUS/manifest.json        the corpus's manifest, replaced in one step
    CORPUS/lock                 held by the process that has the corpus open
    CORPUS/g1.passages/shard/   a collection: the engine's own files, in several parts where it is large
    CORPUS/g1.passages/collection.json  its spaces and payload indexes
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Hashable
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from schemas.errors import StoreDamaged, StoreError
from schemas.manifest import CorpusManifest
from schemas.names import check_corpus_name
from stores.checks import manifest_text
from stores.edge_errors import files
from stores.files import is_unfinished, leftovers, remove, replace_text, sync_folder
from stores.locking import FolderLock

MARK = "xunyi-store.json"
MANIFEST = "manifest.json"
LOCK = "lock"


class EdgeFolder:
    """The folder ``root``. A corpus is locked for this process when it is first written to or opened."""

    def __init__(self, root: Path, lock_wait: float) -> None:
        """Raises ``StoreError`` where ``root`` is something else than a store, or an empty or new folder."""
        require_ours(root)
        self.root = root
        self.guard = threading.RLock()
        """Held by the thread that locks, or that changes what is open."""
        self._lock_wait = lock_wait
        self._locks: dict[str, FolderLock] = {}
        self._writes: Counter[str] = Counter()

    # -- what lies where -------------------------------------------------------------------
    def corpus(self, corpus: str) -> Path:
        """Where the corpus lies."""
        return self.root / check_corpus_name(corpus)

    def collection(self, name: str) -> Path:
        """Where the collection lies."""
        corpus, generation, shelf = [*name.rsplit(".", 2), "", ""][:3]
        if not generation or not shelf:
            raise StoreError(f"{name!r} is no collection's name; it is CORPUS.gN.SHELF.")
        return self.corpus(corpus) / f"{generation}.{shelf}"

    def corpora(self) -> list[str]:
        """The names of all corpora that have a manifest, sorted."""
        return sorted(path.parent.name for path in self.root.glob(f"*/{MANIFEST}"))

    def collections(self) -> list[str]:
        """The names of all collections, sorted."""
        return sorted(
            f"{path.parent.parent.name}.{path.parent.name}" for path in self.root.glob("*/g*/collection.json")
        )

    # -- whose it is -----------------------------------------------------------------------
    def lock(self, corpus: str) -> Path:
        """Hold the corpus, whose folder this gives; raises ``StoreLocked`` where another process does."""
        folder = self.corpus(corpus)
        with self.guard:
            if corpus in self._locks:
                return folder
            # Marked first: a crash must not leave corpora in a folder that then counts as somebody else's.
            if not (self.root / MARK).exists():
                with files(self.root):
                    write_mark(self.root)
            lock = FolderLock(folder / LOCK, self._lock_wait)
            with files(self.root):
                lock.acquire()
            self._locks[corpus] = lock
            for left in leftovers(folder):
                remove(left)
        return folder

    def release(self) -> None:
        """Let go of all corpora."""
        for lock in self._locks.values():
            lock.release()
        self._locks.clear()

    def remove(self, corpus: str) -> None:
        """Remove what is left of the corpus, which is held and has no file open, and let go of it."""
        folder = self.corpus(corpus)
        lock = self._locks.pop(corpus)
        try:
            # The lock's own file goes last, so that nobody finds half a corpus unlocked.
            for path in folder.iterdir():
                if path.name != LOCK:
                    remove(path)
            (folder / LOCK).unlink(missing_ok=True)
        finally:
            lock.release()
        with suppress(OSError):  # somebody waited for the lock and makes the corpus anew
            folder.rmdir()

    # -- manifests -------------------------------------------------------------------------
    def read_manifest(self, corpus: str) -> CorpusManifest | None:
        """The current manifest; needs no lock, since it is replaced in one step."""
        path = self.corpus(corpus) / MANIFEST
        try:
            return CorpusManifest.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (ValidationError, ValueError) as error:
            raise StoreDamaged(
                f"{path} is no manifest of a corpus; bring it back from a copy, restore a snapshot of the corpus, "
                f"or remove the file and ingest again, which encodes everything again."
            ) from error

    def manifest_mark(self, corpus: str) -> Hashable:
        """What changes whenever the corpus's manifest does, by whomever: of the file that each one replaces."""
        try:
            found = (self.corpus(corpus) / MANIFEST).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size, self._writes[corpus]

    def write_manifest(self, manifest: CorpusManifest) -> None:
        """Make the manifest the corpus's current one, in one atomic step."""
        text = manifest_text(manifest)
        folder = self.lock(manifest.corpus)
        with files(self.root):
            replace_text(folder / MANIFEST, text)
        # A clock that moves in steps, and a number that the file before had, could make two files look alike.
        self._writes[manifest.corpus] += 1

    def remove_manifest(self, corpus: str) -> bool:
        """Hold the corpus and remove its manifest; False where there is no such corpus."""
        if not self.corpus(corpus).is_dir():
            return False
        folder = self.lock(corpus)
        (folder / MANIFEST).unlink(missing_ok=True)
        sync_folder(folder)
        return True


def require_ours(folder: Path) -> None:
    """Raise ``StoreError`` where ``folder`` is something else than a store, or an empty or new folder."""
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder} is a file, not a folder; give --store a folder or a URL.")
    if (
        folder.is_dir()
        and not (folder / MARK).exists()
        and any(not is_unfinished(path) for path in folder.iterdir())
        and not _holds_a_corpus(folder)
    ):
        raise StoreError(f"{folder} holds other files and no corpora; give --store a folder of its own.")


def write_mark(folder: Path) -> None:
    """Mark the folder as a store."""
    replace_text(folder / MARK, json.dumps({"format": 1}))


def _holds_a_corpus(folder: Path) -> bool:
    """Whether one of ours stands in the folder, which then only lost its mark."""
    for path in folder.glob(f"*/{MANIFEST}"):
        if path.with_name(LOCK).is_file():
            with suppress(OSError, ValueError):
                CorpusManifest.model_validate_json(path.read_bytes())
                return True
    return False
