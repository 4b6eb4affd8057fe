"""One pass over a book's lines: what looks like a heading, how much text follows it, and what repeats."""

from __future__ import annotations

import re

from ingest.readers.contents import CONTENTS
from ingest.readers.headings import Heading, parse_line
from ingest.readers.marks import Mark
from ingest.readers.own_headings import HeadingPattern
from ingest.readers.running_lines import ENDING, Footers, Numbers, Repeats
from ingest.readers.serial_lines import parse_serial
from ingest.readers.title_lines import may_be_title

PAGE = re.compile(
    r"[\[(（【<\-—–·~\s]*(?:第\s*[0-9０-９一二三四五六七八九十百]+\s*[页頁](?:\s*[/共,，]\s*共?\s*\d+\s*[页頁]?)?|page\s+\d+(?:\s+of\s+\d+)?)"
    r"[\])）】>\-—–·~\s]*",
    re.IGNORECASE,
)
BARE_NUMBER = re.compile(r"[\[(（【<\-—–·~\s]*(\d{1,5})[\])）】>\-—–·~\s]*")


class Survey:
    """Takes the lines one after another, from ``offset`` on."""

    def __init__(self, *, markdown: bool, own: HeadingPattern | None, offset: int) -> None:
        self.marks: list[Mark] = []
        self.offset = offset
        self.front_chars = 0
        self.chars = 0
        self.repeats, self.numbers, self.footers = Repeats(), Numbers(), Footers()
        self._markdown, self._own = markdown, own
        self._firm = 0
        self._blank_before, self._waiting, self._fenced = True, "", False
        self._ended = True
        self._below: Mark | None = None

    def take(self, line: str, shown: str) -> None:
        """Take in the next line, and what of it is shown to be parsed as a heading."""
        start, self.offset = self.offset, self.offset + len(line)
        text = line.strip() if len(line) < 4000 else line
        self._settle_below(line, text)
        if not text:
            self._blank()
            return
        self._waiting = text if self._blank_before and len(text) <= 48 else ""
        if self._markdown and text.startswith(("```", "~~~")):
            self._fenced = not self._fenced
        heading = None if self._fenced else self._parse(shown)
        bare = BARE_NUMBER.fullmatch(text) if len(text) < 24 else None
        if bare is not None:
            self.numbers.add(int(bare[1]))
        if heading is not None:
            self._waiting = ""
            self.footers.heading()
            self._firm += 1
            self._mark(Mark(heading, start, self.offset))
        elif (serial := self._serial(shown)) is not None:
            counted = bare is None and not PAGE.fullmatch(text[:60])
            self._mark(Mark(serial, start, self.offset, own=len(text) if counted else 0))
            if self._firm and counted:
                self.footers.add(text)
        else:
            self._text(text, bare is not None)
        self._ended = heading is not None or ENDING.search(text[-4:]) is not None
        self._blank_before = False

    def finish(self) -> None:
        """The lines are at their end."""
        if self._waiting:
            self.repeats.add(self._waiting, self._firm)
        if self._below is not None:
            self._below.below = ""

    def _parse(self, shown: str) -> Heading | None:
        return self._own.parse(shown) if self._own is not None else parse_line(shown, markdown=self._markdown)

    def _serial(self, shown: str) -> Heading | None:
        return parse_serial(shown) if self._own is None and not self._fenced else None

    def _mark(self, mark: Mark) -> None:
        mark.at, mark.after_sentence = self.chars, self._ended
        mark.alone = self._blank_before or self._ended
        self.marks.append(mark)

    def _blank(self) -> None:
        if self._waiting:
            self.repeats.add(self._waiting, self._firm)
        if self.marks and not self._blank_before and self.marks[-1].empty:
            self.marks[-1].blank_after = True
        self._blank_before, self._waiting = True, ""

    def _text(self, text: str, bare: bool) -> None:
        if not self.marks:
            self.front_chars += len(text)
            self.chars += len(text)
        elif not bare and not PAGE.fullmatch(text[:60]) and not CONTENTS.fullmatch(text[:40]):
            mark = self.marks[-1]
            if mark.empty and may_be_title(text):
                self._below, mark.below, mark.below_end = mark, text, self.offset
            mark.lines += 1
            mark.chars += len(text)
            mark.prose = mark.prose or len(text) > 60 or ENDING.search(text[-4:]) is not None
            self.chars += len(text)
            if self._firm:
                self.footers.add(text)

    def _settle_below(self, line: str, text: str) -> None:
        """A line under a label is its title only where it is alone: a blank line or an indented one follows."""
        if self._below is not None:
            if text and not line[0].isspace():
                self._below.below = ""
            self._below = None
