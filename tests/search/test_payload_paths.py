"""Fields of any name, nested ones too: ingested and filtered by, on both stores."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import ingest
from schemas.errors import UsageError
from schemas.ingest import CorpusOptions
from schemas.payload_paths import names_of, payload_path, payload_values
from search import Corpus
from search.filters import parse_where
from stores.embedded import EdgeStore
from stores.server import ServerStore

ODD = ["A=B", "size>10", "note~x", "has space ", " led", "x[]", "a!=b", "a", "a<"]
NAMES = [*ODD, "Hotel Rating", "price(元)", "a.b", "a[0]", "a-b", "a/b", "深 层", "价格:元", "#1", "it's", "Prix d’été"]
ROWS = [
    dict.fromkeys(NAMES, "yes") | {"size": {"rooms": 12, "in all": {"m²": 7.5}}, "beds": [{"kind": "twin"}]},
    dict.fromkeys(NAMES, "no") | {"size": {"rooms": 90}, "beds": [{"kind": "king"}, {"kind": "single"}]},
    {"size": None, 'quo"ted': "kept, but cannot be asked for", "city": "x|y"},
]


@pytest.fixture(scope="module", params=["embedded", "emulated"])
def corpus(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("paths")
    rows = [{"_id": str(n), "title": "", "text": "an inn", **row} for n, row in enumerate(ROWS)]
    (folder / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with ServerStore(":memory:") if request.param == "emulated" else EdgeStore(folder / "store") as store:
        ingest([folder / "c.jsonl"], "c", store=store, options=CorpusOptions(spaces=("tfidf",)))
        yield Corpus("c", store)


def found(corpus, *where):
    return {hit.document_id for hit in corpus.search("inn", where=where).hits}


@pytest.mark.parametrize("name", NAMES)
def test_a_field_of_any_name_can_be_asked_for(corpus, name):
    assert found(corpus, f"{name}=yes") == {"0"}
    assert found(corpus, f"{name}!=yes") == {"1", "2"}
    assert found(corpus, f"{name}~NO") == {"1"}
    assert found(corpus, f"{name}=") == {"2"}


def test_the_longest_name_that_a_condition_begins_with_is_meant():
    fields = {"size": "integer", '"size>10"': "keyword", "A": "keyword", '"A=B"': "integer", '"led "': "keyword"}
    for where, key in {
        "size>10=big": 'meta."size>10"',
        "size>10": "meta.size",
        "A=B=1": 'meta."A=B"',
        "A=B": "meta.A",
        "  size=10": "meta.size",
        "led =1": 'meta."led "',
    }.items():
        assert parse_where([where], fields).must[0].key == key


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("size.rooms>=50", {"1"}),
        ("size.rooms=12", {"0"}),
        ("size.in all.m²>7", {"0"}),
        ("beds.kind=single", {"1"}),
        ("beds.kind=twin|king", {"0", "1"}),
        ("size.rooms=", {"2"}),
        (r"city=x\|y", {"2"}),
        ("city=x|y", set()),
    ],
)
def test_nested_fields_are_asked_for_with_dots_and_a_bar_can_be_part_of_a_value(corpus, where, expected):
    assert found(corpus, where) == expected


def test_a_name_with_a_quotation_mark_is_kept_and_not_offered(corpus):
    (hit,) = corpus.search("inn", where=[r"city=x\|y"]).hits
    assert hit.payload['quo"ted'].startswith("kept")
    with pytest.raises(UsageError, match="no field") as caught:
        corpus.search("inn", where=['quo"ted=x'])
    assert "size.in all.m²" in str(caught.value)


@pytest.mark.parametrize("value", ["2019-13-45", "2019-02-30T25:00:00"])
def test_a_date_that_is_none_is_one_sentence(value):
    with pytest.raises(UsageError, match="is no date"):
        parse_where([f"opened>={value}"], {"opened": "keyword"})


@pytest.mark.parametrize("value", ["nan", "inf", "1e400", "-Infinity"])
def test_what_is_no_number_of_json_is_none_here(value):
    with pytest.raises(UsageError, match="holds numbers"):
        parse_where([f"price>={value}"], {"price": "float"})


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.integers(), max_size=5))
def test_every_path_is_found_again_by_its_name(payload):
    paths = dict(payload_values(payload))
    for name in payload:
        if payload_path(name) is None:
            assert '"' in name
        else:
            assert names_of(paths)[payload_path(name)] == payload_path(name)


def test_what_is_nested_beyond_measure_is_passed_over():
    deep = {"x": 1}
    for _ in range(40):
        deep = {"x": deep}
    assert list(payload_values({"y": 1, **deep})) == [("y", 1)]
