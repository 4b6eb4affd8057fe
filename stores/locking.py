"""One owner of a corpus's folder at a time, who can be named."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import IO

import portalocker

from schemas.errors import StoreLocked
from stores.files import stands_at


class FolderLock:
    """An exclusive lock that the operating system lets go when its process ends, however it ends."""

    def __init__(self, path: Path, wait: float) -> None:
        self._path = path
        self._wait = wait
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock, waiting up to ``wait`` seconds; raises ``StoreLocked`` naming who holds it."""
        if self._file is not None:
            return
        give_up = time.monotonic() + self._wait
        while True:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                file = self._path.open("a+", encoding="utf-8")
            except FileNotFoundError:  # the corpus was deleted just now
                continue
            try:
                portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
                # Who deletes a corpus deletes this file: its old lock holds nobody back any more.
                if stands_at(file, self._path):
                    break
                file.close()
            except portalocker.exceptions.LockException:
                file.close()
                if time.monotonic() >= give_up:
                    raise StoreLocked(
                        f"{self._path.parent} is in use by {self._holder()}; wait for it to end, or stop it."
                    ) from None
                time.sleep(0.05)
        file.seek(0)
        file.truncate()
        json.dump(
            {
                "pid": os.getpid(),
                "command": " ".join(Path(a).name if n == 0 else a for n, a in enumerate(sys.argv[:2])),
            },
            file,
        )
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let go; harmless where it was not held."""
        if self._file is not None:
            portalocker.unlock(self._file)
            self._file.close()
            self._file = None

    def _holder(self) -> str:
        try:
            held = json.loads(self._path.read_text(encoding="utf-8"))
            return "this very process" if held["pid"] == os.getpid() else f"process {held['pid']} ({held['command']})"
        except (OSError, ValueError, KeyError):
            return "another process"
