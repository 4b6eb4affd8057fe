"""What waits on disk between the reading pass and the writing pass, in files that no crash leaves behind.

The vocabulary must be known before the first vector is made, and no corpus fits in memory. The files
have no name in the folder (on Windows the system removes them), so that they end with the process.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Any

import numpy as np
from scipy.sparse import csr_array

from encoders.bags import Bags
from ingest.blocks import Block, Planned
from schemas.documents import Document, Passage, Stretch


class Spool:
    """An append-then-read file of blocks, without their sentences."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="xunyi-")  # noqa: SIM115 - closed by close()
        self.documents = 0
        self.passages = 0

    def append(self, block: Block) -> None:
        """Write one block at the end."""
        documents = [_row(planned) for planned in block.documents]
        self._json([documents, block.document_rows])
        for bags in (block.features, block.words):
            self._json(None if bags is None else [len(bags), bags.counts.nnz])
            if bags is not None:
                self._bytes("\n".join(bags.terms).encode("utf-8", "surrogatepass"))
                for array in (bags.counts.indptr, bags.counts.indices, bags.counts.data):
                    self._bytes(array.astype("<i4").tobytes())
        self.documents += len(block.documents)
        self.passages += block.passages

    def close(self) -> None:
        """Let go of the file, and with it of what it holds."""
        self._file.close()

    def __iter__(self) -> Iterator[Block]:
        end = self._file.seek(0, 2)
        at = 0
        while at < end:
            self._file.seek(at)
            block = self._block()
            at = self._file.tell()
            yield block

    def _block(self) -> Block:
        rows, document_rows = self._read_json()
        features, words = self._bags(), self._bags()
        return Block([_planned(row) for row in rows], features, words, document_rows, [])

    def _bags(self) -> Bags | None:
        shape = self._read_json()
        if shape is None:
            return None
        joined = self._read_bytes().decode("utf-8", "surrogatepass")
        terms = joined.split("\n") if joined else []
        indptr, indices, data = (np.frombuffer(self._read_bytes(), dtype="<i4").astype(np.int64) for _ in range(3))
        return Bags(terms, csr_array((data, indices, indptr), shape=(shape[0], len(terms))))

    def _json(self, value: Any) -> None:
        self._bytes(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))

    def _read_json(self) -> Any:
        return json.loads(self._read_bytes().decode("utf-8", "surrogatepass"))

    def _bytes(self, data: bytes) -> None:
        self._file.write(len(data).to_bytes(8, "little"))
        self._file.write(data)

    def _read_bytes(self) -> bytes:
        return self._file.read(int.from_bytes(self._file.read(8), "little"))


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
