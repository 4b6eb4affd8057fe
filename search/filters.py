"""``FIELD=VALUE`` as people type it, to the filters that Qdrant takes."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from qdrant_client import models

from schemas.errors import UsageError
from schemas.payload_paths import find_path
from search.text_match import ValuesOf, matching_values

META = "meta"
OWN_FIELDS: Mapping[str, str] = {
    "document_id": "keyword",
    "title": "keyword",
    "chapter": "keyword",
    "position": "integer",
}
"""Fields that every passage has beside its document's own."""

_BAR = re.compile(r"(?<!\\)\|")
_CONDITION = re.compile(r"^\s*(?P<field>.+?)\s*(?P<op>!=|>=|<=|=|>|<|~)\s*(?P<value>.*?)\s*$", re.DOTALL)
_TRUE, _FALSE = {"true", "yes", "1", "是"}, {"false", "no", "0", "否"}


def parse_where(
    conditions: Sequence[str], fields: Mapping[str, str], values_of: ValuesOf | None = None
) -> models.Filter | None:
    r"""All of ``conditions`` as one filter; None where there are none.

    ``fields`` maps a payload field's path to its index type (``keyword``, ``integer``, ``float``,
    ``bool``); a nested one is written with dots, ``rooms.price``. The forms: ``FIELD=VALUE``,
    ``FIELD=A|B`` (any of; ``\|`` is a bar in a value), ``FIELD!=VALUE`` (none of),
    ``FIELD>=N`` and its kin (numbers, and text such as ISO dates where it is a number's field),
    ``FIELD~WORDS`` (text that holds the words, by ``search.text_match`` over the field's distinct values
    that ``values_of`` gives, else by the engine). An empty value asks for points without the field.

    Raises ``UsageError`` for an unknown field, naming near ones, and for a value of another type.
    """
    if not conditions:
        return None
    must: list[Any] = []
    must_not: list[Any] = []
    for condition in conditions:
        match = _CONDITION.match(condition)
        if match is None:
            raise UsageError(f"--where {condition!r}: write FIELD=VALUE, for example --where city=Seattle.")
        field, op, value = match["field"], match["op"], match["value"]
        key, kind = _key(field, fields, condition)
        if value == "":
            empty = models.IsEmptyCondition(is_empty=models.PayloadField(key=key))
            (must_not if op == "!=" else must).append(empty)
        elif op in ("=", "!="):
            values = [_typed(part.replace("\\|", "|"), kind, condition) for part in _BAR.split(value)]
            (must if op == "=" else must_not).append(_equal(key, values))
        elif op == "~":
            must.append(_holding(key, value, kind, condition, values_of))
        else:
            must.append(_range(key, op, value, kind, condition))
    return models.Filter(must=must or None, must_not=must_not or None)


def _key(field: str, fields: Mapping[str, str], condition: str) -> tuple[str, str]:
    """Where the field is in the payload, and its type."""
    if (path := find_path(field, fields)) is not None:
        return f"{META}.{path}", fields[path]
    if field in OWN_FIELDS:
        return field, OWN_FIELDS[field]
    known = sorted({*(path.replace('"', "").replace("[]", "") for path in fields), *OWN_FIELDS})
    near = difflib.get_close_matches(field, known, n=3)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(known)}."
    raise UsageError(f"--where {condition!r}: the corpus has no field {field!r}; {hint}")


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
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"--where {condition!r}: the field holds numbers, and {text!r} is none.")
    return number


def _equal(key: str, values: Sequence[Any]) -> Any:
    if any(isinstance(value, float) for value in values):
        # Qdrant matches no floats by equality: a range with both ends at the value does.
        ranges = [models.FieldCondition(key=key, range=models.Range(gte=v, lte=v)) for v in values]
        return ranges[0] if len(ranges) == 1 else models.Filter(should=list(ranges))
    conditions = [
        models.FieldCondition(key=key, range=models.Range(gte=v, lte=v))
        if isinstance(v, int) and not isinstance(v, bool)
        else models.FieldCondition(key=key, match=models.MatchValue(value=v))
        for v in values
    ]
    if len(conditions) == 1:
        return conditions[0]
    if all(isinstance(value, str) for value in values):
        return models.FieldCondition(key=key, match=models.MatchAny(any=[str(value) for value in values]))
    return models.Filter(should=list(conditions))


def _holding(key: str, words: str, kind: str, condition: str, values_of: ValuesOf | None) -> Any:
    if kind != "keyword":
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


def _range(key: str, op: str, value: str, kind: str, condition: str) -> models.FieldCondition:
    name = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}[op]
    if kind in ("integer", "float"):
        return models.FieldCondition(key=key, range=models.Range(**{name: _number(value, condition)}))
    if re.match(r"^\d{4}(-\d{2}(-\d{2}([T ].*)?)?)?$", value):
        padded = value + "-01-01"[len(value) - 4 :] if len(value) < 10 else value
        end: dict[str, Any] = {name: padded}
        try:
            return models.FieldCondition(key=key, range=models.DatetimeRange(**end))
        except ValidationError:
            raise UsageError(f"--where {condition!r}: {value!r} is no date; write it as 2024-05-31.") from None
    raise UsageError(f"--where {condition!r}: {op} compares numbers and ISO dates, and {value!r} is neither.")
