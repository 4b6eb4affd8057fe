"""A small corpus of known vectors, on both stores, to be asked by vectors."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.sparse import csr_array

from ingest.corpus import create_shelves
from schemas.ids import document_point_id, passage_point_id
from schemas.manifest import CorpusManifest, Counts, FitStats
from schemas.spaces import PointBatch, Shelf, Space, SpaceKind
from stores.base import collection_name
from stores.embedded import EdgeStore
from stores.server import ServerStore

SPACES = {
    "dense": Space(name="dense", kind=SpaceKind.DENSE, dim=8),
    "tfidf": Space(name="tfidf", kind=SpaceKind.SPARSE),
    "colbert": Space(name="colbert", kind=SpaceKind.MULTI, dim=4),
}
TERMS = 40


@dataclass(frozen=True)
class Made:
    """What the corpus ``demo`` holds: of each passage its document, and the vectors; rows go by id."""

    ids: list[str]
    documents: list[str]
    vectors: dict
    manifest: CorpusManifest


def unit(matrix):
    return (matrix / np.linalg.norm(matrix, axis=-1, keepdims=True)).astype(np.float32)


def sparse_rows(rng, rows, count):
    dense = np.zeros((rows, TERMS), dtype=np.float32)
    for row in range(rows):
        dense[row, rng.choice(TERMS, count, replace=False)] = rng.random(count) + 0.1
    return csr_array(unit(dense))


def fill(store, sizes):
    """Documents of so many passages each."""
    rng = np.random.default_rng(3)
    documents = [f"d{n}" for n, size in enumerate(sizes) for _ in range(size)]
    ids = [passage_point_id("demo", f"d{n}", at) for n, size in enumerate(sizes) for at in range(size)]
    rows = len(ids)
    vectors = {
        "dense": unit(rng.standard_normal((rows, 8)) + 0.5),
        "tfidf": sparse_rows(rng, rows, 5),
        "colbert": [unit(rng.standard_normal((3, 4))) for _ in range(rows)],
    }
    manifest = CorpusManifest(
        corpus="demo",
        complete=True,
        spaces=SPACES,
        encoders={},
        fit=FitStats(passages=rows, features=TERMS),
        counts=Counts(passages=rows, documents=len(sizes)),
    )
    create_shelves(store, manifest)
    payloads = [
        {"document_id": document, "title": document, "position": 0, "start": 0, "end": 4, "text": "text", "meta": {}}
        for document in documents
    ]
    store.upsert(collection_name("demo", 1, Shelf.PASSAGES), PointBatch(ids, payloads, vectors))
    whole = [document_point_id("demo", f"d{n}") for n in range(len(sizes))]
    store.upsert(
        collection_name("demo", 1, Shelf.DOCUMENTS),
        PointBatch(
            whole,
            [{"document_id": f"d{n}", "title": f"d{n}", "text": "text"} for n in range(len(sizes))],
            {"tfidf": sparse_rows(rng, len(sizes), 12), "dense": unit(rng.standard_normal((len(sizes), 8)))},
        ),
    )
    store.write_manifest(manifest)
    return Made(ids, documents, vectors, manifest)


@pytest.fixture(scope="session", params=["embedded", "emulated"])
def filled(request, tmp_path_factory):
    """A store, with a corpus of one document of 450 passages and 59 of 5."""
    folder = tmp_path_factory.mktemp("answering") / "store"
    with ServerStore(":memory:") if request.param == "emulated" else EdgeStore(folder) as store:
        yield store, fill(store, [450] + [5] * 59)
