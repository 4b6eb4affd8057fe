"""What waits on disk between the reading pass and the writing pass, in files that no crash leaves behind.

The vocabulary must be known before the first vector is made, and no corpus fits in memory. The files
have no name in the folder (on Windows the system removes them), so that they end with the process.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterable, Iterator
from typing import IO, Any

import numpy as np
from scipy.sparse import csr_array

from encoders.bags import Bags
from ingest.blocks import Block, Planned
from schemas.documents import Document, Passage, Stretch


class Spool:
    """A file of blocks, without their sentences: written at its end, and read from the start as often as wanted.

    One thread may follow what another appends.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="xunyi-")  # noqa: SIM115 - closed by close()
        self._grown = threading.Condition()
        self._size = 0
        self._ended = False
        self.documents = 0
        self.passages = 0

    def append(self, block: Block) -> None:
        """Write one block at the end."""
        pieces = list(_pieces(block))
        with self._grown:
            self._file.seek(self._size)
            self._file.write(_length(sum(8 + len(piece) for piece in pieces)))
            for piece in pieces:
                self._file.write(_length(len(piece)))
                self._file.write(piece)
            self._size = self._file.tell()
            self._grown.notify_all()
        self.documents += len(block.documents)
        self.passages += block.passages

    def end(self) -> None:
        """No more is appended: who follows need not wait for it."""
        with self._grown:
            self._ended = True
            self._grown.notify_all()

    def close(self) -> None:
        """Let go of the file, and with it of what it holds."""
        self.end()
        self._file.close()

    def __iter__(self) -> Iterator[Block]:
        """The blocks that are there."""
        return self._blocks(wait=False)

    def follow(self) -> Iterator[Block]:
        """The blocks, waiting for more until ``end``."""
        return self._blocks(wait=True)

    def _blocks(self, *, wait: bool) -> Iterator[Block]:
        at = 0
        while True:
            with self._grown:
                while wait and at >= self._size and not self._ended:
                    self._grown.wait()
                if at >= self._size:
                    return
                self._file.seek(at)
                data = self._file.read(int.from_bytes(self._file.read(8), "little"))
                at = self._file.tell()
            yield _block(_Pieces(data))


class _Pieces:
    """The pieces of a block, one after the other, each behind its length."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = 0

    def next(self) -> memoryview:
        start = self._at + 8
        self._at = start + int.from_bytes(self._data[self._at : start], "little")
        return self._data[start : self._at]

    def next_json(self) -> Any:
        return json.loads(self.next_text())

    def next_text(self) -> str:
        return str(self.next(), "utf-8", "surrogatepass")


def _pieces(block: Block) -> Iterator[bytes]:
    yield _json([[_row(planned) for planned in block.documents], block.document_rows])
    for bags in (block.features, block.words):
        yield _json(None if bags is None else [len(bags), bags.counts.nnz])
        if bags is not None:
            yield "\n".join(bags.terms).encode("utf-8", "surrogatepass")
            for array in (bags.counts.indptr, bags.counts.indices, bags.counts.data):
                yield array.astype("<i4").tobytes()


def _block(pieces: _Pieces) -> Block:
    rows, document_rows = pieces.next_json()
    features, words = _bags(pieces), _bags(pieces)
    return Block([_planned(row) for row in rows], features, words, document_rows, [])


def _bags(pieces: _Pieces) -> Bags | None:
    shape = pieces.next_json()
    if shape is None:
        return None
    joined = pieces.next_text()
    terms = joined.split("\n") if joined else []
    indptr, indices, data = (np.frombuffer(pieces.next(), dtype="<i4").astype(np.int64) for _ in range(3))
    return Bags(terms, csr_array((data, indices, indptr), shape=(shape[0], len(terms))))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _length(size: int) -> bytes:
    return size.to_bytes(8, "little")


class Sentences:
    """Lines of words, written once and read as often as Word2Vec wants."""

    def __init__(self) -> None:
        self._file: IO[str] = tempfile.TemporaryFile(  # noqa: SIM115 - closed by close()
            "w+", prefix="xunyi-", encoding="utf-8", errors="surrogatepass", newline="\n"
        )
        self.lines = 0
        self.words = 0

    def append(self, lines: Iterable[str]) -> None:
        """Add lines as ``spool_line`` makes them."""
        for line in lines:
            self._file.write(line)
            self.lines += 1
            self.words += line.count(" ") + 1

    def close(self) -> None:
        """Let go of the file, and with it of what it holds."""
        self._file.close()

    def chunks(self) -> Iterator[bytes]:
        """The lines as they stand in the file, a megabyte at a time."""
        self._file.flush()
        raw = self._file.buffer  # type: ignore[attr-defined]
        raw.seek(0)
        return iter(lambda: raw.read(1 << 20), b"")

    def __iter__(self) -> Iterator[list[str]]:
        self._file.seek(0)
        return (line.split() for line in self._file)


def _row(planned: Planned) -> list[Any]:
    document = planned.document
    row: dict[str, Any] = {name: getattr(document, name) for name in Document.__slots__}
    row["stretches"] = [[s.text_start, s.source_start, s.length] for s in document.stretches]
    row["payload"] = dict(document.payload)
    passages = [[p.position, p.start, p.end, p.text] for p in planned.passages]
    return [row, passages, planned.hash, planned.old_passages]


def _planned(found: list[Any]) -> Planned:
    row, passages, digest, old = found
    row["stretches"] = tuple(Stretch(*stretch) for stretch in row["stretches"])
    document = Document(**row)
    return Planned(document, [Passage(document.id, *passage) for passage in passages], digest, old)
