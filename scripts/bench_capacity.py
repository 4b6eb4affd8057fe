"""What a passage takes on disk, by what it is taken for, and a term in the vocabulary.

Writes made passages (dense vectors of ``--dim``, sparse ones of ``--terms`` terms, texts of ``--characters``
Chinese characters with the payload that an ingest gives them) to a fresh embedded store under several storage
choices, indexes them, and prints the bytes a passage of every part: the engine's files by name. Each is done
with half of the passages too, and bytes a passage are of the difference, so that what any store takes, and
the write-ahead log, are left out. docs/scaling.md multiplies these.

    python scripts/bench_capacity.py [--passages 20000] [--dim 384] [--terms 80] [--characters 250]
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from bench_memory import words_of
from scipy.sparse import csr_array

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from encoders.vocabulary import Vocabulary
from ingest.payloads import passage_payload
from schemas.documents import Document, Passage
from schemas.ids import passage_point_id
from schemas.manifest import FitStats
from schemas.spaces import PointBatch, Shelf, Space, SpaceKind
from schemas.storage import StorageSettings
from stores.base import collection_name
from stores.memory import large_pieces_apart
from stores.opening import open_store

CHOICES = {
    "default": StorageSettings(),
    "--on-disk --quantization scalar": StorageSettings(on_disk=True, quantization="scalar"),
    "--on-disk --quantization binary --datatype float16": StorageSettings(
        on_disk=True, quantization="binary", datatype="float16"
    ),
}
PARTS = {
    "quantized": "vector_storage-dense/quantized",
    "vectors": "vector_storage-dense",
    "graph": "vector_index-dense",
    "sparse index": "vector_index-tfidf",
    "sparse vectors": "vector_storage-tfidf",
    "payload": "payload_storage",
    "payload indexes": "payload_index",
    "ids": "segments",
}
"""What is in a path of a file of the engine; the first that fits."""

NAME = collection_name("bench", 1, Shelf.PASSAGES)
BATCH = 512
TERMS = 200_000


def batch_of(start: int, size: int, arguments: argparse.Namespace) -> PointBatch:
    """Passages ``start`` and on: dense vectors in a thousand clusters, terms by Zipf's law."""
    rng = np.random.default_rng(start)
    centres = np.random.default_rng(1).normal(size=(1000, arguments.dim)).astype(np.float32)
    dense = centres[rng.integers(0, 1000, size)] + rng.normal(size=(size, arguments.dim)).astype(np.float32)
    dense /= np.linalg.norm(dense, axis=1, keepdims=True)
    columns = [np.unique(rng.zipf(1.3, arguments.terms * 3) % TERMS)[: arguments.terms] for _ in range(size)]
    ends = np.cumsum([0, *map(len, columns)])
    weights = rng.random(ends[-1]).astype(np.float32)
    sparse = csr_array((weights, np.concatenate(columns), ends), shape=(size, TERMS))
    letters = rng.integers(0x4E00, 0x9F00, (size, arguments.characters))
    payloads: list[dict[str, Any]] = []
    for row in range(size):
        text = "".join(map(chr, letters[row].tolist()))
        document = Document(f"d{start + row}", f"第{start + row}条", text, "records", "made.jsonl")
        payloads.append(passage_payload(document, Passage(document.id, 0, 0, len(text), text)))
    ids = [passage_point_id("bench", f"d{start + row}", 0) for row in range(size)]
    return PointBatch(ids, payloads, {"dense": dense, "tfidf": sparse})


def parts_of(storage: StorageSettings, passages: int, arguments: argparse.Namespace) -> Counter[str]:
    """Write and index so many passages; bytes on disk by part."""
    spaces = [Space(name="dense", kind=SpaceKind.DENSE, dim=arguments.dim), Space(name="tfidf", kind=SpaceKind.SPARSE)]
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        with open_store(f"{folder}/store") as store:
            store.create_collection(NAME, spaces, storage)
            for field, kind in {"document_id": "keyword", "position": "integer", "title": "keyword"}.items():
                store.create_payload_index(NAME, field, kind)  # type: ignore[arg-type]
            for start in range(0, passages, BATCH):
                store.upsert(NAME, batch_of(start, min(BATCH, passages - start), arguments))
            store.optimize(NAME)
        for path in Path(folder).rglob("*"):
            if path.is_file() and "/wal/" not in path.as_posix():
                part = next((part for part, sign in PARTS.items() if sign in path.as_posix()), "rest")
                found[part] += path.stat().st_blocks * 512
    return found


def vocabulary_bytes(terms: int = 500_000) -> tuple[float, float]:
    """Resident bytes of a term in the fitted vocabulary that an ingest holds, and of its name while that is made."""
    process, word = psutil.Process(), words_of("zh")
    names = sorted({word(rank) for rank in range(2 * terms)})[:terms]
    large_pieces_apart()
    before = process.memory_info().rss
    counts = np.ones(len(names), dtype=np.int64)
    vocabulary = Vocabulary(names, counts, counts.copy(), FitStats(passages=len(names)))
    held = process.memory_info().rss - before
    return held / len(vocabulary), sum(map(sys.getsizeof, names)) / len(names) + 8


def main() -> None:
    """Build every choice, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--terms", type=int, default=80)
    parser.add_argument("--characters", type=int, default=250)
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores; {arguments.passages:,} passages, dense {arguments.dim}, "
          f"{arguments.terms} terms, {arguments.characters} characters")  # fmt: skip
    half = arguments.passages // 2
    for name, storage in CHOICES.items():
        parts = parts_of(storage, arguments.passages, arguments)
        parts.subtract(parts_of(storage, half, arguments))
        each = {part: parts[part] / (arguments.passages - half) for part in PARTS if parts[part]}
        print(f"{name}: {sum(each.values()):,.0f} B: " + ", ".join(f"{part} {b:,.0f}" for part, b in each.items()))
    held, named = vocabulary_bytes()
    print(f"a term of the vocabulary while ingesting: {held:,.0f} B, and {named:,.0f} B more while that is made")


if __name__ == "__main__":
    main()
