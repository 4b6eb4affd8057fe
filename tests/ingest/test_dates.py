"""Dates in text, whoever wrote them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.payloads import FieldTypes, index_type
from schemas.dates import dates_in, dates_within, span, when

FORMS = [
    "{0:%Y-%m-%d}", "{0:%Y/%m/%d}", "{0.year}/{0.month}/{0.day}", "{0.year}.{0.month}.{0.day}",
    "{0.year}年{0.month}月{0.day}日",
]  # fmt: skip


@given(st.dates(min_value=datetime(1000, 1, 1).date()), st.sampled_from(FORMS))
def test_a_date_is_the_same_day_in_every_form(day, form):
    assert when(form.format(day)) == datetime(day.year, day.month, day.day, tzinfo=UTC)


@given(st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9990, 1, 1)), st.integers(-12, 12))
def test_a_time_with_its_zone_is_that_moment(moment, hours):
    text = f"{moment.isoformat()}{'+' if hours >= 0 else '-'}{abs(hours):02}:00"
    assert when(text) == moment.replace(tzinfo=UTC) - timedelta(hours=hours)


@pytest.mark.parametrize(
    "text", ["", "Seattle", "2021-13-01", "2021-02-30", "98101", "12/31/2021", "2021-06-30x", "0000"]
)
def test_other_text_is_no_date(text):
    assert when(text) is None


@pytest.mark.parametrize(("text", "day"), [("2021", "2021-01-01"), ("2021-6", "2021-06-01"), ("2021年", "2021-01-01")])
def test_what_is_left_out_is_the_first(text, day):
    assert when(text) == when(day)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2020", "2021-01-01"), ("2020-02", "2020-03-01"), ("2020年12月", "2021-01-01"), ("2020/2/28", "2020-02-29"),
        ("2020-02-28 23:59", "2020-02-29"), ("2020-02-28T23:59:59Z", "2020-02-29"), ("9999-12-31", None),
    ],
)  # fmt: skip
def test_a_date_names_all_the_time_until_the_next(text, end):
    begin, found = span(text)
    assert begin == when(text) < found
    assert end is None or found == when(end)


def test_a_value_lies_in_a_day_only_where_all_of_it_does():
    values = ["2021/06/30", "2021.6.30 08:15", "2021/06", "2021/07/01", "2021-06-30", "x"]
    assert dates_in(values, [span("2021-06-30")]) == ["2021.6.30 08:15", "2021/06/30"]
    assert dates_in(values, [span("2021年6月")]) == ["2021.6.30 08:15", "2021/06", "2021/06/30"]


def test_dates_that_engines_read_are_left_to_them():
    assert dates_within(["2021-06-30", "2021/06/30", "2021/6/29", "x"], ">=", when("2021-06-30")) == ["2021/06/30"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["2021-06-30", "2021-07-01"], "keyword"),
        (["2021-06-30", "2021/07/01"], "dated"),
        (["unknown", "2021年7月1日", "2020-01-01"], "dated"),
        ([["2021/07/01"], []], "dated"),
        ([2021, "2021/07/01"], "mixed"),
        ([1, 2.5], "float"),
        ([1, True], "mixed"),
        ([[1, "x"]], "mixed"),
        ([None, []], None),
    ],
)
def test_a_field_has_the_type_of_all_its_values_in_whatever_order_they_come(values, kind):
    for order in (values, values[::-1]):
        types = FieldTypes()
        for value in order:
            types.add({"field": value})
        assert types.as_dict().get("field") == kind
    assert kind not in ("dated", "mixed") or index_type(kind) == "keyword"
