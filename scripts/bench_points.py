"""Memory of the embedded store while points are written, in parts and in one.

Writes made-up points of 30 TF-IDF terms, by Zipf's law of a vocabulary of 400,000, in a process of its own for each
way, and prints resident memory and how much of it is not file-backed. It is what ``scripts/bench_memory.py`` shows of a
whole ingest, without the hours that reading, fitting and encoding take.

    python scripts/bench_points.py [--points 800000] [--part-points 100000]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid5

import numpy as np
from bench_memory import memory_of
from scipy.sparse import csr_array

from schemas.spaces import PointBatch, Space, SpaceKind
from stores.edge_parts import PART_POINTS
from stores.embedded import EdgeStore

NAME = "bench.g1.passages"
TERMS, VOCABULARY, BATCH = 30, 400_000, 1000


def batches(points: int, seed: int = 3) -> Iterator[PointBatch]:
    """Points in batches, the same in every run."""
    rng = np.random.default_rng(seed)
    for start in range(0, points, BATCH):
        rows = [np.unique(row) for row in np.minimum(rng.zipf(1.25, (BATCH, TERMS)), VOCABULARY)]
        indices = np.concatenate(rows)
        pointers = np.cumsum([0, *map(len, rows)])
        matrix = csr_array((np.ones(len(indices), np.float32), indices, pointers), shape=(BATCH, VOCABULARY + 1))
        ids = [str(uuid5(UUID(int=1), str(number))) for number in range(start, start + BATCH)]
        yield PointBatch(ids, [{"document_id": point} for point in ids], {"tfidf": matrix})


def write(points: int, part_points: int, every: int) -> None:
    """Write the points and print memory now and then; runs in a process of its own."""
    with tempfile.TemporaryDirectory() as folder, EdgeStore(Path(folder) / "store", part_points=part_points) as store:
        store.create_collection(NAME, [Space(name="tfidf", kind=SpaceKind.SPARSE)])
        store.create_payload_index(NAME, "document_id", "keyword")
        peak = 0.0
        for number, batch in enumerate(batches(points), 1):
            store.upsert(NAME, batch)
            resident, own = memory_of(os.getpid())
            peak = max(peak, resident)
            if number * BATCH % every == 0:
                print(f"{number * BATCH:>10,} {resident:>9.0f} {own:>7.0f} {peak:>8.0f}", flush=True)


def main() -> None:
    """Both ways, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=800_000)
    parser.add_argument("--part-points", type=int, default=PART_POINTS)
    parser.add_argument("--every", type=int, default=100_000)
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        write(arguments.points, arguments.alone, arguments.every)
        return
    for title, most in (("parts", arguments.part_points), ("one part", arguments.points + BATCH)):
        print(f"{title}\n{'points':>10} {'MB now':>9} {'own MB':>7} {'peak MB':>8}", flush=True)
        command = [sys.executable, __file__, "--alone", str(most), "--points", str(arguments.points)]
        subprocess.run([*command, "--every", str(arguments.every)], check=True)


if __name__ == "__main__":
    main()
