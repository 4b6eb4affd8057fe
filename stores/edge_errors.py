"""The system's and the engine's own exceptions as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import InvalidPoint, StoreDamaged, StoreError, StoreLocked, XunyiError


@contextmanager
def files(folder: Path) -> Iterator[None]:
    """The system's own words about files as ours."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        where = error.filename or folder
        raise StoreError(f"{where}: {why}; free the disk, mend the permissions or give another --store.") from error


@contextmanager
def engine(name: str, opening: Path | None = None) -> Iterator[None]:
    """The engine's own exceptions as ours; a panic is a ``BaseException`` there."""
    try:
        yield
    except (XunyiError, KeyboardInterrupt, SystemExit, MemoryError, GeneratorExit):
        raise
    except BaseException as error:
        text = " ".join(str(error).split())[:300]
        if "WouldBlock" in text:
            raise StoreLocked(f"The collection {name} is in use by another process; wait for it to end.") from error
        if "No space left" in text or "StorageFull" in text:
            raise StoreError(f"The disk is full; free some and run the same command again ({name}).") from error
        if opening is not None:
            raise StoreDamaged(f"{opening} cannot be opened: {text}; see what mends it with: xunyi doctor.") from error
        if isinstance(error, ValueError | TypeError):
            raise InvalidPoint(f"The engine refused a value for {name}: {text}.") from error
        raise StoreError(f"The engine failed on {name}: {text}.") from error
