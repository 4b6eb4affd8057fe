"""A part's segments joined in a process of its own.

The engine joins in one call that gives neither the interpreter nor memory back before it ends: beside it an ingest
would stand still, and hold the pages of both the old segments and the new. A process that was killed on the way leaves
the part as it was.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from schemas.spaces import Space
from schemas.storage import StorageSettings
from stores.edge_config import config_of
from stores.edge_errors import engine
from stores.memory import give_back

_ROOT = Path(__file__).parent.parent
_TURN = threading.Semaphore(1)
"""One at a time: the engine uses every core for it."""

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


class Joining:
    """A part, closed, whose segments are being joined; ``finish`` or ``stop`` it before anybody opens the part."""

    def __init__(self, name: str, part: Path, spaces: Sequence[Space], storage: StorageSettings) -> None:
        self._name = name
        self._part = part
        self._asked = json.dumps(
            {
                "parent": os.getpid(),
                "part": str(part.resolve()),
                "spaces": [space.model_dump(mode="json") for space in spaces],
                "storage": storage.model_dump(mode="json"),
            }
        )
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped = threading.Event()
        self._why = ""
        # The system ends the child with the thread that began it, so this one lives as long.
        self._thread = threading.Thread(target=self._run, name="xunyi-joining", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait until it is done; raises ``StoreError`` where it failed, with the part as it was before."""
        try:
            self._thread.join()
        except BaseException:  # Ctrl-C: nobody waits any more, and the part will be opened
            self.stop()
            raise
        if self._why:
            with engine(self._name):
                raise RuntimeError(self._why)

    def stop(self) -> None:
        """End it at once; the part stays as it was before."""
        self._stopped.set()
        if self._child is not None:
            self._child.kill()
        self._thread.join()

    def _run(self) -> None:
        while not _TURN.acquire(timeout=0.1):
            if self._stopped.is_set():
                return
        try:
            self._join()
        except OSError as error:
            self._why = f"{self._part} could not be indexed: {error.strerror or error}; run the command again"
        finally:
            _TURN.release()

    def _join(self) -> None:
        if self._stopped.is_set():
            return
        command = [sys.executable, "-m", "stores.joining"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe, cwd=_ROOT) as child:
            self._child = child
            if self._stopped.is_set():
                child.kill()
            said = child.communicate(self._asked.encode())[1].decode("utf-8", "replace").strip().splitlines()
        if child.returncode and not self._stopped.is_set():
            last = said[-1] if said and child.returncode > 0 else f"its process ended with {child.returncode}"
            self._why = f"{self._part} could not be indexed: {last}; free memory and disk, and run the command again"


def _end_with(parent: int) -> None:
    """Let the system end this process with the one that asked for it; the terminal's Ctrl-C is for that one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            raise SystemExit("the process that asked for it is gone")


def _main() -> None:
    import qdrant_edge as edge

    asked = json.load(sys.stdin.buffer)
    _end_with(asked["parent"])
    spaces = [Space.model_validate(space) for space in asked["spaces"]]
    try:
        shard = edge.EdgeShard.load(asked["part"], config_of(spaces, StorageSettings.model_validate(asked["storage"])))
        # Opening reads files whole; what is wanted of them to join them is less.
        give_back(Path(asked["part"]))
        shard.optimize()
        shard.flush()
        shard.close()
    except BaseException as error:  # a panic of the engine is no Exception
        sys.exit(" ".join(str(error).split())[:300])


if __name__ == "__main__":
    _main()
