"""The outline of a book: which of its heading-like lines begin chapters, and which lines to leave out.

One pass over the lines collects heading-like lines, how much text follows each, and short lines
that repeat. Then tables of contents (headings with nothing after them), running headers (a
chapter's own heading again, or a heading behind a prefix) and parts are told apart.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ingest.readers.headings import Heading, parse_line, squeeze
from ingest.readers.running_lines import ENDING, Footers, Numbers, Repeats, header_key

_PAGE = re.compile(
    r"[\[(（【<\-—–·~\s]*(?:第\s*[0-9０-９一二三四五六七八九十百]+\s*[页頁](?:\s*[/共,，]\s*共?\s*\d+\s*[页頁]?)?|page\s+\d+(?:\s+of\s+\d+)?)"
    r"[\])）】>\-—–·~\s]*",
    re.IGNORECASE,
)
_BARE_NUMBER = re.compile(r"[\[(（【<\-—–·~\s]*(\d{1,5})[\])）】>\-—–·~\s]*")
_CONTENTS = re.compile(
    r"#*\s*[【\[《]?\s*(?:目\s*[录錄次]|table of contents|contents)\s*[】\]》]?\s*[:：]?", re.IGNORECASE
)
_FRONT_CHARS, _FRONT_SHARE = 500, 0.2
"""Text before the first heading is kept when it is longer than this, and than this share of the whole."""


@dataclass(slots=True)
class _Mark:
    """A heading-like line: where it stands and what follows up to the next one."""

    heading: Heading
    start: int
    end: int
    lines: int = 0
    chars: int = 0
    prose: bool = False
    part: str | None = None

    @property
    def empty(self) -> bool:
        return self.chars == 0

    @property
    def thin(self) -> bool:
        return self.lines <= 1 and not self.prose


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter: its heading and its body's place ``[start, end)`` in the text (end None: to the end)."""

    heading: Heading
    start: int
    end: int | None
    part: str | None


@dataclass(slots=True)
class Outline:
    """What :func:`outline` found: the chapters in order, and the lines that are no text."""

    sections: list[Section] = field(default_factory=list)
    markdown: bool = False
    title: str | None = None
    contents: int = 0
    known: set[tuple[str, int | str, str]] = field(default_factory=set)
    prefixes: set[str] = field(default_factory=set)
    repeated: set[str] = field(default_factory=set)
    page_numbers: bool = False
    size: int = 0
    front_chars: int = 0

    def leaves_out(self, line: str, current: Heading | None) -> bool:
        """Whether a line within a chapter is a page number, a running header or a table of contents' item."""
        text = line.strip()
        if not text or len(text) > 160:
            return False
        if _PAGE.fullmatch(text) or (self.page_numbers and _BARE_NUMBER.fullmatch(text)):
            return True
        if self.repeated and header_key(text) in self.repeated:
            return True
        if not self.sections:
            return False
        if _CONTENTS.fullmatch(text):
            return True
        heading = parse_line(line, markdown=self.markdown)
        if heading is None or heading.rank == 2 or heading.glued:
            return False
        if heading.prefix:
            bare = heading.title == heading.label and heading.prefix in self.prefixes
            return bare or heading.full_key in self.known
        if heading.entry:
            return heading.full_key in self.known
        return current is not None and _same(current, heading)


def outline(lines: Iterable[str], *, markdown: bool = False) -> Outline:
    r"""The outline of a text given as its lines, each with its ``\n``."""
    found = Outline(markdown=markdown)
    marks: list[_Mark] = []
    repeats = Repeats()
    offset = 0
    blank_before, waiting, fenced = True, "", False
    numbers, footers = Numbers(), Footers()
    for line in lines:
        start, offset = offset, offset + len(line)
        text = line.strip() if len(line) < 4000 else line
        if not text:
            if waiting:
                repeats.add(waiting, len(marks))
            blank_before, waiting = True, ""
            continue
        waiting, blank_before = (text if blank_before and len(text) <= 48 else ""), False
        if markdown and text.startswith(("```", "~~~")):
            fenced = not fenced
        heading = None if fenced else parse_line(line, markdown=markdown)
        bare = _BARE_NUMBER.fullmatch(text) if len(text) < 24 else None
        if bare is not None:
            numbers.add(int(bare[1]))
        if heading is not None:
            waiting = ""
            footers.heading()
            marks.append(_Mark(heading, start, offset))
        elif not marks:
            found.front_chars += len(text)
        elif bare is None and not _PAGE.fullmatch(text[:60]) and not _CONTENTS.fullmatch(text[:40]):
            mark = marks[-1]
            mark.lines += 1
            mark.chars += len(text)
            mark.prose = mark.prose or len(text) > 60 or ENDING.search(text[-4:]) is not None
            footers.add(text)
    if waiting:
        repeats.add(waiting, len(marks))
    found.size = offset
    found.page_numbers = numbers.are_pages()
    prefixes = Counter(mark.heading.prefix for mark in marks if mark.heading.prefix)
    found.prefixes = {prefix for prefix, count in prefixes.items() if count >= 3}
    _choose(found, _plain(marks, found))
    _keep_front(found, marks)
    titles = {squeeze(section.heading.title) for section in found.sections}
    found.repeated = (repeats.headers(len(found.sections)) | footers.lines()) - titles
    return found


def _keep_front(found: Outline, marks: list[_Mark]) -> None:
    """Keep what stands before the first heading where it is too much to be a title page or blurb."""
    if found.sections and found.front_chars > max(_FRONT_CHARS, _FRONT_SHARE * found.size):
        found.sections.insert(0, Section(Heading("", "", 1, ""), 0, marks[0].start, None))
        found.front_chars = 0


def _absorb(into: _Mark, mark: _Mark) -> None:
    """A line that is no heading after all belongs to the text before it."""
    into.lines += mark.lines
    into.chars += mark.chars
    into.prose = into.prose or mark.prose


def _plain(marks: list[_Mark], found: Outline) -> list[_Mark]:
    """The marks without running headers, sections below chapters and prose that begins like a heading."""
    leveled = found.markdown and any(mark.heading.level for mark in marks)
    if leveled:
        # In Markdown with headings, other lines that look like some are lists of contents, or text.
        marks = _keep(marks, [bool(m.heading.level) or m.heading.entry for m in marks])
    unprefixed = [m for m in marks if not m.heading.prefix and not m.heading.glued and not m.heading.entry]
    chapters = [m for m in unprefixed if m.heading.rank < 2 and (m.heading.unit != "*")]
    sections = [m for m in unprefixed if m.heading.rank == 2]
    if chapters or (unprefixed and not sections):
        marks = _keep(marks, [not m.heading.prefix and m.heading.rank < 2 for m in marks], headings_end_text=True)
    elif unprefixed:
        marks = _keep(marks, [not m.heading.prefix for m in marks])
    return _keep(marks, _fits(marks))


def _keep(marks: list[_Mark], wanted: list[bool], *, headings_end_text: bool = False) -> list[_Mark]:
    kept: list[_Mark] = []
    for mark, keep in zip(marks, wanted, strict=True):
        if keep:
            kept.append(mark)
        elif kept:
            _absorb(kept[-1], mark)
            if not (headings_end_text and mark.heading.prefix):
                kept[-1].lines += 1
                kept[-1].chars += len(mark.heading.label)
    return kept


def _fits(marks: list[_Mark]) -> list[bool]:
    """A title glued to its label counts as a heading only where its number continues the sequence."""
    firm = any(not m.heading.glued and m.heading.rank == 1 and m.heading.number is not None for m in marks)
    glued = [m for m in marks if m.heading.glued]
    wanted = []
    before: int | None = None
    for at, mark in enumerate(marks):
        heading = mark.heading
        if not heading.glued:
            wanted.append(True)
        else:
            following = next((m.heading.number for m in marks[at + 1 :] if m.heading.unit == heading.unit), None)
            number = heading.number or 0
            continues = before is not None and number == before + 1
            goes_on = following == number + 1
            restarts = number == 1 and goes_on
            last = following is None or following == 1
            if firm:
                wanted.append(goes_on and (continues or (number == 1 and before is None)))
            else:
                wanted.append(len(glued) > 1 and (restarts or (continues and (goes_on or last)) or goes_on))
        if wanted[-1] and heading.number is not None and heading.rank == 1:
            before = heading.number
    return wanted


def _choose(found: Outline, marks: list[_Mark]) -> None:
    """Fill ``found.sections`` with the marks that begin chapters."""
    marks = _without_repeats(marks)
    _assign_parts(marks)
    contents = _contents(marks)
    found.contents = sum(contents)
    title_mark = _book_title(found, marks)
    part: str | None = None
    chosen: list[tuple[_Mark, str | None]] = []
    for at, mark in enumerate(marks):
        if contents[at] or mark.heading.entry or (mark.heading.level and _CONTENTS.fullmatch(mark.heading.title)):
            continue
        if mark is title_mark:
            found.title = mark.heading.title
            if mark.prose:
                chosen.append((mark, None))
            continue
        holds = mark.heading.rank == 0 or (mark.heading.level == 1 and _has_deeper(marks, at))
        if holds or mark.heading.level == 1:
            part = None
        if not mark.empty:
            chosen.append((mark, part))
        if holds:
            part = _part_name(mark.heading)
    ends = {id(a): b.start for a, b in itertools.pairwise(marks)}
    found.sections = [Section(m.heading, m.end, ends.get(id(m)), p) for m, p in chosen]
    found.known = {m.heading.full_key for m in marks}


def _part_name(heading: Heading) -> str:
    return heading.label if heading.title in {heading.label, ""} else f"{heading.label} {heading.title}"


def _has_deeper(marks: list[_Mark], at: int) -> bool:
    following = next((mark.heading for mark in marks[at + 1 :] if not mark.heading.entry), None)
    return following is not None and following.level > 1


def _book_title(found: Outline, marks: list[_Mark]) -> _Mark | None:
    """The only ``#`` heading of a Markdown file that has ``##`` ones, when it stands first and is no label."""
    top = [m for m in marks if m.heading.level == 1]
    if found.markdown and len(top) == 1 and marks[0] is top[0] and len(marks) > 1 and top[0].heading.unit == "#":
        return top[0] if _has_deeper(marks, 0) else None
    return None


def _same(current: Heading, heading: Heading) -> bool:
    """Whether a heading within a chapter is the chapter's own again, with its title or without."""
    if heading.entry or heading.full_key == current.full_key:
        return not heading.entry
    return heading.key == current.key and heading.unit != "#" and heading.label == heading.title


def _without_repeats(marks: list[_Mark]) -> list[_Mark]:
    """A heading that comes again within its own chapter is a page header; of an empty one the last stays."""
    kept: list[_Mark] = []
    for mark in marks:
        previous = kept[-1] if kept else None
        if previous is None or previous.heading.entry or not _same(previous.heading, mark.heading):
            kept.append(mark)
        elif previous.empty:
            kept[-1] = mark
        else:
            _absorb(previous, mark)
    return kept


def _assign_parts(marks: list[_Mark]) -> None:
    part: str | None = None
    for mark in marks:
        if mark.heading.rank == 0:
            part = squeeze(mark.heading.label)
            mark.part = None
        else:
            mark.part = part


def _contents(marks: list[_Mark]) -> list[bool]:
    """Which marks are items of a table of contents."""

    def name(mark: _Mark) -> tuple[object, ...]:
        return (mark.part, *(mark.heading.key if mark.heading.unit != "#" else mark.heading.full_key))

    last = {name(mark): at for at, mark in enumerate(marks)}
    again = [last[name(mark)] > at for at, mark in enumerate(marks)]
    flags = [mark.heading.entry for mark in marks]
    at = 0
    while at < len(marks):
        # A run of headings without text between them.
        end = at
        while end < len(marks) and (marks[end].empty or (marks[end].thin and again[end])):
            end += 1
        run = end - at
        # A list's last item may be followed by a preface; its heading comes again after others.
        closes = (
            run >= 1
            and end < len(marks)
            and again[end]
            and last[name(marks[end])] > end + 1
            and any(again[i] for i in range(at, end))
        )
        if closes:
            end += 1
        for i in range(at, end):
            deliberate = run >= 3 and not (i == end - 1 and marks[i].heading.rank == 0)
            flags[i] = flags[i] or again[i] or (deliberate and marks[i].empty and marks[i].heading.level != 1)
        at = max(end, at + 1)
    return flags
