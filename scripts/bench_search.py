"""Search latency on the embedded store, encoding left out.

Builds a corpus of random vectors (dense of 384 dimensions, about 40 TF-IDF terms, Word2Vec of
100; five passages a document, and the documents' own TF-IDF), asks it queries of three spaces one
by one and in batches, and prints medians, ratios and, of single ones, where the time goes. All three spaces weigh
something, unless ``--default-weights`` are asked for: those leave Word2Vec out.

    python scripts/bench_search.py [--passages 20000] [--queries 200] [--store FOLDER]
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from scipy.sparse import csr_array

from ingest.corpus import create_shelves
from schemas.ids import document_point_id, passage_point_id
from schemas.manifest import CorpusManifest, Counts
from schemas.spaces import PointBatch, Shelf, Space, SpaceKind
from schemas.storage import StorageSettings
from search import Corpus
from stores.base import Store
from stores.edge_parts import PART_POINTS
from stores.embedded import EdgeStore

SPACES = {
    "dense": Space(name="dense", kind=SpaceKind.DENSE, dim=384),
    "tfidf": Space(name="tfidf", kind=SpaceKind.SPARSE),
    "word2vec": Space(name="word2vec", kind=SpaceKind.DENSE, dim=100),
}
WEIGHTS = {"dense": 1.5, "tfidf": 1.0, "word2vec": 0.5}
VOCABULARY = 50_000
PASSAGES = 5
"""Passages a document."""


def unit(rng: np.random.Generator, rows: int, dim: int, centres: np.ndarray) -> np.ndarray:
    """Clustered unit vectors, as texts give them: independent ones have no near neighbours."""
    found = centres[rng.integers(0, len(centres), rows)] + 0.6 * rng.standard_normal((rows, dim)) / dim**0.5
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def terms(rng: np.random.Generator, rows: int, count: int) -> csr_array:
    """Unit sparse rows whose terms follow Zipf's law."""
    columns, values, ends = [], [], [0]
    for _ in range(rows):
        chosen = np.unique((VOCABULARY * rng.random(count) ** 3).astype(np.int64))
        weight = rng.random(len(chosen)) + 0.1
        columns.append(chosen)
        values.append(weight / np.linalg.norm(weight))
        ends.append(ends[-1] + len(chosen))
    data = np.concatenate(values).astype(np.float32)
    return csr_array((data, np.concatenate(columns), np.array(ends)), shape=(rows, VOCABULARY))


def vectors(rng: np.random.Generator, rows: int, count: int, centres: dict[str, np.ndarray]) -> dict:
    """Vectors of all three spaces."""
    return {
        "dense": unit(rng, rows, 384, centres["dense"]),
        "tfidf": terms(rng, rows, count),
        "word2vec": unit(rng, rows, 100, centres["word2vec"]),
    }


class Timed:
    """A store that adds up the seconds spent in it by searches; all else is the store's own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in ("nearest", "query", "retrieve", "columns"):
            return found

        def timed(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return found(*arguments, **options)
            finally:
                self.seconds += time.perf_counter() - started

        return timed


def build(
    store: Store, passages: int, rng: np.random.Generator, centres: dict[str, np.ndarray], storage: StorageSettings
) -> None:
    """Fill the corpus ``bench``."""
    manifest = CorpusManifest(
        corpus="bench",
        complete=True,
        storage=storage,
        spaces=SPACES,
        encoders={},
        counts=Counts(passages=passages, documents=-(-passages // PASSAGES)),
        created=datetime.now(UTC).isoformat(),
    )
    create_shelves(store, manifest)
    started = time.perf_counter()
    name = f"bench.g1.{Shelf.PASSAGES}"
    for start in range(0, passages, 2000):
        rows = min(2000, passages - start)
        payloads = [
            {
                "document_id": str((start + row) // PASSAGES),
                "title": f"Title {start + row}",
                "chapter": None,
                "position": (start + row) % PASSAGES,
                "start": 0,
                "end": 300,
                "text": "x" * 300,
                "meta": {},
            }
            for row in range(rows)
        ]
        ids = [passage_point_id("bench", str(at // PASSAGES), at % PASSAGES) for at in range(start, start + rows)]
        store.upsert(name, PointBatch(ids, payloads, vectors(rng, rows, 40, centres)))
    whole = f"bench.g1.{Shelf.DOCUMENTS}"
    for start in range(0, manifest.counts.documents, 2000):
        documents = [str(at) for at in range(start, min(start + 2000, manifest.counts.documents))]
        store.upsert(
            whole,
            PointBatch(
                [document_point_id("bench", document) for document in documents],
                [{"document_id": document} for document in documents],
                {"tfidf": terms(rng, len(documents), 150)},
            ),
        )
    store.optimize(name)
    store.optimize(whole)
    store.write_manifest(manifest)
    print(f"{passages:,} passages built in {time.perf_counter() - started:.1f} s")


def ask(store: Timed, asked: dict, queries: int, size: int, rounds: int, grouped: bool, weights: dict | None) -> None:
    """Ask one by one and in batches, and print both.

    Each batch is asked in the middle of its own queries asked singly: the machine may be half as fast a minute later.
    """
    corpus = Corpus("bench", cast("Store", store))
    search = partial(corpus.search_vectors, by_document=grouped, weights=weights)
    one = [{n: v[[q]] for n, v in asked.items()} for q in range(queries)]
    for query in one[:100]:
        search(query)
    store.seconds = inside = cpu = 0.0
    singles: list[float] = []
    ratios, batched = [], 0.0

    def singly(rows: range) -> float:
        nonlocal cpu, inside
        spent, store.seconds, before = time.process_time(), 0.0, len(singles)
        for row in rows:
            started = time.perf_counter()
            search(one[row])
            singles.append((time.perf_counter() - started) * 1e3)
        cpu += time.process_time() - spent
        inside += store.seconds
        return sum(singles[before:])

    starts = [at for _ in range(rounds) for at in range(0, queries - size + 1, size)]
    for at in starts:
        alone = singly(range(at, at + size // 2))
        started = time.perf_counter()
        search({n: v[at : at + size] for n, v in asked.items()})
        batch = (time.perf_counter() - started) * 1e3
        alone += singly(range(at + size // 2, at + size))
        ratios.append(alone / batch)
        batched += batch
    label = "three spaces, grouped by document" if grouped else "three spaces"
    print(
        f"{label}: median {statistics.median(singles):.2f} ms, p95 {np.percentile(singles, 95):.2f} ms over "
        f"{len(singles)} queries; {inside / len(singles) * 1e3:.2f} ms of {statistics.mean(singles):.2f} in the store, "
        f"{cpu / len(singles) * 1e3:.2f} ms of processor"
    )
    print(
        f"{label}: a batch of {size} at {statistics.median(ratios):.2f} times the rate of single queries "
        f"({min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)}), {batched / (size * len(ratios)):.2f} ms each"
    )


def main() -> None:
    """Build, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passages", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=6, help="how often all queries are asked [default: 6]")
    parser.add_argument("--default-weights", action="store_true", help="weigh as a search does that names no weights")
    parser.add_argument("--store", help="a folder to build in, or that an earlier run built [default: none is kept]")
    parser.add_argument("--quantization", choices=["scalar", "none"], help="of dense vectors [default: the store's]")
    parser.add_argument("--segment-mb", type=int, help="most MB of vectors in a segment [default: the store's]")
    parser.add_argument("--part-points", type=int, default=PART_POINTS, help="points of a part [default: %(default)s]")
    arguments = parser.parse_args()
    storage = StorageSettings(quantization=arguments.quantization, max_segment_mb=arguments.segment_mb)
    rng = np.random.default_rng(7)
    centres = {
        name: rng.standard_normal((500, space.dim)) / space.dim**0.5 for name, space in SPACES.items() if space.dim
    }
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with (
        tempfile.TemporaryDirectory() as folder,
        EdgeStore(Path(arguments.store or folder), part_points=arguments.part_points) as store,
    ):
        if store.read_manifest("bench") is None:
            build(store, arguments.passages, rng, centres, storage)
        asked = vectors(rng, arguments.queries, 8, centres)
        for grouped in (False, True):
            size = min(arguments.batch, arguments.queries)
            weights = None if arguments.default_weights else WEIGHTS
            ask(Timed(store), asked, arguments.queries, size, arguments.rounds, grouped, weights)


if __name__ == "__main__":
    main()
