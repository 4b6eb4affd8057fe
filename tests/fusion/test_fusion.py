import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import UsageError
from search.fusion import fuse

SCORES = st.floats(-2, 50, allow_nan=False).map(lambda score: round(score, 3))
LISTS = st.dictionaries(
    st.sampled_from(["dense", "tfidf", "word2vec"]),
    st.dictionaries(st.sampled_from([f"p{n:02}" for n in range(40)]), SCORES, max_size=40).map(
        lambda scores: sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    ),
    min_size=1,
)
METHODS = st.sampled_from(["zscore", "convex", "rrf", "dbsf"])


@given(LISTS, METHODS, st.integers(1, 50))
def test_every_listed_id_comes_once_with_shares_that_sum_to_one(lists, method, window):
    fused = fuse(lists, method=method, window=window)
    assert sorted(hit.id for hit in fused) == sorted({name for entries in lists.values() for name, _ in entries})
    for hit in fused:
        assert math.isclose(sum(standing.share for standing in hit.spaces.values()), 1, abs_tol=1e-9)
        for space, standing in hit.spaces.items():
            assert lists[space][standing.rank - 1] == (hit.id, standing.score)


@given(LISTS, METHODS)
def test_the_order_does_not_depend_on_the_order_of_spaces_or_of_ties(lists, method):
    shuffled = {}
    for space, entries in sorted(lists.items(), reverse=True):
        mixed = list(entries)
        random.Random(7).shuffle(mixed)
        shuffled[space] = sorted(mixed, key=lambda item: -item[1])
    again = fuse(shuffled, method=method)
    assert [(hit.id, hit.score) for hit in fuse(lists, method=method)] == [(hit.id, hit.score) for hit in again]


@given(LISTS, METHODS, st.integers(1, 10), st.integers(1, 25))
def test_pages_are_the_same_however_deep_the_lists_reach(lists, method, window, wanted):
    depth = max(window, wanted)
    cut = {space: entries[:depth] for space, entries in lists.items()}
    whole = [hit.id for hit in fuse(lists, method=method, window=window)]
    assert [hit.id for hit in fuse(cut, method=method, window=window)][:wanted] == whole[:wanted]


@given(LISTS, st.sampled_from(["zscore", "convex"]))
def test_scores_stay_between_zero_and_one_and_fall(lists, method):
    scores = [hit.score for hit in fuse(lists, method=method)]
    assert scores == sorted(scores, reverse=True)
    assert all(-1e-12 <= score <= 1 + 1e-12 for score in scores)


@given(LISTS, METHODS)
def test_scaling_all_weights_changes_nothing(lists, method):
    weights = dict.fromkeys(lists, 0.25) | {next(iter(lists)): 1.0}
    doubled = {space: 2 * weight for space, weight in weights.items()}
    once, twice = (fuse(lists, method=method, weights=these) for these in (weights, doubled))
    assert [hit.id for hit in once] == [hit.id for hit in twice]


def test_rrf_is_the_textbook_sum_of_reciprocal_ranks():
    hits = fuse({"a": [("x", 9.0), ("y", 8.0)], "b": [("y", 0.5), ("z", 0.4)]}, method="rrf")
    assert [hit.id for hit in hits] == ["y", "x", "z"]
    assert hits[0].score == pytest.approx((1 / 62 + 1 / 61) / 2)
    assert hits[0].spaces["a"] == (2, 8.0, pytest.approx((1 / 62) / (1 / 62 + 1 / 61)))


def test_convex_scales_from_the_last_entry_or_from_the_given_minimum():
    lists = {"tfidf": [("x", 0.8), ("y", 0.2)]}
    assert [hit.score for hit in fuse(lists)] == [1.0, 0.0]
    assert [hit.score for hit in fuse(lists, minima={"tfidf": 0.0})] == pytest.approx([1.0, 0.25])


def test_zscore_lets_the_space_decide_whose_best_hit_stands_out():
    flat = [("x", 0.809), *((f"f{n:02}", 0.808 - n / 1000) for n in range(30))]
    peaked = [("y", 0.9), *((f"p{n:02}", 0.1 - n / 1000) for n in range(30))]
    hits = fuse({"flat": flat, "peaked": peaked}, method="zscore")
    assert [hit.id for hit in hits[:2]] == ["y", "x"]
    tie = fuse({"flat": flat, "peaked": peaked}, method="convex")
    assert tie[0].score == tie[1].score


def test_zscore_counts_what_a_sparse_space_does_not_match():
    rare = {"tfidf": [("x", 0.5)], "dense": [(f"d{n:02}", 0.9 - n / 1000) for n in range(60)]}
    assert fuse(rare, method="zscore", minima={"tfidf": 0.0})[0].id == "x"


def test_dbsf_gives_the_scores_of_qdrants_own_client():
    from qdrant_client import models
    from qdrant_client.hybrid.fusion import distribution_based_score_fusion

    rng = random.Random(5)
    lists = {
        space: sorted(((f"p{n:02}", rng.random()) for n in rng.sample(range(30), 12)), key=lambda item: -item[1])
        for space in ("a", "b")
    }
    points = [
        [models.ScoredPoint(id=name, version=0, score=score, payload=None) for name, score in entries]
        for entries in lists.values()
    ]
    expected = {point.id: point.score for point in distribution_based_score_fusion(points, limit=100)}
    assert {hit.id: 2 * hit.score for hit in fuse(lists, method="dbsf")} == pytest.approx(expected)


@pytest.mark.parametrize(("method", "score"), [("convex", 1.0), ("dbsf", 0.5)])
def test_a_list_of_equal_scores_or_of_one_says_that_all_of_it_is_alike(method, score):
    assert [hit.score for hit in fuse({"a": [("x", 0.3), ("y", 0.3)]}, method=method)] == [score, score]
    assert [hit.score for hit in fuse({"a": [("x", 0.3)]}, method=method)] == [score]


def test_empty_lists_give_no_hits_and_take_nothing_from_the_others():
    assert fuse({}) == []
    assert fuse({"a": []}) == []
    assert [hit.id for hit in fuse({"a": [("x", 2.0), ("y", 1.0)], "b": []})] == ["x", "y"]


def test_a_space_of_weight_zero_adds_no_ids_but_still_tells_its_rank():
    hits = fuse({"a": [("x", 2.0)], "b": [("y", 9.0), ("x", 1.0)]}, weights={"a": 1.0})
    assert [hit.id for hit in hits] == ["x"]
    assert hits[0].spaces["b"] == (2, 1.0, 0.0)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "borda"},
        {"weights": {"a": -1.0}},
        {"weights": {"a": math.nan}},
        {"weights": {}},
        {"k": 0},
        {"window": 0},
    ],
)
def test_what_cannot_be_meant_is_refused(options):
    with pytest.raises(UsageError):
        fuse({"a": [("x", 1.0)]}, **options)
