"""What the embedded engine must never see: refused in a sentence, and nothing is lost by it."""

from __future__ import annotations

import datetime
import uuid

import numpy as np
import pytest
from qdrant_client import models
from scipy.sparse import csr_array

from schemas.errors import InvalidPoint, StoreError, UsageError
from schemas.spaces import PointBatch
from schemas.storage import StorageSettings
from search.filters import parse_where
from stores.nearest import Nearest
from tests.stores.conftest import KINDS, NAME, SPACES, batch, opened, point_id, sparse, unit

ONE = unit([[1, 0, 0, 0]])


def nested(depth: int):
    value: object = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def deep_filter(depth: int, part: str = "must") -> models.Filter:
    condition = models.FieldCondition(key="n", match=models.MatchValue(value=1))
    found = models.Filter(must=[condition])
    for _ in range(depth):
        if part == "min_should":
            found = models.Filter(min_should=models.MinShould(conditions=[found], min_count=1))
        else:
            found = models.Filter(**{part: [found]})
    return found


def csr(indices, data, indptr=None) -> csr_array:
    made = csr_array((1, 50), dtype=np.float32)
    made.indices = np.asarray(indices)
    made.data = np.asarray(data, dtype=np.float32)
    made.indptr = np.asarray(indptr if indptr is not None else [0, len(indices)])
    return made


BATCHES = {
    "NaN": lambda: batch([1], dense=np.array([[1, np.nan, 0, 0]], np.float32)),
    "infinity": lambda: batch([1], dense=np.array([[1, np.inf, 0, 0]], np.float32)),
    "a number that float32 makes infinite": lambda: batch([1], dense=np.array([[1e300, 0, 0, 0]])),
    "infinity in half precision": lambda: batch([1], dense=np.array([[1, np.inf, 0, 0]], np.float16)),
    "an infinite token in half precision": lambda: batch([1], colbert=[np.array([[-np.inf, 1]], np.float16)]),
    "no vectors": lambda: batch([1], dense=None),
    "objects": lambda: batch([1], dense=np.array([["a", "b", "c", "d"]], dtype=object)),
    "too few dimensions": lambda: batch([1], dense=unit([[1, 0]])),
    "a missing row": lambda: batch([1, 2], dense=ONE),
    "a flat vector": lambda: batch([1], dense=ONE[0]),
    "an unknown space": lambda: batch([1], other=ONE),
    "sparse for dense": lambda: batch([1], dense=sparse([{1: 1.0}])),
    "dense for sparse": lambda: batch([1], sparse=ONE),
    "a sparse NaN": lambda: batch([1], sparse=csr([1], [np.nan])),
    "duplicate indices": lambda: batch([1], sparse=csr([1, 1], [1, 1])),
    "unsorted indices": lambda: batch([1], sparse=csr([2, 1], [1, 1])),
    "a negative index": lambda: batch([1], sparse=csr([-1], [1])),
    "an index beyond 32 bits": lambda: batch([1], sparse=csr([2**32], [1])),
    "fewer values than indices": lambda: batch([1], sparse=csr([1, 2], [1])),
    "row ends beyond the values": lambda: batch([1], sparse=csr([1], [1], indptr=[0, 5])),
    "ragged tokens": lambda: batch([1], colbert=[[[1.0, 0.0], [1.0]]]),
    "tokens of another dimension": lambda: batch([1], colbert=[np.ones((2, 3), np.float32)]),
    "a NaN token": lambda: batch([1], colbert=[np.array([[np.nan, 1]], np.float32)]),
    "deep payload": lambda: batch([1], [nested(100)]),
    "very deep payload": lambda: batch([1], [nested(50_000)]),
    "a datetime": lambda: batch([1], [{"a": datetime.datetime(2024, 1, 1)}]),
    "a UUID": lambda: batch([1], [{"a": uuid.uuid4()}]),
    "a set": lambda: batch([1], [{"a": {1}}]),
    "bytes": lambda: batch([1], [{"a": b"x"}]),
    "a key that is no text": lambda: batch([1], [{1: "x"}]),
    "a NaN in a payload": lambda: batch([1], [{"a": [float("nan")]}]),
    "an integer beyond 64 bits": lambda: batch([1], [{"a": 2**64}]),
    "half a character": lambda: batch([1], [{"a": "\ud800"}]),
    "half a character in a key": lambda: batch([1], [{"\ud800": 1}]),
    "a missing payload": lambda: batch([1, 2], [{}], dense=unit([[1, 0, 0, 0]] * 2)),
    "an id that is none": lambda: PointBatch(["abc"], [{}], {}),
    "an id that is a number": lambda: PointBatch([1.5], [{}], {}),  # type: ignore[list-item]
}

VECTOR = [1.0, 0.0, 0.0, 0.0]
REQUESTS = {
    "NaN": {"query": [float("nan"), 0.0, 0.0, 0.0], "using": "dense"},
    "NaN in an array": {"query": np.array([np.nan, 0, 0, 0]), "using": "dense"},
    "NaN in a nearest query": {"query": models.NearestQuery(nearest=[float("nan"), 0, 0, 0]), "using": "dense"},
    "too few dimensions": {"query": [1.0], "using": "dense"},
    "an unknown space": {"query": VECTOR, "using": "other"},
    "no space": {"query": VECTOR},
    "sparse for dense": {"query": models.SparseVector(indices=[1], values=[1.0]), "using": "dense"},
    "dense for sparse": {"query": VECTOR, "using": "sparse"},
    "unequal sparse": {"query": models.SparseVector(indices=[1, 2], values=[1.0]), "using": "sparse"},
    "twice the same index": {"query": models.SparseVector(indices=[1, 1], values=[1.0, 1.0]), "using": "sparse"},
    "a negative index": {"query": models.SparseVector(indices=[-1], values=[1.0]), "using": "sparse"},
    "an index beyond 32 bits": {"query": models.SparseVector(indices=[2**32], values=[1.0]), "using": "sparse"},
    "no tokens": {"query": [], "using": "colbert"},
    "ragged tokens": {"query": [[1.0, 0.0], [1.0]], "using": "colbert"},
    "a deep filter": {"query": VECTOR, "using": "dense", "filter": deep_filter(100)},
    "a deep filter of min_should": {"query": VECTOR, "using": "dense", "filter": deep_filter(100, "min_should")},
    "NaN in a prefetch": {
        "prefetch": [models.Prefetch(query=[float("nan"), 0.0, 0.0, 0.0], using="dense")],
        "query": models.FusionQuery(fusion=models.Fusion.RRF),
    },
    "a wrong dimension in a prefetch": {
        "prefetch": [models.Prefetch(query=[1.0], using="dense")],
        "query": models.FusionQuery(fusion=models.Fusion.RRF),
    },
    "a deep filter in a prefetch": {
        "prefetch": [models.Prefetch(query=VECTOR, using="dense", filter=deep_filter(100))],
        "query": models.FusionQuery(fusion=models.Fusion.RRF),
    },
}


@pytest.fixture(scope="module", params=KINDS)
def acknowledged(request, tmp_path_factory):
    """One store for all poisons, since each must leave it as it was."""
    with opened(request.param, tmp_path_factory.mktemp("poisons") / "store", request) as store:
        store.create_collection(NAME, SPACES)
        store.upsert(NAME, batch([7], dense=ONE))
        yield store


def still_whole(store) -> None:
    """What was acknowledged is there, also after opening again, and the poison is not."""
    if store.location != ":memory:" and not store.location.startswith("http"):
        store.close()
    assert [record.id for record in store.scroll(NAME)] == [point_id(7)]
    store.upsert(NAME, batch([8], dense=ONE))
    found = store.query(NAME, [models.QueryRequest(query=VECTOR, using="dense", limit=5)])[0]
    assert {point.id for point in found} == {point_id(7), point_id(8)}
    store.delete(NAME, [point_id(8)])


@pytest.mark.parametrize("poison", BATCHES)
def test_a_bad_point_is_refused_and_nothing_of_its_batch_is_written(acknowledged, poison):
    with pytest.raises(InvalidPoint) as error:
        acknowledged.upsert(NAME, BATCHES[poison]())
    assert "\n" not in str(error.value)
    still_whole(acknowledged)


def test_what_half_precision_would_make_infinite_is_refused_where_that_is_kept(acknowledged):
    large = np.array([[1e6, 0, 0, 1]], np.float32)
    name = NAME.replace(".passages", ".documents")
    acknowledged.create_collection(name, SPACES, StorageSettings(datatype="float16"))
    with pytest.raises(InvalidPoint, match="infinity as float16"):
        acknowledged.upsert(name, batch([7], dense=large))
    acknowledged.upsert(name, batch([7], sparse=sparse([{1: 1e6}])))
    assert acknowledged.count(name) == 1


@pytest.mark.parametrize("poison", REQUESTS)
def test_a_bad_question_is_refused(acknowledged, poison):
    with pytest.raises(InvalidPoint):
        acknowledged.query(NAME, [models.QueryRequest.model_construct(**REQUESTS[poison])])
    still_whole(acknowledged)


@pytest.mark.parametrize("part", ["must", "should", "must_not", "min_should"])
def test_a_deep_filter_is_refused_wherever_one_is_taken(acknowledged, part):
    deep = deep_filter(100, part)
    for ask in (
        lambda: acknowledged.count(NAME, deep),
        lambda: list(acknowledged.scroll(NAME, query_filter=deep)),
        lambda: acknowledged.delete(NAME, deep),
        lambda: acknowledged.facet(NAME, "city", deep),
    ):
        with pytest.raises(InvalidPoint):
            ask()
    still_whole(acknowledged)


def _field(key: str, **condition) -> models.Filter:
    return models.Filter(must=[models.FieldCondition.model_construct(key=key, **condition)])


_ONE = models.MatchValue(value=1)
ODD_FILTERS = {
    "a count below zero": _field("n", values_count=models.ValuesCount(gte=-1)),
    "a count beyond 64 bits": _field("n", values_count=models.ValuesCount(gte=2**70)),
    "no field": _field("", match=_ONE),
    "a quote for a field": _field('"', match=_ONE),
    "a zero byte": _field("a\0b", match=_ONE),
    "a path that does not end": _field("a[", match=_ONE),
    "values of several types": _field("n", match=models.MatchAny.model_construct(any=["a", 1])),
    "a fraction": _field("n", match=models.MatchValue.model_construct(value=1.5)),
    "no value": _field("n", match=models.MatchValue.model_construct(value=None)),
    "a date that is none": _field("n", range=models.DatetimeRange.model_construct(gte="yesterday")),
    "fewer than none": models.Filter(min_should=models.MinShould(conditions=[_field("n", match=_ONE)], min_count=-1)),
    "half a character in an empty field": models.Filter(
        must=[models.IsEmptyCondition(is_empty=models.PayloadField.model_construct(key="\ud800"))]
    ),
    "half a character in a null field": models.Filter(
        must=[models.IsNullCondition(is_null=models.PayloadField.model_construct(key="\ud800"))]
    ),
    "half a character in a space": models.Filter(must=[models.HasVectorCondition.model_construct(has_vector="\ud800")]),
    "a dict": {"must": []},
    "text": "n=1",
}


@pytest.mark.parametrize("odd", ODD_FILTERS)
def test_whatever_a_filter_is_what_comes_of_it_is_an_answer_or_a_sentence(acknowledged, odd):
    if acknowledged.location == ":memory:":
        pytest.skip("qdrant_client's own search in memory looks at nothing")
    asked = ODD_FILTERS[odd]
    question = Nearest(ONE[0], "dense", 3, asked)
    refused = []
    for ask in (
        lambda: acknowledged.count(NAME, asked),
        lambda: list(acknowledged.scroll(NAME, query_filter=asked)),
        lambda: acknowledged.facet(NAME, "city", asked),
        lambda: acknowledged.nearest(NAME, [question]),
        lambda: acknowledged.query(
            NAME, [models.QueryRequest.model_construct(query=VECTOR, using="dense", filter=asked)]
        ),
        # Of no point, where it is taken for a filter.
        lambda: acknowledged.delete(NAME, asked, documents=[point_id(900)]),
    ):
        try:
            ask()
        except StoreError as error:
            refused.append(str(error))
    assert all("\n" not in said for said in refused)
    still_whole(acknowledged)


def test_a_number_longer_than_any_float_is_no_number():
    with pytest.raises(UsageError, match="position"):
        parse_where(["position>=" + "9" * 400], {})


def test_a_bad_payload_update_is_refused(acknowledged):
    for payload in ({"a": nested(100)}, {"a": {1, 2}}, {1: 2}):
        with pytest.raises(InvalidPoint):
            acknowledged.set_payload(NAME, payload, [point_id(7)])
    still_whole(acknowledged)


def test_a_field_that_is_no_path_is_a_sentence(acknowledged):
    bad = models.Filter(must=[models.FieldCondition(key="a[", match=models.MatchValue(value=1))])
    if acknowledged.location != ":memory:":
        with pytest.raises(StoreError):
            acknowledged.count(NAME, bad)
    still_whole(acknowledged)
