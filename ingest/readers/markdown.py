"""What Markdown has beside headings with ``#``: front matter, and headings that are underlined."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from ingest.readers.headings import MAX_HEADING_CHARS

_MAX_FRONT_LINES, _MAX_FRONT_CHARS = 100, 5000
"""Front matter is small; what goes on longer between two rules is text."""
_KEY = re.compile(r"(?P<key>[^\W\d][\w.-]*(?: [\w.-]+)?):(?:[ \t]+(?P<value>.*))?")
_KNOWN_NAMES = (
    "title subtitle author authors date created updated modified published lastmod tags tag categories category "
    "keywords layout lang language description summary slug permalink draft type aliases series publisher rights "
    "isbn cover image toc weight id uid status publish sidebar_position sidebar_label cssclass cssclasses "
    "标题 標題 书名 書名 作者 日期 标签 標籤 分类 分類"
)
_KNOWN = frozenset((*_KNOWN_NAMES.split(), "date created", "date modified"))
"""Names that front matter has; a dialogue or a list of facts between two rules has none of them."""
_OPEN = re.compile(r"[|>][-+\d]*|[\[{][^\]}]*|", re.DOTALL)
"""The values that go on below: a block's sign, a bracket that is not closed, none."""
_BELOW = re.compile(r" .*|-(?: .*)?|[\]}],?|")
_OPEN_QUOTE = re.compile(r"\"[^\"]*|'[^']*")
_SURE = 2
"""With so many known names it is front matter, and an indented line goes on with any value."""
_UNDERLINE = re.compile(r" {0,3}(?P<line>=+|-{2,})\s*")
_NO_PARAGRAPH = re.compile(r"\s{4}|\s*(?:[-*+>|#]|\d{1,9}[.)]\s|```|~~~)")
_ENDS_TEXT = "。，；：、,;:.!！…”’」』\"'"


def front_matter(lines: Iterator[str]) -> tuple[str | None, int, Iterator[str]]:
    """The title that YAML at the beginning names, how long the YAML is, and the lines after it."""
    first = next(lines, None)
    if first is None:
        return None, 0, iter(())
    taken = [first]
    if first.strip("\ufeff \t\n") != "---":
        return None, 0, itertools.chain(taken, lines)
    for line in itertools.islice(lines, _MAX_FRONT_LINES):
        taken.append(line)
        if line.rstrip() in {"---", "..."}:
            keys = _mapping(taken[1:-1])
            if keys is None or _KNOWN.isdisjoint(keys):
                break
            return keys.get("title") or None, sum(map(len, taken)), lines
        if sum(map(len, taken)) > _MAX_FRONT_CHARS:
            break
    return None, 0, itertools.chain(taken, lines)


def _mapping(lines: list[str]) -> dict[str, str] | None:
    """The keys of YAML with their values where they stand on the same line; None where it is no mapping."""
    keys: dict[str, str] = {}
    goes_on = False
    for line in lines:
        text = line.rstrip()
        named = _KEY.fullmatch(text)
        if named is not None:
            key, value = named["key"].casefold(), (named["value"] or "").strip()
            if key in keys:
                return None
            keys[key] = value.strip("\"'")
            goes_on = any(pattern.fullmatch(value) for pattern in (_OPEN, _OPEN_QUOTE))
        elif (goes_on and _BELOW.fullmatch(text)) or (text.startswith(" ") and len(_KNOWN & keys.keys()) >= _SURE):
            continue
        elif not (keys and text.startswith("#")):
            return None
    return keys


def with_hashes(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The lines, each with what it says to who knows hashes only: an underlined heading's two are ``# heading``."""
    blank_before, fenced = True, False
    waiting: str | None = None
    for line in lines:
        if waiting is not None:
            under = _UNDERLINE.fullmatch(line.rstrip("\n"))
            if under is not None:
                hashes = "#" if under["line"][0] == "=" else "##"
                yield waiting + line, f"{hashes} {waiting.strip()}\n"
                waiting, blank_before = None, True
                continue
            yield waiting, waiting
            waiting = None
        text = line.strip() if len(line) < 16 * MAX_HEADING_CHARS else line
        if text.startswith(("```", "~~~")):
            fenced = not fenced
        may = text and not fenced and blank_before and len(text) <= MAX_HEADING_CHARS
        if may and text[-1] not in _ENDS_TEXT and not _NO_PARAGRAPH.match(line):
            waiting = line
        else:
            yield line, line
        blank_before = not text
    if waiting is not None:
        yield waiting, waiting
