"""Lines that come again on every page or after every chapter: headers, page numbers, footers.

Content comes again as well: speakers, refrains, the last item of a list. So a line counts only with evidence that
content does not give: numbers that rise page by page, distances like those of pages, the words of a site's notices.
"""

from __future__ import annotations

import math
import re
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from ingest.readers.headings import squeeze

_EDGE_NUMBER = re.compile(r"^\d{1,5}\s+(?:[|·\-—–]\s+)?|\s+[\[(（\-—–|·]?\s*\d{1,5}\s*[\])）\-—–|·]?$")
_DIGITS = re.compile(r"\d+")
_NUMBERED = "#"
"""Stands in a line's key for the number at its edge."""
_PUNCTUATION = re.compile(r"[。！？!?；;，,、“”‘’「」『』\"…：:.|\t]")
_BULLET = re.compile(r"[-*+•·>#]\s")
ENDING = re.compile(r"[。！？!?….：:][”’」』\"')）]*$")
"""How a sentence ends."""
_MAX_DISTINCT = 200_000
_MANY = 5
"""What repeats comes at least this often."""
_MIN_CHAPTERS = 3
"""A book's title is a header where it comes in so many chapters."""
_FOOT_LINES = 4
"""Lines before a heading that may be a page's footer: a rule, a site's name, a notice."""
_STEPS, _RISING = range(1, 4), 0.8
"""From one header to the next its number rises so much, nearly always; a page may have none."""
_TORN = 0.25
"""A page ends where it is full: at least this share of its headers stands amid sentences."""
_GROWTH = 1.2
_PAGE_CLASSES = range(int(math.log(300, _GROWTH)), int(math.log(8000, _GROWTH)))
"""A page has some 300 characters at least; two of small print, where every other has the header, 8,000 at most."""
_ALIKE = 0.6
"""This share of the distances between pages is the same but for little; where chapters end they are short."""
_FIRST_PAGE = 1000
"""Numbers that begin beyond it are years."""
_NOTICE = re.compile(
    r"https?://|www\.|[\w-]+\.(?:com|net|org|cn|cc|info|me|tw|io|co|xyz|vip|la)\b"
    r"|^[^\w]*(?:完|全文完|[终終]|正文|the end|tbc)[^\w]*$"
    r"|本[章回节節卷]\s*[完终終]|完待[续續]|求(?:收藏|推[荐薦]|月票|票|[订訂][阅閱]|打[赏賞]|[鲜鮮]花)|推[荐薦]票"
    r"|加入[书書][签籤架]|[上下]一?[章页頁回](?:\W|$)|返回(?:目[录錄]|[书書][页頁]|首[页頁])"
    r"|[转轉][载載][请請]|(?:[请請]勿|禁止)[转轉][载載]|(?:[输輸錄录]入|[扫掃]描|校[对對]|整理|排版|[制製]作|ocr)\s*[:：]"
    r"|[记記]住(?:本[站书書]|[网網]址)|本站(?:域名|[网網]址)|[手首][打发發](?:更新|小[说說]|$)|最新章[节節]|更新最快"
    r"|[书書]屋|(?:小[说說]|中文|文[学學]|[阅閱][读讀])[网網]|首[发發]|(?:提供|txt)下[载載]|手[机機][阅閱][读讀]"
    r"|本章字[数數]|(?:喜[欢歡]|收藏)本[书書]|章[节節][错錯][误誤]|[点點](?:此|[击擊])[举舉][报報]"
    r"|(?:next|prev|previous) (?:chapter|page)|back to (?:top|contents|index)|to be continued|end of chapter"
    r"|chapter end$"
    r"|please (?:vote|subscribe|comment|rate|review)|thanks? (?:you )?for reading|all rights reserved"
    r"|^(?:translat|edit|proofread)(?:or|er|ed by)\b",
    re.IGNORECASE,
)
"""What sites and typists put below chapters, and no author."""


def header_key(text: str) -> str:
    """A page header, with the same sign for whatever page number it has."""
    return squeeze(_EDGE_NUMBER.sub(_NUMBERED, text.strip()))


def _edge_number(text: str) -> int | None:
    found = _EDGE_NUMBER.search(text)
    digits = _DIGITS.search(found[0]) if found is not None else None
    return int(digits[0]) if digits is not None else None


class _Distances:
    """How far apart lines stand, by size in few classes, so that it is small however many there are."""

    __slots__ = ("_classes",)

    def __init__(self) -> None:
        self._classes: Counter[int] = Counter()

    def add(self, chars: int) -> None:
        self._classes[int(math.log(max(1, chars), _GROWTH))] += 1

    def are_pages(self) -> bool:
        """Whether most are alike, and as long as pages."""
        most = max((self._classes[size] + self._classes[size + 1] for size in _PAGE_CLASSES), default=0)
        return most > 0 and most >= _ALIKE * self._classes.total()


@dataclass(slots=True)
class _Repeat:
    """A line that may be a header: how often it came, in how many chapters, and what speaks for pages."""

    count: int = 0
    chapters: int = 0
    rising: int = 0
    torn: int = 0
    chapter: int = -1
    at: int = 0
    number: int | None = None
    distances: _Distances | None = field(default=None)

    def is_page(self) -> bool:
        alike = self.distances is not None and self.distances.are_pages()
        return alike and self.torn >= _TORN * self.count

    def rises(self) -> bool:
        return self.rising >= _RISING * (self.count - 1)


class Repeats:
    """Counts short lines that stand alone, within bounded memory."""

    def __init__(self) -> None:
        self._met: dict[str, _Repeat] = {}
        self._rare = 1

    def add(self, text: str, chapter: int, at: int, *, torn: bool) -> None:
        """Count a line alone between blank lines of a chapter, ``at`` characters from the start, amid a sentence."""
        if len(text) > 40 or _PUNCTUATION.search(_EDGE_NUMBER.sub("", text)) or _BULLET.match(text):
            return
        key = header_key(text)
        if not any(char.isalpha() for char in key):
            return
        if len(self._met) > _MAX_DISTINCT:
            # Each time the rare ones go, and twice as many are rare, so that it is seldom.
            self._met = {name: one for name, one in self._met.items() if one.count > self._rare}
            self._rare *= 2
        one = self._met.setdefault(key, _Repeat())
        number = _edge_number(text)
        if one.count:
            one.distances = one.distances or _Distances()
            one.distances.add(at - one.at)
            one.rising += number is not None and one.number is not None and number - one.number in _STEPS
        one.count += 1
        one.torn += torn
        one.chapters += chapter != one.chapter
        one.chapter, one.at, one.number = chapter, at, number

    def headers(self, chapters: int, titles: Iterable[str]) -> dict[str, int]:
        """The keys of page headers in a book of so many chapters that names ``titles`` first; how often each came."""
        named = set(titles)
        found: dict[str, int] = {}
        for key, one in self._met.items():
            if one.count < _MANY:
                continue
            if one.number is not None:
                wanted = one.rises() and one.is_page()
            else:
                # The book's title or a site's notice, on pages or once in each chapter; a speaker may be called so.
                once = one.count <= one.chapters + one.chapters // 4
                known = key in named or _NOTICE.search(key) is not None
                spread = known and min(chapters, one.chapters) >= _MIN_CHAPTERS
                wanted = spread and (once or one.is_page())
            if wanted:
                found[key] = one.count
        return found


class Footers:
    """Notices, none a sentence, that stand last before most headings: who typed the text, and where it is from."""

    def __init__(self) -> None:
        self._last: deque[str] = deque(maxlen=_FOOT_LINES)
        self._feet: Counter[str] = Counter()
        self._all: Counter[str] = Counter()
        self._chapters, self._rare = 0, 1

    def add(self, text: str) -> None:
        """Take in the next line of text that is not blank."""
        key = header_key(text) if _is_notice(text) else ""
        self._last.append(key)
        if key:
            if len(self._all) > _MAX_DISTINCT:
                self._all = Counter({name: count for name, count in self._all.items() if count > self._rare})
                self._rare *= 2
            self._all[key] += 1

    def heading(self) -> None:
        """A heading follows: what was added last stood before it."""
        if self._last:
            self._chapters += 1
            self._feet.update({key for key in self._last if key})
            self._last.clear()

    def lines(self) -> dict[str, int]:
        """The keys of footers, and how often each came."""
        least = max(_MANY, self._chapters / 2)
        return {key: self._all[key] for key, count in self._feet.items() if count >= least}


def _is_notice(text: str) -> bool:
    if len(text) > 48 or ENDING.search(text[-4:]) or _BULLET.match(text) or text.startswith("|"):
        return False
    return not any(char.isalnum() for char in text) or _NOTICE.search(text) is not None


class Numbers:
    """Lines that are only a number: page numbers, where most rise by about one, as far apart as pages are."""

    def __init__(self) -> None:
        self._last, self._at, self._rising = -1, 0, 0
        self._met: Counter[int] = Counter()
        self._pages: set[int] = set()
        self._distances = _Distances()

    def add(self, number: int, at: int) -> None:
        """Take in the next line that is only a number, ``at`` characters from the start."""
        if self._last >= 0 and number - self._last in (1, 2):
            self._rising += 1
            self._pages |= {self._last, number}
            self._distances.add(at - self._at)
        self._met[number] += 1
        self._last, self._at = number, at

    def pages(self) -> dict[int, int]:
        """The numbers of pages, and how often each came; none where the numbers are none of pages."""
        count = self._met.total()
        rise = count >= _MANY and self._rising >= _ALIKE * (count - 1)
        if not rise or min(self._pages) >= _FIRST_PAGE or not self._distances.are_pages():
            return {}
        return {number: self._met[number] for number in self._pages}
