"""What a corpus is said to take with ten times the passages, beside what one takes that has as many."""

import pytest

from schemas.manifest import CorpusManifest, Counts
from schemas.spaces import Space, SpaceKind
from search.catalog import corpus_info
from stores.embedded import EdgeStore
from stores.server import ServerStore
from tests.stores.conftest import batch, sparse, unit

SPACES = [Space(name="dense", kind=SpaceKind.DENSE, dim=64), Space(name="sparse", kind=SpaceKind.SPARSE)]


def fill(store, corpus, passages):
    """A corpus with a document a passage, and a term each: ten of them are a small one."""
    for shelf in ("passages", "documents", "terms"):
        name = f"{corpus}.g1.{shelf}"
        store.create_collection(name, SPACES)
        for field in ("title", "source", "document_id"):
            store.create_payload_index(name, field, "keyword")
        count = round(passages**0.6) if shelf == "terms" else passages
        ids = range(1, count + 1)
        vectors = unit([[1.0, n, *[n % 7] * 62] for n in ids])
        store.upsert(name, batch(ids, dense=vectors, sparse=sparse([dict.fromkeys(range(60), 1.0) for _ in ids])))
        store.optimize(name)
    counts = Counts(passages=passages, documents=passages)
    spaces = {space.name: space for space in SPACES}
    store.write_manifest(CorpusManifest(corpus=corpus, complete=True, spaces=spaces, encoders={}, counts=counts))


@pytest.mark.parametrize("passages", [100, 300])
def test_what_a_small_corpus_takes_at_ten_times_is_about_what_one_of_that_size_takes(tmp_path, passages):
    with EdgeStore(tmp_path / "store") as store:
        fill(store, "small", passages)
        fill(store, "large", 10 * passages)
        small, large = corpus_info("small", store), corpus_info("large", store)
    told, real = small.bytes_at_ten_times, sum(large.bytes_on_disk.values())
    assert 0.6 * real < told < 1.6 * real
    assert told > sum(small.bytes_on_disk.values())


def test_a_corpus_without_passages_and_one_on_a_server_have_no_estimate(tmp_path):
    for store in (EdgeStore(tmp_path / "store"), ServerStore(":memory:")):
        with store:
            store.write_manifest(CorpusManifest(corpus="c", complete=True, spaces={}, encoders={}))
            found = corpus_info("c", store)
            assert (found.bytes_per_passage, found.bytes_at_ten_times) == (None, None)
