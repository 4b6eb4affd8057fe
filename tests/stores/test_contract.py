"""What both stores promise, shown on each of them."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest
from qdrant_client import models

from schemas.errors import StoreError, UsageError
from schemas.manifest import CorpusManifest
from schemas.spaces import Space, SpaceKind
from tests.stores.conftest import NAME, SPACES, batch, point_id, sparse, unit

# The emulation computes similarity to points without a vector in that space.
pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")


def manifest(corpus: str, generation: int = 1) -> CorpusManifest:
    return CorpusManifest(corpus=corpus, generation=generation, spaces={s.name: s for s in SPACES}, encoders={})


def ids(found) -> list[str]:
    return [point.id for point in found]


def match(field: str, value) -> models.Filter:
    return models.Filter(must=[models.FieldCondition(key=field, match=models.MatchValue(value=value))])


def asked(store, **request) -> list[models.ScoredPoint]:
    return store.query(NAME, [models.QueryRequest(**request)])[0]


@pytest.fixture
def filled(store):
    """Six points; the last has no dense vector."""
    for field, kind in (("city", "keyword"), ("text", "text")):
        store.create_payload_index(NAME, field, kind)
    store.upsert(
        NAME,
        batch(
            list(range(6)),
            [
                {"n": 0, "city": "北京", "open": True, "when": "2024-01-01T00:00:00Z", "text": "孙悟空三打白骨精"},
                {"n": 1, "city": "北京", "open": False, "when": "2024-06-01T00:00:00Z", "text": "唐僧西天取经"},
                {"n": 2, "city": "Seattle", "open": True, "when": "2025-01-01T00:00:00Z", "text": "A hotel downtown"},
                {"n": 3, "city": "Seattle", "rooms": [{"beds": 1, "view": "sea"}, {"beds": 2, "view": "yard"}]},
                {"n": 4, "city": None, "tags": []},
                {"n": 5},
            ],
            dense=unit([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]),
            sparse=sparse([{1: 1.0}, {1: 0.5, 2: 0.5}, {2: 1.0}, {}, {3: 1.0}, {1: 0.1}]),
            colbert=[unit([[1, 0]]), unit([[1, 0], [0, 1]]), *([np.zeros((0, 2), np.float32)] * 4)],
        ),
    )
    return store


def test_what_is_written_comes_back_as_it_was(filled):
    (found,) = filled.retrieve(NAME, [point_id(1)], vectors=True)
    assert found.payload["text"] == "唐僧西天取经"
    assert found.vector["dense"] == pytest.approx([0.5**0.5, 0.5**0.5, 0, 0], abs=1e-6)
    assert dict(zip(found.vector["sparse"].indices, found.vector["sparse"].values, strict=True)) == {1: 0.5, 2: 0.5}
    assert np.asarray(found.vector["colbert"]) == pytest.approx(np.eye(2))


def test_a_zero_or_empty_row_leaves_the_point_out_of_that_space(filled):
    (found,) = filled.retrieve(NAME, [point_id(5)], vectors=True)
    assert set(found.vector) == {"sparse"}
    assert point_id(5) not in ids(asked(filled, query=[1.0, 1.0, 1.0, 1.0], using="dense", limit=10))
    assert asked(filled, query=models.SparseVector(indices=[1], values=[1.0]), using="sparse", limit=10)[
        -1
    ].id == point_id(5)


def test_retrieve_keeps_the_order_asked_for_and_leaves_out_what_is_missing(filled):
    wanted = [point_id(n) for n in (3, 99, 0, 2)]
    assert ids(filled.retrieve(NAME, wanted)) == [point_id(n) for n in (3, 0, 2)]
    assert filled.retrieve(NAME, []) == []


def test_retrieve_gives_the_payload_fields_and_spaces_that_are_named(filled):
    (found,) = filled.retrieve(NAME, [point_id(0)], payload=["n"], vectors=["dense"])
    assert found.payload == {"n": 0}
    assert set(found.vector) == {"dense"}


def test_columns_are_those_of_a_sparse_space_and_points_without_any_are_left_out(filled):
    numbers = [UUID(point_id(n)).int for n in range(6)]
    found = filled.columns(NAME, [*numbers, 7], "sparse")
    assert {numbers.index(point): sorted(columns) for point, columns in found.items()} == {
        0: [1],
        1: [1, 2],
        2: [2],
        4: [3],
        5: [1],
    }
    assert filled.columns(NAME, [], "sparse") == {}


def test_scroll_goes_through_everything_in_the_order_of_ids(filled):
    everything = sorted(point_id(n) for n in range(6))
    assert ids(filled.scroll(NAME, batch_size=2)) == everything
    north = sorted(point_id(n) for n in (0, 1))
    assert ids(filled.scroll(NAME, query_filter=match("city", "北京"), batch_size=1)) == north


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (models.FieldCondition(key="city", match=models.MatchValue(value="北京")), {0, 1}),
        (models.FieldCondition(key="n", match=models.MatchValue(value=2)), {2}),
        (models.FieldCondition(key="open", match=models.MatchValue(value=True)), {0, 2}),
        (models.FieldCondition(key="open", match=models.MatchValue(value=False)), {1}),
        (models.FieldCondition(key="city", match=models.MatchAny(any=["北京", "Paris"])), {0, 1}),
        (models.FieldCondition(key="city", match=models.MatchExcept(**{"except": ["北京"]})), {2, 3}),
        (models.FieldCondition(key="n", range=models.Range(gt=1, lte=4)), {2, 3, 4}),
        (models.FieldCondition(key="when", range=models.DatetimeRange(gte="2024-06-01", lt="2025-01-01")), {1}),
        (models.IsEmptyCondition(is_empty=models.PayloadField(key="city")), {4, 5}),
        (models.IsEmptyCondition(is_empty=models.PayloadField(key="tags")), {0, 1, 2, 3, 4, 5}),
        (models.IsNullCondition(is_null=models.PayloadField(key="city")), {4}),
        (models.HasIdCondition(has_id=[point_id(2), point_id(99)]), {2}),
        (models.HasVectorCondition(has_vector="dense"), {0, 1, 2, 3, 4}),
        (
            models.Filter(must_not=[models.FieldCondition(key="city", match=models.MatchValue(value="Seattle"))]),
            {0, 1, 4, 5},
        ),
        (
            models.Filter(
                min_should=models.MinShould(
                    min_count=2,
                    conditions=[
                        models.FieldCondition(key="city", match=models.MatchValue(value="北京")),
                        models.FieldCondition(key="open", match=models.MatchValue(value=True)),
                    ],
                )
            ),
            {0},
        ),
        (
            models.NestedCondition(
                nested=models.Nested(
                    key="rooms",
                    filter=models.Filter(
                        must=[
                            models.FieldCondition(key="beds", match=models.MatchValue(value=2)),
                            models.FieldCondition(key="view", match=models.MatchValue(value="yard")),
                        ]
                    ),
                )
            ),
            {3},
        ),
        (
            models.NestedCondition(
                nested=models.Nested(
                    key="rooms",
                    filter=models.Filter(
                        must=[
                            models.FieldCondition(key="beds", match=models.MatchValue(value=2)),
                            models.FieldCondition(key="view", match=models.MatchValue(value="sea")),
                        ]
                    ),
                )
            ),
            set(),
        ),
    ],
)
def test_a_filter_finds_exactly_what_it_says(filled, condition, expected):
    chosen = condition if isinstance(condition, models.Filter) else models.Filter(must=[condition])
    assert set(ids(filled.scroll(NAME, query_filter=chosen))) == {point_id(n) for n in expected}
    assert filled.count(NAME, chosen) == len(expected)


def test_text_match_finds_english_words_whatever_their_case(filled):
    found = models.Filter(must=[models.FieldCondition(key="text", match=models.MatchText(text="hotel"))])
    assert ids(filled.scroll(NAME, query_filter=found)) == [point_id(2)]


def test_a_filter_narrows_a_query(filled):
    found = asked(filled, query=[0.0, 1.0, 0.0, 0.0], using="dense", filter=match("city", "北京"), limit=10)
    assert ids(found) == [point_id(1), point_id(0)]


def test_each_space_ranks_by_its_own_measure(filled):
    dense, by_terms, tokens = filled.query(
        NAME,
        [
            models.QueryRequest(query=[1.0, 0.0, 0.0, 0.0], using="dense", limit=2),
            models.QueryRequest(query=models.SparseVector(indices=[2, 1], values=[1.0, 0.0]), using="sparse", limit=2),
            models.QueryRequest(query=[[1.0, 0.0], [0.0, 1.0]], using="colbert", limit=2),
        ],
    )
    assert [(p.id, round(p.score, 5)) for p in dense] == [(point_id(0), 1.0), (point_id(1), 0.70711)]
    assert [(p.id, round(p.score, 5)) for p in by_terms] == [(point_id(2), 1.0), (point_id(1), 0.5)]
    assert [(p.id, round(p.score, 5)) for p in tokens] == [(point_id(1), 2.0), (point_id(0), 1.0)]


def test_a_query_gives_payload_and_vectors_only_when_asked(filled):
    (bare,) = asked(filled, query=[1.0, 0.0, 0.0, 0.0], using="dense", limit=1)
    assert not bare.payload
    assert not bare.vector
    (full,) = asked(
        filled, query=[1.0, 0.0, 0.0, 0.0], using="dense", limit=1, with_payload=["n"], with_vector=["sparse"]
    )
    assert full.payload == {"n": 0}
    assert set(full.vector) == {"sparse"}


def test_scores_below_the_threshold_are_left_out(filled):
    found = asked(filled, query=[1.0, 0.0, 0.0, 0.0], using="dense", limit=10, score_threshold=0.6)
    assert ids(found) == [point_id(0), point_id(1)]


def test_rrf_counts_ranks_with_its_weights(filled):
    prefetch = [
        models.Prefetch(query=[1.0, 0.1, 0.0, 0.0], using="dense", limit=3),
        models.Prefetch(query=models.SparseVector(indices=[2], values=[1.0]), using="sparse", limit=3),
    ]
    found = asked(filled, prefetch=prefetch, query=models.RrfQuery(rrf=models.Rrf(k=61)), limit=10)
    score = {p.id: p.score for p in found}
    assert score[point_id(2)] == pytest.approx(1 / 63 + 1 / 61, abs=1e-6)
    assert score[point_id(0)] == pytest.approx(1 / 61, abs=1e-6) or score[point_id(0)] == pytest.approx(
        1 / 62, abs=1e-6
    )


def test_mmr_prefers_what_differs_from_what_was_chosen(store):
    store.upsert(NAME, batch([0, 1, 2], dense=unit([[1, 0.05, 0, 0], [1, 0.06, 0, 0], [1, 0, 1, 0]])))
    query = models.NearestQuery(nearest=[1.0, 0.05, 0.0, 0.0], mmr=models.Mmr(diversity=0.9, candidates_limit=10))
    assert ids(asked(store, query=query, using="dense", limit=2)) == [point_id(0), point_id(2)]


@pytest.mark.parametrize("count", [40, 700])
def test_pages_over_identical_vectors_neither_repeat_nor_lose_a_point(store, count):
    store.upsert(NAME, batch(list(range(count)), dense=unit([[1, 0, 0, 0]] * count)))
    everything = sorted(point_id(n) for n in range(count))
    size = count // 4
    pages = []
    for start in range(0, count, size):
        page = asked(store, query=[1.0, 0.0, 0.0, 0.0], using="dense", limit=size, offset=start)
        again = asked(store, query=[1.0, 0.0, 0.0, 0.0], using="dense", limit=size, offset=start)
        assert ids(page) == ids(again)
        pages += ids(page)
    assert pages == everything


def test_upsert_replaces_a_point_whole(filled):
    filled.upsert(NAME, batch([0], [{"new": 1}], sparse=sparse([{9: 1.0}])))
    (found,) = filled.retrieve(NAME, [point_id(0)], vectors=True)
    assert found.payload == {"new": 1}
    assert set(found.vector) == {"sparse"}


def test_update_vectors_keeps_payload_and_other_spaces_and_makes_no_points(filled):
    filled.update_vectors(NAME, batch([0, 99], [], sparse=sparse([{7: 2.0}, {7: 1.0}])))
    (found,) = filled.retrieve(NAME, [point_id(0), point_id(99)], vectors=True)
    assert found.payload["city"] == "北京"
    assert found.vector["sparse"].indices == [7]
    assert found.vector["dense"] == pytest.approx([1, 0, 0, 0])
    assert filled.count(NAME) == 6


def test_update_vectors_with_an_empty_row_takes_the_point_out_of_that_space(filled):
    filled.update_vectors(NAME, batch([0], [], sparse=sparse([{}])))
    (found,) = filled.retrieve(NAME, [point_id(0)], vectors=True)
    assert "sparse" not in found.vector
    assert found.vector["dense"] == pytest.approx([1, 0, 0, 0])


def test_set_payload_leaves_other_keys(filled):
    filled.set_payload(NAME, {"seen": True}, [point_id(0), point_id(1)])
    (found,) = filled.retrieve(NAME, [point_id(0)])
    assert found.payload["seen"] is True
    assert found.payload["city"] == "北京"


def test_several_payloads_are_set_as_they_would_be_one_by_one(filled):
    filled.set_payloads(
        NAME,
        [
            ({"seen": 1}, [point_id(0), point_id(1)]),
            ({"seen": 2}, [point_id(2)]),
            ({"a": 3}, []),
            ({"b": 4}, [point_id(1)]),
        ],
    )
    found = filled.retrieve(NAME, [point_id(n) for n in range(3)])
    assert [(one.payload["seen"], one.payload.get("b")) for one in found] == [(1, None), (1, 4), (2, None)]


def test_delete_takes_ids_or_a_filter_and_a_second_time_is_harmless(filled):
    for _ in range(2):
        filled.delete(NAME, [point_id(5), point_id(99)])
        filled.delete(NAME, match("city", "北京"))
    assert set(ids(filled.scroll(NAME))) == {point_id(n) for n in (2, 3, 4)}


def test_facet_counts_values(filled):
    assert filled.facet(NAME, "city") == {"北京": 2, "Seattle": 2}
    assert filled.facet(NAME, "city", match("open", True)) == {"北京": 1, "Seattle": 1}


def test_facet_leaves_out_values_whose_points_are_gone(filled):
    filled.optimize(NAME)
    filled.delete(NAME, match("city", "北京"))
    assert filled.facet(NAME, "city") == {"Seattle": 2}


@pytest.mark.parametrize("kind", ["keyword", "integer", "float", "bool", "datetime", "text"])
def test_a_field_can_be_indexed_in_every_way_and_again(store, kind):
    for _ in range(2):
        store.create_payload_index(NAME, "field", kind)


def test_writing_nothing_is_nothing(store):
    store.upsert(NAME, batch([], [], dense=np.zeros((0, 4), np.float32)))
    store.delete(NAME, [])
    assert store.count(NAME) == 0
    assert store.query(NAME, []) == []


def test_creating_a_collection_again_keeps_it_and_with_other_spaces_is_refused(filled):
    filled.create_collection(NAME, SPACES)
    assert filled.count(NAME) == 6
    with pytest.raises(StoreError, match="dense"):
        filled.create_collection(NAME, [Space(name="dense", kind=SpaceKind.DENSE, dim=8)])


def test_a_collection_needs_no_space(store):
    name = "demo.g1.documents"
    store.create_collection(name, [])
    store.upsert(name, batch([1, 2]))
    assert store.count(name) == 2
    assert [r.payload for r in store.scroll(name, payload=["n"])]


def test_dropping_removes_and_a_second_time_is_harmless(store):
    assert store.list_collections() == [NAME]
    for _ in range(2):
        store.drop_collection(NAME)
    assert not store.collection_exists(NAME)
    with pytest.raises(StoreError, match="no collection"):
        store.query(NAME, [models.QueryRequest(query=[1.0, 0, 0, 0], using="dense")])


def test_a_manifest_is_replaced_whole_and_lists_the_corpus(store):
    assert store.read_manifest("demo") is None
    assert store.list_corpora() == []
    store.write_manifest(manifest("demo"))
    store.write_manifest(manifest("西游记.v1"))
    store.write_manifest(manifest("demo", generation=2))
    assert store.read_manifest("demo") == manifest("demo", generation=2)
    assert store.list_corpora() == ["demo", "西游记.v1"]


def test_deleting_a_corpus_leaves_its_neighbours(store):
    for corpus in ("demo", "demo.x", "demo-2"):
        store.write_manifest(manifest(corpus))
        store.create_collection(f"{corpus}.g1.passages", SPACES)
    store.delete_corpus("demo")
    store.delete_corpus("demo")
    assert store.list_corpora() == ["demo-2", "demo.x"]
    assert store.list_collections() == ["demo-2.g1.passages", "demo.x.g1.passages"]
    store.upsert("demo.x.g1.passages", batch([1], dense=unit([[1, 0, 0, 0]])))


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "a/b", "a\\b", ".hidden", "a..b", "x" * 400, "a\0b", "a b\n"])
def test_a_name_that_would_leave_its_place_is_refused(store, name):
    with pytest.raises(UsageError):
        store.read_manifest(name)
    with pytest.raises((UsageError, StoreError)):
        store.create_collection(f"{name}.g1.passages", SPACES)


def test_closing_twice_is_harmless(filled):
    filled.close()
    filled.close()
