"""Memory of the embedded store while points are written, in parts and in one.

Writes made-up points of 30 TF-IDF terms, by Zipf's law of a vocabulary of 400,000, in a process of its own for each
way, and prints the most memory since the line before: resident, not file-backed, and of the process that joins
segments. It is what ``scripts/bench_memory.py`` shows of a whole ingest, without the hours that reading, fitting and
encoding take.

    python scripts/bench_points.py [--points 800000] [--part-points 100000] [--dim 384]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid5

import numpy as np
from bench_memory import children_of, memory_of
from scipy.sparse import csr_array

from schemas.spaces import PointBatch, Space, SpaceKind, VectorBatch
from stores.edge_parts import PART_POINTS
from stores.embedded import EdgeStore

NAME = "bench.g1.passages"
TERMS, VOCABULARY, BATCH = 30, 400_000, 1000


def batches(points: int, dim: int, seed: int = 3) -> Iterator[PointBatch]:
    """Points in batches, the same in every run."""
    rng = np.random.default_rng(seed)
    for start in range(0, points, BATCH):
        rows = [np.unique(row) for row in np.minimum(rng.zipf(1.25, (BATCH, TERMS)), VOCABULARY)]
        indices = np.concatenate(rows)
        pointers = np.cumsum([0, *map(len, rows)])
        matrix = csr_array((np.ones(len(indices), np.float32), indices, pointers), shape=(BATCH, VOCABULARY + 1))
        ids = [str(uuid5(UUID(int=1), str(number))) for number in range(start, start + BATCH)]
        vectors: dict[str, VectorBatch] = {"tfidf": matrix}
        if dim:
            dense = rng.standard_normal((BATCH, dim)).astype(np.float32)
            vectors["dense"] = dense / np.linalg.norm(dense, axis=1, keepdims=True)
        yield PointBatch(ids, [{"document_id": point} for point in ids], vectors)


def write(points: int, part_points: int, dim: int, every: int) -> None:
    """Write the points and say how many are in now and then; runs in a process of its own."""
    with tempfile.TemporaryDirectory() as folder, EdgeStore(Path(folder) / "store", part_points=part_points) as store:
        dense = [Space(name="dense", kind=SpaceKind.DENSE, dim=dim)] if dim else []
        store.create_collection(NAME, [Space(name="tfidf", kind=SpaceKind.SPARSE), *dense])
        store.create_payload_index(NAME, "document_id", "keyword")
        for number, batch in enumerate(batches(points, dim), 1):
            store.upsert(NAME, batch)
            if number * BATCH % every == 0:
                print(number * BATCH, flush=True)
        store.optimize(NAME)
        print("joined", flush=True)


class Peaks(threading.Thread):
    """The most that a process and its children held since they were last asked for, looked at twenty times a second."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._most = [0.0, 0.0, 0.0]
        self.start()

    def run(self) -> None:
        """Look until the process is gone."""
        while (found := memory_of(self._process))[0]:
            joining = sum(memory_of(child)[0] for child in children_of(self._process))
            self._most = [max(pair) for pair in zip(self._most, [*found, joining], strict=True)]
            time.sleep(0.05)

    def take(self) -> list[float]:
        """Resident MB, anonymous MB, and resident MB of the children."""
        found, self._most = self._most, [0.0, 0.0, 0.0]
        return found


def main() -> None:
    """Both ways, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=800_000)
    parser.add_argument("--part-points", type=int, default=PART_POINTS)
    parser.add_argument("--dim", type=int, default=0, help="dimensions of a dense vector of each point [default: none]")
    parser.add_argument("--every", type=int, default=100_000)
    parser.add_argument("--parts-only", action="store_true", help="leave out the one part")
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        write(arguments.points, arguments.alone, arguments.dim, arguments.every)
        return
    ways = [("parts", arguments.part_points), ("one part", arguments.points + BATCH)]
    for title, most in ways[:1] if arguments.parts_only else ways:
        print(f"{title}\n{'points':>10} {'seconds':>8} {'MB':>6} {'own MB':>7} {'joining MB':>11}", flush=True)
        command = [sys.executable, __file__, "--alone", str(most), "--points", str(arguments.points)]
        command += ["--dim", str(arguments.dim), "--every", str(arguments.every)]
        started = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            peaks = Peaks(child.pid)
            for line in child.stdout or ():
                resident, own, joining = peaks.take()
                seconds = time.monotonic() - started
                print(f"{line.strip():>10} {seconds:8.0f} {resident:6.0f} {own:7.0f} {joining:11.0f}", flush=True)
        if child.returncode:
            raise SystemExit(child.returncode)


if __name__ == "__main__":
    main()
