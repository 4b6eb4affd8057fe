"""Every condition that --where can say, on both stores, against what plain Python says of the same rows."""

import numpy as np
import pytest

from ingest.payloads import index_type
from schemas.errors import UsageError
from schemas.ids import passage_point_id
from schemas.spaces import PointBatch, Space, SpaceKind
from search.filters import parse_where
from stores.embedded import EdgeStore
from stores.server import ServerStore

FIELDS = {
    "city": "keyword", "stars": "integer", "price": "float", "has_pool": "bool", "opened": "keyword", "tags": "keyword",
    "seen": "dated", "rate": "mixed",
}  # fmt: skip
ROWS = [
    {"city": "Seattle", "stars": 3, "price": 99.5, "has_pool": True, "opened": "2019-05-01", "tags": ["spa", "bar"]},
    {"city": "杭州", "stars": 5, "price": 420.0, "has_pool": False, "opened": "2021-01-31", "tags": ["湖景"]},
    {"city": "New York", "stars": 4, "price": 250.0, "has_pool": True, "opened": "2010-07-15", "tags": []},
    {"city": "seattle north", "stars": 2, "price": 60.0, "has_pool": False, "opened": "2019-12-31"},
    {"stars": 4, "price": 99.0, "has_pool": True, "opened": "2020-02-29", "tags": ["spa"]},
]
SEEN = ["2021/06/30", "2021.7.15", "2022年1月1日", "2020-01-01", "2021-07-01 08:30"]
RATES = [120, "95", "on request", 60.5, True]
for _row, _seen, _rate in zip(ROWS, SEEN, RATES, strict=True):
    _row.update(seen=_seen, rate=_rate)
TITLES = ["Runway Rest", "湖畔客栈", "Garden Hotel", "North Inn", "Rest House"]


@pytest.fixture(scope="module", params=["embedded", "emulated"])
def store(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("filtering")
    with ServerStore(":memory:") if request.param == "emulated" else EdgeStore(folder / "store") as store:
        store.create_collection("c.g1.passages", [Space(name="dense", kind=SpaceKind.DENSE, dim=2)])
        for field, kind in FIELDS.items():
            store.create_payload_index("c.g1.passages", f"meta.{field}", index_type(kind))
        store.create_payload_index("c.g1.passages", "title", "keyword")
        ids = [passage_point_id("c", str(n), 0) for n in range(len(ROWS))]
        payloads = [
            {"n": n, "document_id": f"d{n}", "title": TITLES[n], "chapter": None, "position": 0, "meta": row}
            for n, row in enumerate(ROWS)
        ]
        store.upsert("c.g1.passages", PointBatch(ids, payloads, {"dense": np.ones((len(ROWS), 2), dtype=np.float32)}))
        yield store


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (["city=Seattle"], lambda r: r.get("city") == "Seattle"),
        (["city=Seattle|杭州"], lambda r: r.get("city") in ("Seattle", "杭州")),
        (["city!=Seattle"], lambda r: r.get("city") != "Seattle"),
        (["city!=Seattle|杭州"], lambda r: r.get("city") not in ("Seattle", "杭州")),
        (["city="], lambda r: "city" not in r),
        (["city!="], lambda r: "city" in r),
        (["stars=4"], lambda r: r["stars"] == 4),
        (["stars=4|5"], lambda r: r["stars"] in (4, 5)),
        (["stars!=4"], lambda r: r["stars"] != 4),
        (["stars>=4"], lambda r: r["stars"] >= 4),
        (["stars>2", "stars<5"], lambda r: 2 < r["stars"] < 5),
        (["price=99.5"], lambda r: r["price"] == 99.5),
        (["price=99"], lambda r: r["price"] == 99),
        (["price<=99.5"], lambda r: r["price"] <= 99.5),
        (["has_pool=true"], lambda r: r["has_pool"]),
        (["has_pool=否"], lambda r: not r["has_pool"]),
        (["has_pool!=yes"], lambda r: not r["has_pool"]),
        (["opened>=2019-06-01", "opened<2021"], lambda r: "2019-06-01" <= r["opened"] < "2021"),
        (["opened=2010-07-15"], lambda r: r["opened"] == "2010-07-15"),
        (["tags=spa"], lambda r: "spa" in r.get("tags", [])),
        (["tags=bar|湖景"], lambda r: {"bar", "湖景"} & set(r.get("tags", []))),
        (["tags!=spa"], lambda r: "spa" not in r.get("tags", [])),
        (["tags="], lambda r: not r.get("tags")),
        (
            ["has_pool=true", "stars=4", "city!=New York"],
            lambda r: r["has_pool"] and r["stars"] == 4 and "city" not in r,
        ),
    ],
    ids=str,
)
def test_a_condition_chooses_the_rows_that_python_chooses(store, where, expected):
    found = {record.payload["n"] for record in store.scroll("c.g1.passages", query_filter=parse_where(where, FIELDS))}
    assert found == {n for n, row in enumerate(ROWS) if expected(row)}


def chosen(store, where):
    """The rows that a condition chooses which may ask for the values of its field."""
    condition = parse_where([where], FIELDS, lambda field: store.facet("c.g1.passages", field, limit=1000))
    return {record.payload["n"] for record in store.scroll("c.g1.passages", query_filter=condition)}


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("seen>=2021-07-01", {1, 2, 4}),
        ("seen<2021/7/1", {0, 3}),
        ("seen>2021年6月30日", {1, 2, 4}),
        ("seen<=2021-06-30", {0, 3}),
        ("seen=2021-06-30", {0}),
        ("seen=2021年6月30日", {0}),
        ("seen=2021-7-1", {4}),
        ("seen=2021-07-01 08:30", {4}),
        ("seen=2021-07-01 08:31", set()),
        ("seen=2021年7月", {1, 4}),
        ("seen=2020/1/1|2022-01-01", {2, 3}),
        ("seen!=2021-06-30", {1, 2, 3, 4}),
        ("seen!=2020/1/1|2022-01-01", {0, 1, 4}),
        ("seen=2021", set()),
        ("opened=2019/5/1", {0}),
        ("opened=2019-05", set()),
        ("rate=2019-05-01", set()),
        ("rate=95", {1}),
        ("rate=95|60.5", {1, 3}),
        ("rate=60.5|on request", {2, 3}),
        ("rate!=95", {0, 2, 3, 4}),
        ("rate>=60", {0, 3}),
        ("rate=on request", {2}),
        ("rate=true", {4}),
        ("rate~request", {2}),
    ],
)
def test_other_forms_of_dates_and_fields_of_mixed_types_are_compared_by_what_they_say(store, where, rows):
    assert chosen(store, where) == rows


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("city~seattle", {0, 3}),
        ("city~SEATTLE north", {3}),
        ("city~州", {1}),
        ("city~杭州", {1}),
        ("city~york", {2}),
        ("city~nowhere", set()),
        ("tags~spa", {0, 4}),
        ("title~rest", {0, 4}),
        ("title~客栈", {1}),
        ("title~house rest", {4}),
        ("title~客棧", {1}),
        ("title~ＧＡＲＤＥＮ", {2}),
        ("title~gardens", {2}),
    ],
)
def test_text_is_matched_by_its_words_in_any_case_form_and_order(store, where, rows):
    assert chosen(store, where) == rows


@pytest.mark.parametrize(("where", "why"), [("stars~4", "compare with ="), ("city~，", "no word")])
def test_words_are_looked_for_in_text_only_and_there_must_be_some(where, why):
    with pytest.raises(UsageError, match=why):
        parse_where([where], FIELDS, lambda field: ["Seattle"])


def test_what_would_match_nearly_everything_is_refused():
    with pytest.raises(UsageError, match="rarer words"):
        parse_where(["city~street"], FIELDS, lambda field: [f"street {n}" for n in range(10_001)])
