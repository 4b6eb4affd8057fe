"""The embedded engine and the server's words agree: any payload, any filter, the same points."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import models

from stores.embedded import EdgeStore
from stores.server import ServerStore
from tests.stores.conftest import NAME, SPACES, batch, sparse, unit

WORDS = ["hotel", "北京", "西游记", ""]
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.5, -1.25, 2.0]),
    st.sampled_from(WORDS),
    st.lists(st.one_of(st.integers(-3, 3), st.sampled_from(WORDS)), max_size=2),
)
payloads = st.dictionaries(st.sampled_from(["a", "b"]), values, max_size=2)
keys = st.sampled_from(["a", "b", "c"])


def field(match: type, name: str, inner: st.SearchStrategy) -> st.SearchStrategy:
    return st.builds(lambda key, value: models.FieldCondition(key=key, match=match(**{name: value})), keys, inner)


some = st.one_of(
    st.lists(st.integers(-3, 3), min_size=1, max_size=2), st.lists(st.sampled_from(WORDS), min_size=1, max_size=2)
)
conditions = st.one_of(
    field(models.MatchValue, "value", st.one_of(st.booleans(), st.integers(-3, 3), st.sampled_from(WORDS))),
    field(models.MatchAny, "any", some),
    field(models.MatchExcept, "except", some),
    st.builds(
        lambda key, low, high: models.FieldCondition(key=key, range=models.Range(gte=low, lt=high)),
        keys,
        st.integers(-3, 2),
        st.integers(-2, 3),
    ),
    st.builds(lambda key: models.IsEmptyCondition(is_empty=models.PayloadField(key=key)), keys),
    st.builds(lambda key: models.IsNullCondition(is_null=models.PayloadField(key=key)), keys),
)
filters = st.recursive(
    st.builds(lambda c: models.Filter(must=[c]), conditions),
    lambda inner: st.builds(
        lambda must, should, must_not: models.Filter(must=must, should=should, must_not=must_not),
        *[st.one_of(st.none(), st.lists(st.one_of(conditions, inner), min_size=1, max_size=2))] * 3,
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[EdgeStore, ServerStore]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        EdgeStore(Path(folder) / "s") as edge,
        ServerStore(":memory:") as emulated,
    ):
        for store in (edge, emulated):
            store.create_collection(NAME, SPACES)
        yield edge, emulated


@settings(max_examples=60, deadline=None)
@given(st.lists(payloads, min_size=1, max_size=6), st.lists(filters, min_size=1, max_size=8))
def test_the_same_filter_finds_the_same_points_in_both(pair, written, asked):
    found = []
    for store in pair:
        store.delete(NAME, models.Filter())
        store.upsert(NAME, batch(list(range(len(written))), written))
        found.append([[record.id for record in store.scroll(NAME, query_filter=one)] for one in asked])
    assert found[0] == found[1]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(0, 3))
def test_the_same_question_ranks_the_same_points_in_both(pair, seed, limit, offset):
    rng = np.random.default_rng(seed)
    count = 12
    # Few distinct vectors, so that there are ties.
    written = batch(
        list(range(count)),
        dense=unit(rng.integers(0, 3, (count, 4))),
        sparse=sparse([{int(i): 1.0 for i in rng.choice(5, 2, replace=False)} for _ in range(count)]),
        colbert=[unit(rng.integers(1, 3, (2, 2))) for _ in range(count)],
    )
    requests = [
        models.QueryRequest(query=[1.0, 0.5, 0.0, 0.25], using="dense", limit=limit, offset=offset),
        models.QueryRequest(
            query=models.SparseVector(indices=[0, 3], values=[1.0, 0.5]), using="sparse", limit=limit, offset=offset
        ),
        models.QueryRequest(query=[[1.0, 0.0], [0.0, 1.0]], using="colbert", limit=limit, offset=offset),
    ]
    answers = []
    for store in pair:
        store.delete(NAME, models.Filter())
        store.upsert(NAME, written)
        answers.append(store.query(NAME, requests))
    for ours, theirs in zip(*answers, strict=True):
        assert [round(p.score, 4) for p in ours] == [round(p.score, 4) for p in theirs]
