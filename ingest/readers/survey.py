"""One pass over a book's lines: what looks like a heading, how much text follows it, and what repeats."""

from __future__ import annotations

import re

from ingest.readers.contents import CONTENTS, LINK
from ingest.readers.headings import Heading, parse_line
from ingest.readers.marks import Mark
from ingest.readers.own_headings import HeadingPattern
from ingest.readers.running_lines import ENDING, Footers, Numbers, Repeats, header_key
from ingest.readers.serial_lines import parse_serial
from ingest.readers.title_lines import may_be_title

PAGE = re.compile(
    r"[\[(（【<\-—–·~\s]*(?:第\s*[0-9０-９一二三四五六七八九十百]+\s*[页頁](?:\s*[/共,，]\s*共?\s*\d+\s*[页頁]?)?|page\s+\d+(?:\s+of\s+\d+)?)"
    r"[\])）】>\-—–·~\s]*",
    re.IGNORECASE,
)
BARE_NUMBER = re.compile(r"[\[(（【<\-—–·~\s]*(\d{1,5})[\])）】>\-—–·~\s]*")
_STRUCTURE = re.compile(r"(?:[-*+]|\d{1,9}[.)])\s|\||```|~~~|#")
"""How a line of a list, a table, code or a section begins in Markdown."""
_TITLE = re.compile(
    r"(?:(?:title|author|书名|書名|作者|著者)\s*[:：]|by\s)?\s*[《【「『\[]?(?P<name>.*?)[》】」』\]]?(?:\s*著)?",
    re.IGNORECASE,
)
"""A line of a title page; what it names stands above pages without what is around it."""
_TITLE_LINES = 10
"""The book's title is among the first lines, before any long one."""


class Survey:
    """Takes the lines one after another, from ``offset`` on.

    Markdown has no pages: there numbers are text, and nothing counts as a header or a footer.
    """

    def __init__(self, *, markdown: bool, own: HeadingPattern | None, offset: int) -> None:
        self.marks: list[Mark] = []
        self.offset = offset
        self.front_chars = 0
        self.chars = 0
        self.page_lines = 0
        self.title_lines: list[str] = []
        self._title_page = not markdown
        self.repeats, self.numbers, self.footers = Repeats(), Numbers(), Footers()
        self._markdown, self._own = markdown, own
        self._firm = 0
        self._blank_before, self._waiting, self._fenced = True, "", False
        self._ended, self._torn = True, False
        self._below: Mark | None = None

    def take(self, line: str, shown: str) -> None:
        """Take in the next line, and what of it is shown to be parsed as a heading."""
        start, self.offset = self.offset, self.offset + len(line)
        text = line.strip() if len(line) < 4000 else line
        self._settle_below(line, text)
        if not text:
            self._blank()
            return
        self._wait(text)
        if self._markdown and text.startswith(("```", "~~~")):
            self._fenced = not self._fenced
        heading = None if self._fenced else self._parse(shown)
        bare = self._page_number(text)
        paged = bare or self._page_line(text)
        if heading is not None:
            self._waiting = ""
            self.footers.heading()
            self._firm += 1
            self._title_page = False
            self._mark(Mark(heading, start, self.offset))
        elif (serial := self._serial(shown)) is not None:
            self._mark(Mark(serial, start, self.offset, own=0 if paged else len(text)))
            if self._firm and not paged:
                self.footers.add(text)
        elif paged and self.marks:
            self.marks[-1].bare = self.marks[-1].bare or bare
        else:
            self._text(text)
        self._ended = heading is not None or ENDING.search(text[-4:]) is not None
        if not paged and not self._waiting:
            self._torn = not self._ended
        self._blank_before = False

    def finish(self) -> None:
        """The lines are at their end."""
        self._blank()
        if self._below is not None:
            self._below.below = ""

    def _wait(self, text: str) -> None:
        """A short line after a blank one may stand alone."""
        self._waiting = text if self._blank_before and len(text) <= 48 else ""
        self._title_page = self._title_page and len(text) <= 48 and len(self.title_lines) < 2 * _TITLE_LINES
        if self._title_page:
            named = _TITLE.fullmatch(text)
            self.title_lines += [header_key(text), header_key(named["name"] if named is not None else text)]

    def _page_number(self, text: str) -> bool:
        """Whether a line is only a number, which is counted."""
        bare = BARE_NUMBER.fullmatch(text) if len(text) < 24 and not self._markdown else None
        if bare is not None:
            self.numbers.add(int(bare[1]), self.chars)
        return bare is not None

    def _page_line(self, text: str) -> bool:
        """Whether a line names a page, which is counted."""
        names = not self._markdown and len(text) <= 60 and PAGE.fullmatch(text) is not None
        self.page_lines += names
        return names

    def _parse(self, shown: str) -> Heading | None:
        return self._own.parse(shown) if self._own is not None else parse_line(shown, markdown=self._markdown)

    def _serial(self, shown: str) -> Heading | None:
        return parse_serial(shown) if self._own is None and not self._fenced else None

    def _mark(self, mark: Mark) -> None:
        mark.at, mark.after_sentence = self.chars, self._ended
        mark.alone = self._blank_before or self._ended
        self.marks.append(mark)

    def _blank(self) -> None:
        if self._waiting and not self._markdown:
            self.repeats.add(self._waiting, self._firm, self.chars, torn=self._torn)
        if self.marks and not self._blank_before and self.marks[-1].empty:
            self.marks[-1].blank_after = True
        self._blank_before, self._waiting = True, ""

    def _text(self, text: str) -> None:
        if not self.marks:
            self.front_chars += len(text)
            self.chars += len(text)
        elif not CONTENTS.fullmatch(text[:40]):
            mark = self.marks[-1]
            if mark.empty and may_be_title(text):
                self._below, mark.below, mark.below_end = mark, text, self.offset
            mark.lines += 1
            mark.chars += len(text)
            mark.prose = mark.prose or len(text) > 60 or ENDING.search(text[-4:]) is not None
            self.chars += len(text)
            if self._markdown:
                self._structure(mark, text)
            elif self._firm:
                self.footers.add(text)

    def _structure(self, mark: Mark, text: str) -> None:
        if LINK.fullmatch(text[:400]):
            mark.links += 1
            mark.link_chars += len(text)
        else:
            mark.structured = mark.structured or self._fenced or _STRUCTURE.match(text) is not None

    def _settle_below(self, line: str, text: str) -> None:
        """A line under a label is its title only where it is alone: a blank line or an indented one follows."""
        if self._below is not None:
            if text and not line[0].isspace():
                self._below.below = ""
            self._below = None
