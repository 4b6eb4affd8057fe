"""Dates as people and files write them, year first: 2021-06-30, 2021/6/30, 2021年6月30日, with a time or not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import TypeAlias

Span: TypeAlias = tuple[datetime, datetime]
"""From a moment on until before another."""

COMPARISONS: dict[str, Callable[[datetime, datetime], bool]] = {">": gt, ">=": ge, "<": lt, "<=": le}

_DATE = re.compile(
    r"\s*(?P<year>\d{4})(?:\s*[-/.年]\s*(?P<month>\d{1,2})(?:\s*[-/.月]\s*(?P<day>\d{1,2})\s*日?)?)?\s*[年月]?"
    r"(?:[T\s]+(?P<time>\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?)?\s*",
    re.IGNORECASE,
)
_ENGINES = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?)?\Z")
"""What the engines' own comparison of dates reads (RFC 3339, and without time or zone)."""


@lru_cache(maxsize=100_000)
def when(text: str) -> datetime | None:
    """The moment that a text names; without a zone it is UTC, what is left out is the first. None for other text."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day = (int(match[part] or 1) for part in ("year", "month", "day"))
    hour, minute, second = [*(match["time"] or "0:0").split(":"), "0"][:3]
    clock = f"{int(hour):02}:{int(minute):02}:{second.partition('.')[0]:>02}.{second.partition('.')[2]:<06}"
    zone = (match["zone"] or "Z").upper().replace("Z", "+00:00")
    try:
        return datetime.fromisoformat(f"{year:04}-{month:02}-{day:02}T{clock}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=100_000)
def span(text: str) -> Span | None:
    """All the time that a text names: a year, month or day, or a minute or second of it. None for other text."""
    match, begin = _DATE.fullmatch(text), when(text)
    if match is None or begin is None:
        return None
    try:
        if clock := match["time"]:
            length = (
                timedelta(microseconds=1) if "." in clock else timedelta(seconds=60 if clock.count(":") == 1 else 1)
            )
            return begin, begin + length
        if match["day"]:
            return begin, begin + timedelta(days=1)
        if match["month"]:
            return begin, (begin + timedelta(days=31)).replace(day=1)
        return begin, begin.replace(year=begin.year + 1)
    except (ValueError, OverflowError):
        return begin, datetime.max.replace(tzinfo=UTC)


def is_other_date(text: str) -> bool:
    """Whether a text is a date in a form that the engines do not read."""
    return text.lstrip()[:1].isdigit() and _ENGINES.match(text) is None and when(text) is not None


def dates_within(values: Iterable[str], comparison: str, bound: datetime) -> list[str]:
    """Those of ``values`` that compare so with ``bound`` and that the engines cannot read as dates; sorted."""
    compare = COMPARISONS[comparison]
    found = ((value, when(value)) for value in values if is_other_date(value))
    return sorted(value for value, moment in found if moment is not None and compare(moment, bound))


def dates_in(values: Iterable[str], spans: Sequence[Span]) -> list[str]:
    """Those of ``values`` that lie whole in one of ``spans`` and that the engines cannot read as dates; sorted."""
    found = ((value, span(value)) for value in values if is_other_date(value))
    return sorted(value for value, own in found if own and any(a <= own[0] and own[1] <= b for a, b in spans))
