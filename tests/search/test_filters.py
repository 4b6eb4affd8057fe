"""What people type after --where, and what Qdrant is asked."""

import pytest
from qdrant_client import models

from schemas.errors import UsageError
from search.filters import parse_where

FIELDS = {"city": "keyword", "stars": "integer", "price": "float", "has_pool": "bool", "opened": "keyword"}


def test_no_condition_is_no_filter():
    assert parse_where([], FIELDS) is None


def test_text_is_matched_as_it_is():
    found = parse_where(["city=西雅图"], FIELDS)
    assert found == models.Filter(
        must=[models.FieldCondition(key="meta.city", match=models.MatchValue(value="西雅图"))]
    )


def test_a_bar_means_any_of():
    found = parse_where(["city=Seattle|杭州"], FIELDS)
    assert found.must[0].match == models.MatchAny(any=["Seattle", "杭州"])


def test_an_exclamation_mark_means_none_of():
    found = parse_where(["city!=Seattle"], FIELDS)
    assert found.must is None
    assert found.must_not[0].match.value == "Seattle"


@pytest.mark.parametrize(("sign", "name"), [(">", "gt"), (">=", "gte"), ("<", "lt"), ("<=", "lte")])
def test_numbers_are_compared(sign, name):
    found = parse_where([f"price{sign}99.5"], FIELDS)
    assert getattr(found.must[0].range, name) == 99.5


@pytest.mark.parametrize(
    ("written", "number"), [("1,000", 1000), ("１，２００．５", 1200.5), ("¥3,999", 3999), ("599元", 599), ("-$5", -5)]
)
def test_numbers_are_read_as_people_write_them(written, number):
    assert parse_where([f"price>={written}"], FIELDS).must[0].range.gte == number


@pytest.mark.parametrize(("word", "value"), [("true", True), ("是", True), ("no", False), ("FALSE", False)])
def test_yes_and_no_in_both_languages(word, value):
    assert parse_where([f"has_pool={word}"], FIELDS).must[0].match.value is value


def test_a_value_may_hold_the_sign():
    assert parse_where(["city=a=b"], FIELDS).must[0].match.value == "a=b"


def test_dates_are_compared_and_short_ones_are_filled_up():
    found = parse_where(["opened>=2019"], FIELDS)
    assert found.must[0].range.gte.isoformat().startswith("2019-01-01")


def test_an_empty_value_asks_for_points_without_the_field():
    assert parse_where(["city="], FIELDS).must[0].is_empty.key == "meta.city"


def test_a_document_s_own_field_wins_over_ours():
    assert parse_where(["title=x"], {"title": "keyword"}).must[0].key == "meta.title"
    assert parse_where(["title=x"], {}).must[0].key == "title"


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("city", "FIELD=VALUE"),
        ("ctiy=Seattle", "did you mean 'city'"),
        ("stars=many", "holds numbers"),
        ("has_pool=perhaps", "true or false"),
        ("city>Seattle", "holds text"),
        ("has_pool>1", "holds yes or no"),
        ("zzz=1", "there are"),
        *((f"stars{sign}", "what to compare with") for sign in (">=", ">", "<", "<=")),
        ("city~ ", "what to compare with"),
        ("price=1_0", "holds numbers"),
        ("price=1,00", "holds numbers"),
        ("=x", "FIELD=VALUE"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(condition, said):
    with pytest.raises(UsageError, match=said):
        parse_where([condition], FIELDS)
