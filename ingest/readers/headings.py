"""Recognises the heading lines of books in Chinese and English, one line at a time."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace

from ingest.readers.decorations import is_end, undecorated, visible, without_emphasis
from ingest.readers.heading_numbers import DIGITS, WORDS, chinese_number, english_number

MAX_HEADING_CHARS = 80

_RANGE = rf"(?:[ \u3000]?[-~～—–至到、][ \u3000]?[{DIGITS}]+)?"
"""Two chapters in one: 第4-5章."""
_PARTS = "卷部篇集册冊编編"
_CHAPTERS = "章回囘话話折幕"
_SECTIONS = "节節"

_CHINESE = re.compile(
    rf"(?P<label>第[ \u3000]*(?P<number>[{DIGITS}]+){_RANGE}[ \u3000]*(?P<unit>[{_PARTS}{_CHAPTERS}{_SECTIONS}])"
    rf"|(?P<unit2>[卷])[ \u3000]?(?P<number2>[{DIGITS}]+|[上中下](?![{DIGITS}])))(?P<rest>.*)"
)
_SPECIAL = re.compile(
    r"(?P<label>(?:楔[ \u3000]*子|序[ \u3000]*[章幕言曲]|自[ \u3000]*序|序|前[ \u3000]*言|引[ \u3000]*[子言]"
    r"|尾[ \u3000]*[声聲]"
    r"|[终終][ \u3000]*章|[后後][ \u3000]*[记記]|番[ \u3000]*外(?:篇)?|附[ \u3000]*[录錄]"
    r"|跋|外[ \u3000]*[传傳]|大结局|大結局)"
    rf"(?:[ \u3000]?[{DIGITS}]{{1,4}}(?=$|[\s:：.．、])|[之]?[上中下](?=$|[\s:：]))?)(?P<rest>.*)"
)
_ENGLISH = re.compile(
    r"(?P<label>(?P<unit>chapter|chap\.|ch\.|part|book|volume|vol\.|section|canto|stave|letter|act|scene)\s+(?:the\s+)?"
    rf"(?P<number>[0-9]{{1,4}}|[ivxlc]+|(?:{WORDS})(?:[\s-]+(?:and[\s-]+)?(?:{WORDS}))*)(?![\w]))(?P<rest>.*)",
    re.IGNORECASE,
)
_ENGLISH_SPECIAL = re.compile(
    r"(?P<label>prologue|epilogue|preface|foreword|afterword|appendix(?: [a-z0-9])?|interlude|introduction|postscript)"
    r"(?P<rest>.*)",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"[\s:：.．、·・\-—–|《「『【(（]")
LEADER = re.compile(r"(?:[.．·・…‥_]\s*){2,}\s*[0-9０-９]+\s*$|(?:\t| {3,}|\u3000{2,})[0-9０-９]+\s*$")
_LINK = re.compile(r"!?\[(?P<text>[^\]]*)\]\([^)]*\)")
_LIST_ITEM = re.compile(r"^(?:[-*+]|\d{1,4}[.)])\s+")
_MARKDOWN = re.compile(r"\s{0,3}(?P<hashes>#{1,6})[ \t\u3000]+(?P<text>.*?)[ \t]*#*[ \t]*$")
_PREFIX = re.compile(
    r"(?P<prefix>.{1,40}?[-—–_·・•|/:：>》\s])(?=第|卷|附|楔|序|尾|番|[Cc][Hh][Aa][Pp]|[Pp]art|PART|[Pp]rol|[Ee]pil)"
)
_STOPS = "。，；、,;"
_CHAPTER_WITHIN = re.compile(
    rf"(?:^|[\s:：·・—–\-|])(?=第[ \u3000]*[{DIGITS}]+{_RANGE}[ \u3000]*[{_CHAPTERS}{_SECTIONS}])"
)
"""Where a chapter begins on its part's own line: 第一卷 少年游 第一章 风起."""
_HAN = re.compile("[\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Heading:
    """A line that may head a chapter.

    ``rank`` is 0 for a part that holds chapters, 1 for a chapter, 2 for a section. ``number`` is
    the label's own, where it has one. ``glued`` marks a title that follows its label without any
    separator (第三章风起), as prose may too; ``entry`` an item of a table of contents; ``prefix``
    what stands before the label in a running header; ``level`` a Markdown heading's depth; ``part``
    names the part on the same line. ``series`` is the kind of one that is hardly more than a number:
    only where it makes a series of its kind does it count.
    """

    label: str
    title: str
    rank: int
    unit: str
    number: int | None = None
    glued: bool = False
    entry: bool = False
    prefix: str = ""
    level: int = 0
    part: str = ""
    series: str = ""

    @property
    def key(self) -> tuple[str, int | str]:
        """What the heading is called, however it is written: 第001回 and 第一回 are one."""
        return (self.unit, self.number if self.number is not None else squeeze(self.label))

    @property
    def full_key(self) -> tuple[str, int | str, str]:
        """The key with the title, for headings that must agree in both."""
        return (*self.key, squeeze(self.title))


def squeeze(text: str) -> str:
    """``text`` without white space, width and case."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).casefold()


def parse_line(line: str, *, markdown: bool = False) -> Heading | None:
    """The heading that a line of a text file holds, or None.

    In Markdown every ``#`` and ``##`` line is one; in plain text the hashes must be followed by
    a chapter's label.
    """
    if len(line) > 16 * MAX_HEADING_CHARS:
        return None
    line = visible(line)
    text = line.strip()
    if not text or len(text) > 2 * MAX_HEADING_CHARS:
        return None
    marked = _MARKDOWN.match(line)
    if marked is not None:
        return _marked(marked, markdown)
    entry = False
    linked = _LINK.sub(lambda match: match["text"], _LIST_ITEM.sub("", text, count=1))
    if linked != text:
        text, entry = linked.strip(), True
    leader = LEADER.search(text)
    if leader is not None:
        text, entry = text[: leader.start()].strip(), True
    if len(text) > MAX_HEADING_CHARS:
        return None
    heading = parse_heading(text)
    if heading is None and not entry:
        return _prefixed(text)
    return replace(heading, entry=entry) if heading is not None else None


def _marked(match: re.Match[str], markdown: bool) -> Heading | None:
    level, text = len(match["hashes"]), _LINK.sub(lambda link: link["text"], match["text"]).strip(" *_")
    if not text or len(text) > 2 * MAX_HEADING_CHARS:
        return None
    heading = parse_label(text)
    if markdown:
        if level > 2:
            return None
        if heading is None or heading.glued:
            heading = replace(heading, glued=False) if heading is not None else Heading(text, text, 1, "#")
    return replace(heading, level=level) if heading is not None else None


def parse_heading(text: str) -> Heading | None:
    """The heading that ``text`` is, with decorations around its label or without."""
    heading = parse_label(text)
    if heading is not None:
        return heading
    core = undecorated(text)
    heading = parse_label(core) if core != text else None
    return heading if heading is not None and not is_end(heading.title) else None


def _prefixed(text: str) -> Heading | None:
    for match in _PREFIX.finditer(text):
        prefix = match["prefix"]
        if any(stop in prefix for stop in "。！？!?，；“”"):
            return None
        heading = parse_label(text[match.end() :])
        if heading is not None and not heading.glued:
            return replace(heading, prefix=prefix.strip())
    return None


def parse_label(text: str) -> Heading | None:
    """The heading that ``text`` is, when it begins with a chapter's label.

    Prose that begins the same way is told by its punctuation, or by running on from the label.
    """
    text = text.strip()
    if text.startswith(("正文 ", "正文\u3000")):
        text = text[3:].strip()
    for pattern in (_CHINESE, _SPECIAL):
        match = pattern.match(text)
        if match is not None:
            return _with_part(match) or _chinese(match)
    for pattern in (_ENGLISH, _ENGLISH_SPECIAL):
        match = pattern.match(text)
        if match is not None:
            return _english(match)
    return None


def _with_part(match: re.Match[str]) -> Heading | None:
    """The chapter that stands on its part's line, with the part's name."""
    unit = match.groupdict().get("unit") or match.groupdict().get("unit2")
    within = _CHAPTER_WITHIN.search(match["rest"]) if unit and unit in _PARTS else None
    if within is None:
        return None
    name = match["rest"][: within.start()].strip(" \t\u3000:：.．、·・-—–|")
    chapter = parse_label(match["rest"][within.end() :])
    if chapter is None or len(name) > 30 or any(stop in name for stop in _STOPS + "！？!?”"):
        return None
    part = " ".join(filter(None, (re.sub(r"[ \u3000]+", "", match["label"]), name, chapter.part)))
    return replace(chapter, part=part)


def _chinese(match: re.Match[str]) -> Heading | None:
    rest = match["rest"]
    title = without_emphasis(rest.strip(" \t\u3000:：.．、·・-—–|"))
    glued = bool(title) and not _SEPARATOR.match(rest)
    if title and (title[-1] in "。，；：、,;:" or "。" in title or len(title) > 60):
        return None
    if glued and (rest[0] in "!?！？,，;；。”’」』》)" or any(stop in title for stop in _STOPS)):
        return None
    groups = match.groupdict()
    unit = groups.get("unit") or groups.get("unit2") or ""
    if not unit and glued:
        return None
    number = groups.get("number") or groups.get("number2")
    rank = 0 if unit and unit in _PARTS else 2 if unit and unit in _SECTIONS else 1
    label = re.sub(r"[ \u3000]+", "", match["label"])
    return Heading(label, title or label, rank, "章" if unit in {"囘"} else unit or "*", chinese_number(number), glued)


def _english(match: re.Match[str]) -> Heading | None:
    label, rest = match["label"], match["rest"]
    title = rest.strip(" \t:.-—–|")
    if not label[0].isupper():
        return None
    if title:
        separated = bool(re.match(r"\s*[:.\-—–|]", rest))
        if _HAN.search(title) and (title[-1] in "。，；：、,;:" or "。" in title):
            return None
        mostly = is_titled(title)
        if rest.rstrip().endswith((".", ",", ";")) and not (separated and mostly):
            return None
        if not separated and not (rest[:1].isspace() and mostly):
            return None
        title = without_emphasis(rest.strip(" \t:-—–|").lstrip(" \t.:-—–|").rstrip(" .") if separated else title)
    groups = match.groupdict()
    unit = (groups.get("unit") or "*").lower().rstrip(".")
    unit = {"vol": "volume", "ch": "chapter", "chap": "chapter"}.get(unit, unit)
    rank = 0 if unit in {"part", "book", "volume", "act"} else 2 if unit == "section" else 1
    number = groups.get("number")
    return Heading(label, title or label, rank, unit, english_number(number) if number else None)


def is_titled(title: str) -> bool:
    """Whether ``title`` is written as titles are: in Chinese, or with capitals at most words that are not small."""
    words = re.findall(r"[^\W\d_][\w'’]*", title)
    telling = [word for word in words if len(word) > 3 or word[0].isupper() or _HAN.match(word)]
    capitals = sum(not word[0].islower() for word in telling)
    return bool(telling) and not words[0][0].islower() and capitals >= 0.75 * len(telling)
