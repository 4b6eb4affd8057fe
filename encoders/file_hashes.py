"""SHA-256 of a model's files, large ones remembered from one process to the next.

Hashing 2.3 GB takes seconds, at every search. A remembered hash stands for a file only while its path,
device, inode, size, and times of change are what they were when it was hashed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import platformdirs

WORTH_REMEMBERING = 8_000_000
"""Bytes below which a file is simply hashed: that takes no longer than looking it up."""

_SETTLED_NS = 2_000_000_000
"""A file changed less than this ago is not remembered: the clocks of file systems are that coarse at worst (FAT)."""

_log = logging.getLogger("xunyi.encoders")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal; from the person's cache folder where the file is unchanged.

    Raises
    ------
    OSError
        The file cannot be read. A cache folder that cannot is no error.

    """
    found = path.resolve()
    return _in_process(found, _stamp(found))


def _stamp(path: Path) -> tuple[int, ...]:
    stat = path.stat()
    # ctime too: a copy or a restore can set mtime to what it was.
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


@lru_cache(maxsize=256)
def _in_process(path: Path, stamp: tuple[int, ...]) -> str:
    large = stamp[2] >= WORTH_REMEMBERING
    if large and (known := _remembered(path, stamp)):
        return known
    begun = time.time_ns()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if large and begun - max(stamp[3:]) > _SETTLED_NS and _stamp(path) == stamp:
        _remember(path, stamp, digest)
    return digest


def _place(path: Path) -> Path:
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:32]
    return Path(platformdirs.user_cache_dir("xunyi", appauthor=False)) / "hashes" / f"{name}.json"


def _remembered(path: Path, stamp: tuple[int, ...]) -> str | None:
    try:
        entry = json.loads(_place(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(entry, dict) or entry.get("path") != str(path) or entry.get("stamp") != list(stamp):
        return None
    digest = entry.get("sha256")
    return digest if isinstance(digest, str) and len(digest) == 64 else None


def _remember(path: Path, stamp: tuple[int, ...], digest: str) -> None:
    place = _place(path)
    temporary = place.with_name(f"{place.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps({"path": str(path), "stamp": stamp, "sha256": digest}), encoding="utf-8")
        temporary.replace(place)
    except OSError as error:
        _log.debug("the hash of %s is not remembered (%s)", path, error)
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
