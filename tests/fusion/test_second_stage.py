"""The first hits judged again, on both stores."""

import math
from uuid import UUID

import numpy as np
import pytest
from scipy.sparse import csr_array

from schemas.errors import CorpusError, UsageError
from schemas.ids import passage_point_id
from schemas.manifest import CorpusManifest
from schemas.spaces import PointBatch, Shelf, Space, SpaceKind
from search.fusion import fuse
from search.second_stage import Reranking, second_stage
from stores.base import collection_name
from stores.embedded import EdgeStore
from stores.server import ServerStore

SPACES = {
    "dense": Space(name="dense", kind=SpaceKind.DENSE, dim=2),
    "tfidf": Space(name="tfidf", kind=SpaceKind.SPARSE),
    "colbert": Space(name="colbert", kind=SpaceKind.MULTI, dim=2),
}
MANIFEST = CorpusManifest(corpus="demo", spaces=SPACES, encoders={})
TEXTS = ["airport hotel", "quiet tale", "airport quiet", "白骨精"]
IDS = [passage_point_id("demo", f"d{n}", 0) for n in range(4)]
POINTS = [UUID(point).int for point in IDS]
DENSE = np.array([[1, 0], [1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32)
TFIDF = csr_array(np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0.6, 0.8]], dtype=np.float32))
TOKENS = [
    np.array([[1, 0]], dtype=np.float32),
    np.array([[0, 1], [0.6, 0.8]], dtype=np.float32),
    np.array([[0.8, 0.6]], dtype=np.float32),
    np.zeros((0, 2), dtype=np.float32),
]
QUERY = [np.array([[0, 1], [1, 0]], dtype=np.float32)]


@pytest.fixture(params=["embedded", "emulated"])
def store(request, tmp_path):
    with ServerStore(":memory:") if request.param == "emulated" else EdgeStore(tmp_path / "store") as store:
        name = collection_name("demo", 1, Shelf.PASSAGES)
        store.create_collection(name, list(SPACES.values()))
        payloads = [{"document_id": f"d{n}", "title": "", "text": text} for n, text in enumerate(TEXTS)]
        store.upsert(name, PointBatch(IDS, payloads, {"dense": DENSE, "tfidf": TFIDF, "colbert": TOKENS}))
        yield store


def first_stage(*order):
    return [fuse({"dense": [(POINTS[n], 1 - place / 10) for place, n in enumerate(order)]})]


def ask(store, stage, ranking, manifest=MANIFEST, encode=lambda texts, spaces: {"colbert": QUERY}):
    (found,) = second_stage(store, manifest, encode, ["airport"], ranking, stage)
    return found


def max_sim(tokens):
    return float((QUERY[0] @ tokens.T).max(axis=1).sum()) if len(tokens) else -math.inf


def test_colbert_orders_the_first_hits_by_max_sim_in_the_engine(store):
    found = ask(store, Reranking(by="colbert"), first_stage(0, 2, 1, 3))
    expected = sorted(range(3), key=lambda n: -max_sim(TOKENS[n]))
    # The passage without token vectors was not judged: it comes last, with the score it had.
    assert [hit.id for hit in found] == [POINTS[n] for n in (*expected, 3)]
    for hit, n in zip(found, expected, strict=False):
        assert hit.score == pytest.approx(max_sim(TOKENS[n]), abs=1e-6)
        assert hit.spaces["colbert"].share == 1
        assert hit.spaces["dense"].share == 0
    assert [hit.spaces["colbert"].rank for hit in found[:3]] == [1, 2, 3]
    assert "colbert" not in found[3].spaces


def test_only_the_first_hits_are_judged_and_the_others_follow_as_they_were(store):
    found = ask(store, Reranking(by="colbert", top=2), first_stage(0, 2, 1, 3))
    assert [hit.id for hit in found] == [POINTS[n] for n in (2, 0, 1, 3)]


@pytest.mark.parametrize("spaces", [["dense"], ["tfidf"]], ids=["dense", "sparse"])
def test_diversity_puts_a_twin_after_something_different(store, spaces):
    manifest = MANIFEST.model_copy(update={"spaces": {name: SPACES[name] for name in spaces}})
    plain = ask(store, Reranking(diversity=0.0), first_stage(0, 1, 2, 3), manifest)
    assert [hit.id for hit in plain] == POINTS
    spread = ask(store, Reranking(diversity=0.6), first_stage(0, 1, 2, 3), manifest)
    assert [hit.id for hit in spread[:2]] == [POINTS[0], POINTS[2]]
    assert {hit.id for hit in spread} == set(POINTS)


def test_diversity_works_on_what_a_judge_ordered(store):
    both = ask(store, Reranking(by="colbert", diversity=0.0), first_stage(0, 2, 1, 3))
    assert [hit.id for hit in both] == [hit.id for hit in ask(store, Reranking(by="colbert"), first_stage(0, 2, 1, 3))]


@pytest.mark.models
@pytest.mark.parametrize("kind", ["cross-encoder", "flag-reranker"])
def test_a_cross_encoder_reads_query_and_passage(store, tiny_cross_encoder, kind):
    from search.rerank import CrossEncoderReranker
    from search.second_stage import LIBRARIES

    pytest.importorskip(LIBRARIES[kind].replace("-", "_"))
    found = ask(store, Reranking(by=f"{kind}:{tiny_cross_encoder}"), first_stage(3, 2, 1, 0))
    order = CrossEncoderReranker(tiny_cross_encoder, library=LIBRARIES[kind]).order("airport", TEXTS)
    assert [hit.id for hit in found] == [POINTS[n] for n, _ in order]
    assert [hit.score for hit in found] == pytest.approx([score for _, score in order], abs=1e-5)
    assert found[0].spaces[kind].share == 1


def test_nothing_found_is_nothing_to_judge(store):
    assert ask(store, Reranking(by="colbert", diversity=0.5), [[]]) == []


@pytest.mark.parametrize(
    ("stage", "error", "why"),
    [
        (Reranking(by="best"), UsageError, "colbert, cross-encoder"),
        (Reranking(by="colbert:x"), UsageError, "colbert, cross-encoder"),
        (Reranking(diversity=1.5), UsageError, "from 0"),
        (Reranking(diversity=float("nan")), UsageError, "from 0"),
        (Reranking(by="colbert", top=0), UsageError, "at least 1"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_loaded(stage, error, why):
    with pytest.raises(error, match=why):
        stage.check(MANIFEST)


def test_a_corpus_without_token_vectors_says_how_to_get_them():
    manifest = MANIFEST.model_copy(update={"spaces": {"dense": SPACES["dense"]}})
    with pytest.raises(CorpusError, match="xunyi spaces add demo bge-m3 --spaces colbert"):
        Reranking(by="colbert").check(manifest)


def test_no_second_stage_is_false():
    assert not Reranking()
    assert Reranking(diversity=0.0)
