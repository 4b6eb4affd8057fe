"""Files that are replaced whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import portalocker

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What a file system without locks says; there nobody is kept from writing."""


def replace_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 so that a reader, or a crash, sees the old file or the new one."""
    with replace_bytes(path) as file:
        file.write(text.encode("utf-8"))


@contextmanager
def replace_bytes(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of ``path`` when all is written and on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def replaceable(path: Path) -> Path:
    """The file that is to be replaced where a person names ``path``: a link stays, and what it leads to is replaced.

    Raises ``OSError`` for a pipe, a device and what else is no file: a file would take its place.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return Path(os.path.realpath(path)) if path.is_symlink() else path


@contextmanager
def replace_alone(path: Path) -> Iterator[IO[bytes]]:
    """As ``replace_bytes``, where several processes may come: one writes, over whatever a killed one left.

    Raises ``BlockingIOError`` while another writes, and ``OSError`` as ``replaceable`` does.
    """
    path = replaceable(path)
    temporary = path.with_name(f".{path.name}.part")
    with _locked(temporary) as file:
        try:
            file.truncate(0)
            yield file
            file.flush()
            os.fsync(file.fileno())
            _let_go(file)
            temporary.replace(path)
        except BaseException:
            _let_go(file)
            temporary.unlink(missing_ok=True)
            raise
    sync_folder(path.parent)


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Wait until no other process holds ``path``, a file made for that alone, and hold it; it is gone afterwards."""
    with _locked(path, wait=True):
        try:
            yield
        finally:
            # Not where the system removes no open file: an empty one is left, and taken by the next.
            with suppress(OSError):
                path.unlink()


def _let_go(file: IO[bytes]) -> None:
    """Close a file that is to be renamed or removed, where the system does neither to one that is open."""
    if os.name != "posix":
        file.close()


@contextmanager
def _locked(path: Path, *, wait: bool = False) -> Iterator[IO[bytes]]:
    """The file, made where it is not there, for this process alone; the system lets go of it however that ends."""
    flags = portalocker.LockFlags.EXCLUSIVE
    if not wait:
        flags |= portalocker.LockFlags.NON_BLOCKING
    while True:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "wb") as file:
            try:
                portalocker.lock(file, flags)
            except portalocker.exceptions.LockException as error:
                if getattr(error.args[0] if error.args else None, "errno", None) not in _NO_LOCKS:
                    raise BlockingIOError(f"{path} is being written") from error
            # Whoever held it may have given it its last name, or removed it, since it was opened.
            if stands_at(file, path):
                yield file
                return


def stands_at(file: IO[Any], path: Path) -> bool:
    """Whether the open file is still the one at the path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def sync_folder(folder: Path) -> None:
    """Make a rename or a removal in the folder survive a power cut, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_unfinished(path: Path) -> bool:
    """Whether a crash left this: a folder in the making or going, or a file that was to replace another."""
    name = path.name
    return name.startswith((".making-", ".going-")) or (
        name.startswith(".") and name.rpartition(".")[2].isdigit() and (".json." in name or ".npy." in name)
    )


def leftovers(folder: Path) -> list[Path]:
    """What crashes left in a corpus's folder, sorted; the caller holds the corpus."""
    found = [path for path in (*folder.glob(".*"), *folder.glob("*.*/.*")) if is_unfinished(path)]
    return sorted(found)


def remove(path: Path) -> None:
    """Remove a file or a folder; harmless where it is gone already."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
