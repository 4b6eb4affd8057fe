"""Documents and their passages on disk between the reading pass and the writing pass.

The vocabulary must be known before the first vector is made, and no corpus fits in memory; so
what is to be written waits in a temporary file of JSON lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.documents import Document, Passage, Stretch


@dataclass(frozen=True, slots=True)
class Planned:
    """A document to write: its passages, its content hash, and how many passages stood before."""

    document: Document
    passages: list[Passage]
    hash: str
    old_passages: int = 0
    words: list[list[str]] | None = None
    """The words of each passage's own text, where the fit has found them already: segmenting is the dear part."""


class Spool:
    """An append-then-read file of ``Planned`` documents in a folder that the caller removes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "documents.jsonl"
        self._file = self.path.open("w", encoding="utf-8", errors="surrogatepass")
        self.documents = 0
        self.passages = 0

    def append(self, planned: Planned) -> None:
        """Write one document at the end."""
        document = planned.document
        row: dict[str, Any] = {name: getattr(document, name) for name in Document.__slots__}
        row["stretches"] = [[s.text_start, s.source_start, s.length] for s in document.stretches]
        row["payload"] = dict(document.payload)
        passages = [[p.position, p.start, p.end, p.text] for p in planned.passages]
        words = None if planned.words is None else [" ".join(found) for found in planned.words]
        json.dump([row, passages, planned.hash, planned.old_passages, words], self._file, ensure_ascii=False)
        self._file.write("\n")
        self.documents += 1
        self.passages += len(passages)

    def close(self) -> None:
        """No more documents come."""
        self._file.close()

    def __iter__(self) -> Iterator[Planned]:
        self.close()
        with self.path.open(encoding="utf-8", errors="surrogatepass", newline="\n") as lines:
            for line in lines:
                row, passages, digest, old, words = json.loads(line)
                row["stretches"] = tuple(Stretch(*s) for s in row["stretches"])
                document = Document(**row)
                found = None if words is None else [line_.split() for line_ in words]
                yield Planned(document, [Passage(document.id, *p) for p in passages], digest, old, found)
