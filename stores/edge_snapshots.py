"""Snapshots of an embedded store: an archive with its checksum, in the store's folder ``.snapshots/CORPUS``."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from schemas.errors import CorpusNotFound, StoreDamaged, StoreError
from schemas.manifest import CorpusManifest
from schemas.names import check_corpus_name
from schemas.snapshots import Snapshot
from stores.edge_errors import files
from stores.edge_folder import LOCK, MANIFEST
from stores.embedded import EdgeStore
from stores.files import is_unfinished, remove, replace_text, sync_folder

FOLDER = ".snapshots"
_SUFFIX = ".tar.gz"


class EdgeSnapshots:
    """The snapshots of ``store``, whose corpora are closed while they are copied."""

    def __init__(self, store: EdgeStore) -> None:
        self._store = store
        self._root = Path(store.location)

    def create(self, corpus: str) -> Snapshot:
        """Copy the corpus as it is now; raises ``CorpusNotFound`` where there is none."""
        manifest = self._store.read_manifest(corpus)
        if manifest is None:
            raise CorpusNotFound(f"{self._store.location} has no corpus {corpus!r}; see `xunyi corpora list`.")
        with files(self._root), self._store.closed(corpus) as folder:
            target = self._root / FOLDER / corpus
            target.mkdir(parents=True, exist_ok=True)
            for left in snapshot_leftovers(target):
                remove(left)
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z"
            making = target / f".making-{name}"
            try:
                with tarfile.open(making, "w:gz", compresslevel=1) as archive:
                    for path in sorted(folder.iterdir()):
                        # Other generations are no part of what the corpus is now.
                        other = path.is_dir() and not path.name.startswith(f"g{manifest.generation}.")
                        if path.name != LOCK and not other and not is_unfinished(path):
                            archive.add(path, path.name)
                with making.open("rb") as file:
                    os.fsync(file.fileno())
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                described = Snapshot(
                    corpus=corpus,
                    name=name,
                    generation=manifest.generation,
                    documents=manifest.counts.documents,
                    passages=manifest.counts.passages,
                    bytes=making.stat().st_size,
                    sha256=digest,
                )
                # The description last: what has none is no snapshot.
                making.rename(target / f"{name}{_SUFFIX}")
                replace_text(target / f"{name}.json", described.model_dump_json(indent=2))
            finally:
                making.unlink(missing_ok=True)
        return described

    def list(self, corpus: str | None = None) -> list[Snapshot]:
        """All snapshots, or one corpus's, by corpus and age."""
        pattern = f"{check_corpus_name(corpus)}/*.json" if corpus else "*/*.json"
        found = []
        for path in sorted((self._root / FOLDER).glob(pattern)):
            if not is_unfinished(path):
                try:
                    found.append(Snapshot.model_validate_json(path.read_bytes()))
                except (ValidationError, ValueError) as error:
                    raise StoreDamaged(f"{path} does not describe a snapshot; remove it and its archive.") from error
        return found

    def restore(self, corpus: str, name: str) -> Snapshot:
        """Make the corpus what it was; what stands is removed only when all is in its place.

        The generation in use and one in the making are replaced, those kept beside it stay. Which they are only the
        manifest tells: where that is gone or cannot be read, all that stands is replaced.

        Raises ``StoreDamaged``, with nothing changed, where the archive is not what was written.
        """
        snapshot = self._named(corpus, name)
        archive = self._root / FOLDER / corpus / f"{name}{_SUFFIX}"
        with files(self._root), self._store.closed(corpus) as folder:
            if not archive.is_file() or _digest(archive) != snapshot.sha256:
                raise StoreDamaged(f"{archive} is not what was written: its checksum differs; restore another one.")
            unpacked = folder / ".making-restored"
            remove(unpacked)
            try:
                with tarfile.open(archive) as packed:
                    packed.extractall(unpacked, filter="data")
                manifest = CorpusManifest.model_validate_json((unpacked / MANIFEST).read_bytes())
                # A generation of its own: what stands stays whole until the manifest is replaced.
                standing = {path: _generation(path) for path in folder.glob("g*.*") if path.is_dir()}
                current = self._current(corpus)
                kept = [] if current is None else current.kept
                taken = [0, *standing.values(), *([current.next_generation - 1] if current is not None else [])]
                generation = max(taken) + 1
                for path in sorted(unpacked.glob(f"g{manifest.generation}.*")):
                    path.rename(folder / f"g{generation}.{path.name.split('.', 1)[1]}")
                sync_folder(folder)
                manifest = manifest.alone.model_copy(update={"generation": generation, "kept": kept})
                replace_text(folder / MANIFEST, manifest.model_dump_json(indent=2))
            finally:
                remove(unpacked)
            staying = {one.generation for one in kept}
            for path in (path for path, number in standing.items() if number not in staying):
                going = path.with_name(f".going-{path.name}")
                path.rename(going)
                shutil.rmtree(going)
        return snapshot

    def delete(self, corpus: str, name: str) -> Snapshot:
        """Remove a snapshot."""
        snapshot = self._named(corpus, name)
        folder = self._root / FOLDER / corpus
        with files(self._root):
            (folder / f"{name}.json").unlink()
            (folder / f"{name}{_SUFFIX}").unlink(missing_ok=True)
        return snapshot

    def _current(self, corpus: str) -> CorpusManifest | None:
        """The manifest that is to be replaced; None where there is none that can be read."""
        with suppress(StoreDamaged):
            return self._store.read_manifest(corpus)
        return None

    def _named(self, corpus: str, name: str) -> Snapshot:
        for snapshot in self.list(corpus):
            if snapshot.name == name:
                return snapshot
        raise StoreError(f"{corpus!r} has no snapshot {name!r}; see `xunyi snapshots list {corpus}`.")


def _generation(shelf: Path) -> int:
    """The number of the generation whose shelf lies in this folder."""
    return int(shelf.name[1:].split(".")[0])


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def snapshot_leftovers(folder: Path) -> list[Path]:
    """What runs that were cut off left among a corpus's snapshots, in ``folder``; the caller holds the corpus."""
    names = snapshot_names(folder)
    archives = [path for path in folder.glob(f"[!.]*{_SUFFIX}") if path.name.removesuffix(_SUFFIX) not in names]
    return sorted([*(path for path in folder.glob(".*") if is_unfinished(path)), *archives])


def snapshot_names(folder: Path) -> list[str]:
    """The names of a corpus's snapshots in ``folder``, the oldest first."""
    return sorted(path.name.removesuffix(".json") for path in folder.glob("[!.]*.json"))
