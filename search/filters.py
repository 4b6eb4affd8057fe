"""``FIELD=VALUE`` as people type it, to the filters that Qdrant takes."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from qdrant_client import models

from schemas.dates import Span, dates_in, dates_within, span, when
from schemas.errors import UsageError
from schemas.numbers import unadorned
from schemas.payload_paths import DATED, META, MIXED, names_of
from search.text_match import MOST_MATCHES, ValuesOf, matching_values

OWN_FIELDS: Mapping[str, str] = {
    "document_id": "keyword",
    "title": "keyword",
    "chapter": "keyword",
    "position": "integer",
}
"""Fields that every passage has beside its document's own."""

_TEXT = ("keyword", DATED, MIXED)
"""The types of fields that hold text."""

_BAR = re.compile(r"(?<!\\)\|")
_COMPARISON = re.compile(r"\s*(?P<op>!=|>=|<=|=|>|<|~)\s*(?P<value>.*?)\s*\Z", re.DOTALL)
_OPERATOR = re.compile(r"[!=<>~]")
_TRUE, _FALSE = {"true", "yes", "1", "是"}, {"false", "no", "0", "否"}


def parse_where(
    conditions: Sequence[str], fields: Mapping[str, str], values_of: ValuesOf | None = None
) -> models.Filter | None:
    r"""All of ``conditions`` as one filter; None where there are none.

    ``fields`` maps a payload field's path to its index type (``keyword``, ``integer``, ``float``,
    ``bool``, ``dated``, ``mixed``); a nested one is written with dots, ``rooms.price``. The forms: ``FIELD=VALUE``,
    ``FIELD=A|B`` (any of; ``\|`` is a bar in a value), ``FIELD!=VALUE`` (none of),
    ``FIELD>=N`` and its kin (numbers, and dates in text: ``schemas.dates``), ``FIELD~WORDS`` (text that
    holds the words, by ``search.text_match``). ``values_of`` gives a field's distinct values; without it
    words are found by the engine, and dates in ISO's form alone. In a mixed field ``12`` is the number
    and the text. A date is equal to all that lies in the day (month, minute) that it names. ``FIELD=`` asks
    for points without the field.

    Raises ``UsageError`` for an unknown field, naming near ones, for a value of another type, and for
    none after the other operators.
    """
    if not conditions:
        return None
    must: list[Any] = []
    must_not: list[Any] = []
    for condition in conditions:
        key, kind, op, value = _parts(condition, fields)
        if value == "":
            if op not in ("=", "!="):
                raise UsageError(
                    f"--where {condition!r}: write after {op} what to compare with; "
                    "FIELD= finds what has no such field, FIELD!= what has one."
                )
            empty = models.IsEmptyCondition(is_empty=models.PayloadField(key=key))
            (must_not if op == "!=" else must).append(empty)
        elif op in ("=", "!="):
            parts = [part.replace("\\|", "|") for part in _BAR.split(value)]
            (must if op == "=" else must_not).append(_any_of(key, parts, kind, condition, values_of))
        elif op == "~":
            must.append(_holding(key, value, kind, condition, values_of))
        else:
            must.append(_range(key, op, value, kind, condition, values_of))
    return models.Filter(must=must or None, must_not=must_not or None)


def _parts(condition: str, fields: Mapping[str, str]) -> tuple[str, str, str, str]:
    """Where a condition's field is in the payload, its type, the operator and the value.

    A field's name may hold operators and blanks: the longest name known that the condition begins with is meant.
    """
    known = {name: (name, kind) for name, kind in OWN_FIELDS.items()}
    known |= {name: (f"{META}.{path}", fields[path]) for name, path in names_of(fields).items()}
    for text in (condition, condition.lstrip()):
        for name in sorted(known, key=len, reverse=True):
            if text.startswith(name) and (match := _COMPARISON.match(text, len(name))):
                return *known[name], match["op"], match["value"]
    operator = _OPERATOR.search(condition.lstrip(), 1)
    if operator is None or (field := condition.lstrip()[: operator.start()].rstrip()) == "":
        raise UsageError(f"--where {condition!r}: write FIELD=VALUE, for example --where city=Seattle.")
    shown = sorted({*(path.replace('"', "").replace("[]", "") for path in fields), *OWN_FIELDS})
    near = difflib.get_close_matches(field, shown, n=3)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(shown)}."
    raise UsageError(f"--where {condition!r}: the corpus has no field {field!r}; {hint}")


def _any_of(key: str, parts: Sequence[str], kind: str, condition: str, values_of: ValuesOf | None) -> Any:
    """One of ``parts`` as it is written; what reads as a date in a field of dates, by the time that it names."""
    values = [meant for part in parts for meant in _meant(part, kind, condition)]
    spans = [found for part in parts if (found := _time(part, kind)) is not None]
    if spans and kind != "keyword" and values_of is not None:
        try:
            dates = dates_in(values_of(key), spans)
        except UsageError:
            # Too many different values to look through: they are compared as they are written.
            dates = []
        _check_matches(dates, condition)
        values += [date for date in dates if date not in values]
    conditions = [_equal(key, values)]
    conditions += [
        models.FieldCondition(key=key, range=models.DatetimeRange(gte=begin, lt=end)) for begin, end in spans
    ]
    return conditions[0] if len(conditions) == 1 else models.Filter(should=conditions)


def _time(value: str, kind: str) -> Span | None:
    """What a value means as a date: a number of four digits may be anything, and so may months in a field of text."""
    if kind not in _TEXT or value.strip().isdecimal() or (found := span(value)) is None:
        return None
    return found if kind != "keyword" or found[1] - found[0] <= timedelta(days=1) else None


def _check_matches(found: Sequence[str], condition: str) -> None:
    if len(found) > MOST_MATCHES:
        raise UsageError(f"--where {condition!r}: {len(found):,} values match, more than {MOST_MATCHES:,}.")


def _meant(value: str, kind: str, condition: str) -> list[str | int | float | bool]:
    """What a value may be in a field: one thing, but in a mixed one each that it can be read as."""
    if kind != MIXED:
        return [_typed(value, kind, condition)]
    found: list[str | int | float | bool] = [value.strip()]
    if (number := _as_number(value)) is not None:
        found.append(number)
    if value.strip().lower() in ("true", "false"):
        found.append(value.strip().lower() == "true")
    return found


def _typed(value: str, kind: str, condition: str) -> str | int | float | bool:
    text = value.strip()
    if kind == "bool":
        if text.lower() in _TRUE:
            return True
        if text.lower() in _FALSE:
            return False
        raise UsageError(f"--where {condition!r}: the field is yes or no; write true or false.")
    if kind in ("integer", "float"):
        return _number(text, condition)
    return text


def _number(text: str, condition: str) -> int | float:
    number = _as_number(text)
    if number is None:
        raise UsageError(f"--where {condition!r}: the field holds numbers, and {text!r} is none.")
    return number


def _as_number(text: str) -> int | float | None:
    plain, _ = unadorned(text)
    if "_" in plain:  # Python's own separator, nobody else's
        return None
    for kind in (int, float):
        try:
            number = kind(plain)
            return number if math.isfinite(number) else None
        except ValueError:
            continue
        except OverflowError:
            # Longer than any float.
            return None
    return None


def _equal(key: str, values: Sequence[Any]) -> Any:
    if len(values) > 1 and all(isinstance(value, str) for value in values):
        return models.FieldCondition(key=key, match=models.MatchAny(any=[str(value) for value in values]))
    # Qdrant matches no floats by equality: a range with both ends at the value does, for whole numbers too.
    conditions = [
        models.FieldCondition(key=key, match=models.MatchValue(value=value))
        if isinstance(value, str | bool)
        else models.FieldCondition(key=key, range=models.Range(gte=value, lte=value))
        for value in values
    ]
    return conditions[0] if len(conditions) == 1 else models.Filter(should=list(conditions))


def _holding(key: str, words: str, kind: str, condition: str, values_of: ValuesOf | None) -> Any:
    if kind not in _TEXT:
        raise UsageError(f"--where {condition!r}: ~ looks for words in text, and the field holds none; compare with =.")
    if values_of is None:
        return models.FieldCondition(key=key, match=models.MatchText(text=words))
    try:
        found = matching_values(values_of(key), words)
    except UsageError as error:
        raise UsageError(f"--where {condition!r}: {error}") from None
    if not found:
        return models.HasIdCondition(has_id=[])
    return models.FieldCondition(key=key, match=models.MatchAny(any=found))


def _range(key: str, op: str, value: str, kind: str, condition: str, values_of: ValuesOf | None) -> Any:
    name = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}[op]
    if kind in ("integer", "float"):
        return models.FieldCondition(key=key, range=models.Range(**{name: _number(value, condition)}))
    either: list[Any] = []
    if kind == MIXED and (number := _as_number(value)) is not None:
        either.append(models.FieldCondition(key=key, range=models.Range(**{name: number})))
    if kind in _TEXT and (moment := when(value)) is not None:
        end: dict[str, Any] = {name: moment}
        either.append(models.FieldCondition(key=key, range=models.DatetimeRange(**end)))
        # Only where the ingest saw such dates: to list all values of a field takes a second for 50,000.
        found = dates_within(values_of(key), op, moment) if values_of is not None and kind != "keyword" else []
        _check_matches(found, condition)
        if found:
            either.append(models.FieldCondition(key=key, match=models.MatchAny(any=found)))
    if not either:
        holds = {"keyword": "text", DATED: "text", "bool": "yes or no", MIXED: "numbers and text"}.get(kind, kind)
        raise UsageError(
            f"--where {condition!r}: {op} compares numbers, and dates such as 2024-05-31; the field holds {holds}, and "
            f"{value!r} is no date."
        )
    return either[0] if len(either) == 1 else models.Filter(should=either)
