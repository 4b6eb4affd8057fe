"""Word2Vec trained in a process of its own, so that it need not share this one's interpreter.

gensim comes back to Python every few milliseconds; beside a busy thread it takes twice as long.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

import numpy as np

from encoders.word2vec import Matrix, WordCounts, train
from schemas.errors import EncoderError
from schemas.manifest import Word2VecSettings

_ROOT = Path(__file__).parent.parent


def train_apart(spool: Iterable[bytes], settings: Word2VecSettings, counts: WordCounts) -> tuple[list[str], Matrix]:
    """``encoders.word2vec.train`` on the bytes of a spool, in a child process; the result is the same to the bit.

    Raises ``EncoderError`` where the child fails, as for want of memory.
    """
    command = [sys.executable, "-m", "encoders.word2vec_process"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=_ROOT
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        said: list[bytes] = []
        # Read beside the rest: a child that says much would otherwise wait for ever.
        listener = threading.Thread(target=lambda stream: said.append(stream.read()), args=(child.stderr,), daemon=True)
        listener.start()
        try:
            child.stdin.write(settings.model_dump_json().encode() + b"\n")
            child.stdin.write(json.dumps(counts).encode() + b"\n")
            for chunk in spool:
                child.stdin.write(chunk)
            child.stdin.close()
        except BrokenPipeError:
            pass  # the child ended early, and stderr says why
        header = child.stdout.readline()
        shape = json.loads(header) if header else {"bytes": 0, "words": 0}
        names = child.stdout.read(shape["bytes"])
        # Read into its place: it is the largest thing that an ingest holds, and a copy would double it.
        matrix = np.empty((shape["words"], settings.dim), dtype=np.float32)
        cast("BufferedReader", child.stdout).readinto(_bytes_of(matrix))
        code = child.wait()
        listener.join()
    if code != 0:
        last = b"".join(said).decode("utf-8", "replace").strip().splitlines()
        raise EncoderError(
            f"Word2Vec could not be trained: {last[-1][:200] if last else f'its process ended with {code}'}; "
            f"free memory and run the same command again, or leave the space out with --spaces."
        )
    return names.decode("utf-8").split("\n") if names else [], matrix


def _bytes_of(matrix: Matrix) -> Any:
    """The matrix's own memory, which may be empty."""
    return matrix.reshape(-1).view(np.uint8)


class _Received:
    """The lines of a spool that came through a pipe, to be read again each epoch."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="xunyi-")  # noqa: SIM115 - ends with the process
        for chunk in iter(lambda: sys.stdin.buffer.read(1 << 20), b""):
            self._file.write(chunk)

    def __iter__(self) -> Iterator[list[str]]:
        self._file.seek(0)
        return (line.decode("utf-8", "surrogatepass").split() for line in self._file)


def _end(failed: threading.ExceptHookArgs) -> None:
    """End the process: gensim waits for ever for a thread of its own that failed."""
    sys.stderr.write(f"{failed.exc_type.__name__}: {failed.exc_value}\n")
    sys.stderr.flush()
    os._exit(1)


def _main() -> None:
    threading.excepthook = _end
    settings = Word2VecSettings.model_validate_json(sys.stdin.buffer.readline())
    counts = WordCounts(*json.loads(sys.stdin.buffer.readline()))
    words, matrix = train(_Received(), settings, counts)
    names = "\n".join(words).encode("utf-8")
    out = sys.stdout.buffer
    out.write(json.dumps({"bytes": len(names), "words": len(words)}).encode() + b"\n" + names)
    out.write(_bytes_of(matrix))
    out.flush()


if __name__ == "__main__":
    _main()
