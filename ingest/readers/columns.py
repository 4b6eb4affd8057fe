"""Which column of a table plays which role, and what type a CSV column's cells have."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence

from schemas.documents import JSON
from schemas.errors import InputError
from schemas.numbers import unadorned

_SYNONYMS: dict[str, dict[str, tuple[str, ...]]] = {
    "hotels": {
        "id": ("id", "_id", "hotelid", "编号", "編號", "酒店编号", "酒店id"),
        "title": (
            "name",
            "hotelname",
            "hotel",
            "title",
            "propertyname",
            "名称",
            "名稱",
            "酒店名称",
            "酒店名稱",
            "酒店名",
            "酒店",
            "饭店名称",
            "飯店名稱",
            "宾馆名称",
            "賓館名稱",
            "旅馆名称",
            "旅館名稱",
            "店名",
            "标题",
            "標題",
        ),
        "address": (
            "address",
            "addr",
            "hoteladdress",
            "streetaddress",
            "fulladdress",
            "location",
            "地址",
            "酒店地址",
            "详细地址",
            "詳細地址",
            "所在地",
            "位置",
        ),
        "text": (
            "desc",
            "description",
            "hoteldescription",
            "hoteldesc",
            "details",
            "detail",
            "summary",
            "overview",
            "about",
            "introduction",
            "intro",
            "text",
            "content",
            "描述",
            "简介",
            "簡介",
            "酒店简介",
            "酒店簡介",
            "酒店描述",
            "介绍",
            "介紹",
            "酒店介绍",
            "酒店介紹",
            "详情",
            "詳情",
            "说明",
            "說明",
            "概述",
            "内容",
            "內容",
        ),
    },
    "records": {
        "id": (
            "_id",
            "id",
            "docid",
            "documentid",
            "pid",
            "passageid",
            "recordid",
            "rowid",
            "uuid",
            "key",
            "编号",
            "編號",
            "序号",
            "序號",
            "文档编号",
        ),
        "title": (
            "title",
            "name",
            "headline",
            "heading",
            "subject",
            "标题",
            "標題",
            "题目",
            "題目",
            "题名",
            "題名",
            "名称",
            "名稱",
        ),
        "text": (
            "text",
            "body",
            "content",
            "contents",
            "passage",
            "abstract",
            "document",
            "description",
            "desc",
            "paragraph",
            "summary",
            "正文",
            "内容",
            "內容",
            "文本",
            "摘要",
            "段落",
            "全文",
            "描述",
            "简介",
            "簡介",
        ),
    },
}

_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_FLOAT = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,2})?|-?\.\d+")

_NAME = "name"
"""Text with a digit in it, as of room 12A or version 1.2.3: a number beside it is one of a kind, not an amount."""


def normal_name(name: str) -> str:
    """A column's name without case, width, spaces, underscores and hyphens."""
    return re.sub(r"[\s_\-./]+", "", unicodedata.normalize("NFKC", name).casefold())


def find_columns(kind: str, names: Sequence[str], asked: Mapping[str, str], place: str) -> dict[str, str]:
    """The column of each role; a role without one is left out.

    Raises:
        InputError: an asked column does not exist, or the kind lacks a column that it needs.
    """
    found = {role: _asked_column(column, names, place) for role, column in asked.items()}
    free = {normal_name(name): name for name in reversed(names) if name not in found.values()}
    for role, synonyms in _SYNONYMS[kind].items():
        if role not in found:
            name = next((free.pop(key) for synonym in synonyms if (key := normal_name(synonym)) in free), None)
            if name is not None:
                found[role] = name
    for role in ("text", "title") if kind == "hotels" else ("text",):
        if role not in found:
            raise InputError(
                f"{place} has no column for the {role} of {kind} among {_listing(names)}; "
                f"name it with --column {role}=COLUMN."
            )
    return found


def lacks_columns(kind: str, names: Iterable[str], asked: Mapping[str, str]) -> bool:
    """Whether a column that was asked for is not among the names, or none has the id, the title or the text."""
    present = {normal_name(name) for name in names}
    if any(normal_name(column) not in present for column in asked.values()):
        return True
    wanted = {"id", "title", "text"} - set(asked)
    return not all(_has(kind, role, present) for role in wanted)


def looks_like_hotels(names: Iterable[str]) -> bool:
    """Whether the columns are those of hotels: a name, an address and a description."""
    present = {normal_name(name) for name in names}
    return all(_has("hotels", role, present) for role in ("title", "address", "text"))


def _has(kind: str, role: str, present: Container[str]) -> bool:
    """Whether one of these normal names says what the role's column is called."""
    return any(normal_name(word) in present for word in _SYNONYMS[kind][role])


def _asked_column(column: str, names: Sequence[str], place: str) -> str:
    if column in names:
        return column
    by_normal = {normal_name(name): name for name in reversed(names)}
    if normal_name(column) in by_normal:
        return by_normal[normal_name(column)]
    near = difflib.get_close_matches(normal_name(column), by_normal, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(by_normal[name] for name in near)}?" if near else f"it has {_listing(names)}."
    raise InputError(f"{place} has no column {column!r}; {hint}")


def _listing(names: Sequence[str]) -> str:
    shown = ", ".join(names[:20])
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown


class ColumnTypes:
    """The type of each CSV column, decided from sample rows: a filter wants one type a column.

    A column is bool, int or float where every value of the sample that is not empty is one, else str.
    Numbers may have thousands separators, full width and, one a column, a currency sign
    (``schemas.numbers``); with leading zeros or a plus they are names, like postcodes and telephone
    numbers. A column of which most cells are numbers and the others hold no digit ("on request", 面议)
    is one of numbers too. A cell that does not parse stays a string.
    """

    def __init__(self, sample: Iterable[Mapping[str, JSON]]) -> None:
        kinds: dict[str, Counter[str]] = {}
        self._signs: dict[str, set[str]] = {}
        for row in sample:
            for name, value in row.items():
                if isinstance(value, str) and (text := value.strip()):
                    plain, sign = unadorned(text)
                    kind = _kind(plain)
                    kinds.setdefault(name, Counter())[_NAME if kind == "str" and _has_digit(text) else kind] += 1
                    self._signs.setdefault(name, set()).add(sign)
        self.types = {
            name: _common(found) if len(self._signs[name] - {""}) < 2 else "str" for name, found in kinds.items()
        }

    def convert(self, name: str, value: JSON) -> JSON:
        """The cell as its column's type; other than strings come back as they are."""
        if not isinstance(value, str):
            return value
        text, kind = value.strip(), self.types.get(name, "str")
        if kind == "str":
            return text
        plain, sign = unadorned(text)
        own = _kind(plain)
        if kind == "bool":
            return text.lower() == "true" if own == "bool" else text
        if sign and sign not in self._signs[name]:
            return text
        if kind == "int" and own == "int":
            return int(plain)
        if kind == "float" and own in {"int", "float"}:
            return float(plain)
        return text


def _has_digit(text: str) -> bool:
    return any(char.isdigit() for char in text)


def _kind(text: str) -> str:
    if text.lower() in {"true", "false"}:
        return "bool"
    if _INTEGER.fullmatch(text) and text != "-0":
        return "int"
    return "float" if _FLOAT.fullmatch(text) and len(text) < 40 else "str"


def _common(kinds: Counter[str]) -> str:
    if set(kinds) == {"bool"}:
        return "bool"
    numbers = kinds["int"] + kinds["float"]
    if kinds[_NAME] or numbers <= kinds.total() - numbers:
        return "str"
    return "float" if kinds["float"] else "int"
