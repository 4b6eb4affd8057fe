"""Search latency on the embedded store, encoding left out.

Builds a corpus of random vectors (dense of 384 dimensions, about 40 TF-IDF terms, Word2Vec of
100; five passages a document, and the documents' own TF-IDF), asks it queries of three spaces one
by one and in batches, and prints medians and ratios.

    python scripts/bench_search.py [--passages 20000] [--queries 200]
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime

import numpy as np
from scipy.sparse import csr_array

from ingest.corpus import create_shelves
from schemas.ids import document_point_id, passage_point_id
from schemas.manifest import CorpusManifest, Counts
from schemas.spaces import PointBatch, Shelf, Space, SpaceKind
from search import Corpus
from stores.opening import open_store

SPACES = {
    "dense": Space(name="dense", kind=SpaceKind.DENSE, dim=384),
    "tfidf": Space(name="tfidf", kind=SpaceKind.SPARSE),
    "word2vec": Space(name="word2vec", kind=SpaceKind.DENSE, dim=100),
}
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


def main() -> None:
    """Build, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passages", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--batch", type=int, default=100)
    arguments = parser.parse_args()
    rng = np.random.default_rng(7)
    centres = {
        name: rng.standard_normal((500, space.dim)) / space.dim**0.5 for name, space in SPACES.items() if space.dim
    }
    with tempfile.TemporaryDirectory() as folder, open_store(folder) as store:
        manifest = CorpusManifest(
            corpus="bench",
            complete=True,
            spaces=SPACES,
            encoders={},
            counts=Counts(passages=arguments.passages, documents=-(-arguments.passages // PASSAGES)),
            created=datetime.now(UTC).isoformat(),
        )
        create_shelves(store, manifest)
        store.write_manifest(manifest)
        started = time.perf_counter()
        name = f"bench.g1.{Shelf.PASSAGES}"
        for start in range(0, arguments.passages, 2000):
            rows = min(2000, arguments.passages - start)
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
        print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        print(f"{arguments.passages:,} passages built in {time.perf_counter() - started:.1f} s")
        corpus = Corpus("bench", store)
        asked = vectors(rng, arguments.queries, 8, centres)
        one = [{n: v[[q]] for n, v in asked.items()} for q in range(arguments.queries)]
        for grouped in (False, True):
            for query in one:
                corpus.search_vectors(query, by_document=grouped)
            singles = []
            for query in one:
                start_one = time.perf_counter()
                corpus.search_vectors(query, by_document=grouped)
                singles.append((time.perf_counter() - start_one) * 1e3)
            label = "three spaces, grouped by document" if grouped else "three spaces"
            print(
                f"{label}: median {statistics.median(singles):.2f} ms, "
                f"p95 {np.percentile(singles, 95):.2f} ms over {len(singles)} queries"
            )
            ratios = []
            size = min(arguments.batch, arguments.queries)
            for at in range(0, arguments.queries - size + 1, size):
                begin = time.perf_counter()
                corpus.search_vectors({n: v[at : at + size] for n, v in asked.items()}, by_document=grouped)
                batch = time.perf_counter() - begin
                ratios.append(sum(singles[at : at + size]) / 1e3 / batch)
            print(f"{label}: a batch of {size} at {statistics.median(ratios):.2f} times the rate of single queries")


if __name__ == "__main__":
    main()
