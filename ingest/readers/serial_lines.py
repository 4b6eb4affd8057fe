"""Lines that are hardly more than a number, and head a chapter only in a series of their kind.

A list in prose, a page's number and a footnote look the same: :mod:`ingest.readers.series` tells them apart.
"""

from __future__ import annotations

import re

from ingest.readers.decorations import visible
from ingest.readers.heading_numbers import DIGITS, HAN_DIGITS, chinese_number, english_number
from ingest.readers.headings import LEADER, MAX_HEADING_CHARS, Heading, is_titled, parse_label

HALVES = "上下"
"""The kind of 上部, 中部, 下部, which are parts; all others are of chapters."""
PAGE_LIKE = "1"
"""The kind of bare numbers, which are more often those of pages."""
BARE = frozenset({"1", "一", "I"})
"""The kinds of numbers without anything around or after them."""

_HALF = re.compile(r"(?P<label>(?P<number>[上中下])[部卷篇册冊编編集])(?:[\s:：·]+(?P<title>.*))?")
_SHAPES = (
    ("其", re.compile(rf"(?P<label>其(?P<number>[{HAN_DIGITS}]{{1,3}}))(?:[\s:：、.．]+(?P<title>.*))?")),
    ("（）", re.compile(rf"(?P<label>[（(【\[](?P<number>[{DIGITS}]{{1,5}})[）)】\]])\s*(?P<title>.*)")),
    ("一", re.compile(rf"(?P<label>(?P<number>[{HAN_DIGITS}]{{1,5}}))(?:[、.．:：]\s*|[ \u3000\t]+|$)(?P<title>.*)")),
    ("1", re.compile(r"(?P<label>(?P<number>[0-9０-９]{1,4}))(?:[、.．:：)）]\s*|[ \u3000\t]+|$)(?P<title>.*)")),
    (
        "I",
        re.compile(r"(?P<label>(?P<number>[IVXLC]{1,8}))(?:[.:：]?[-—–]*\s+|[.:：]?[-—–]+|\.?$)(?P<title>.*)"),
    ),
)
_FIRST = re.compile(rf"[\s\ufeff\u200b]*[{DIGITS}IVXLC其上中下（(【\[csl]")
"""How all of them begin, in lower case chapter, scene and letter: most lines of prose need no more looking at."""
_MAX_TITLE_CHARS = 60


def parse_serial(line: str) -> Heading | None:
    """The heading that a line would be in a series; titles must look like titles."""
    if len(line) > 16 * MAX_HEADING_CHARS or not _FIRST.match(line):
        return None
    text = visible(line).strip()
    if not text or len(text) > MAX_HEADING_CHARS:
        return None
    leader = LEADER.search(text)
    entry = leader is not None and leader.start() > 0
    if leader is not None and entry:
        text = text[: leader.start()].strip()
    half = _HALF.fullmatch(text)
    if half is not None and _is_title(half["title"] or ""):
        number = "上中下".index(half["number"])
        return Heading(half["label"], half["title"] or half["label"], 0, HALVES, number, entry=entry, series=HALVES)
    for kind, pattern in _SHAPES:
        match = pattern.fullmatch(text)
        if match is None:
            continue
        title = (match["title"] or "").strip()
        value = english_number(match["number"]) if kind == "I" else chinese_number(match["number"])
        if value is None or not _is_title(title):
            return None
        # A title makes another kind: I within the stories of I. A SCANDAL IN BOHEMIA.
        series = f"{kind} title" if title else kind
        return Heading(match["label"], title or match["label"], 1, series, value, entry=entry, series=series)
    return _lower(text)


def _is_title(title: str) -> bool:
    if not title:
        return True
    if len(title) > _MAX_TITLE_CHARS or title[-1] in "。，；：、,;:”’」』" or "。" in title or "，" in title[:-1]:
        return False
    return is_titled(title)


def _lower(text: str) -> Heading | None:
    """``chapter one``, which may as well be the end of a sentence."""
    if not text[:1].islower():
        return None
    heading = parse_label(text[0].upper() + text[1:])
    if heading is None or heading.number is None or heading.rank != 1 or text[-1] in ".,;":
        return None
    label = text[: len(heading.label)]
    title = label if heading.title == heading.label else heading.title
    kind = f"{heading.unit} lower"
    return Heading(label, title, 1, kind, heading.number, series=kind)
