"""The outline of a book: which of its heading-like lines begin chapters, and which lines to leave out.

One pass over the lines (:mod:`ingest.readers.survey`) collects heading-like lines, how much text follows
each, and short lines that repeat. Then tables of contents (headings with nothing after them), running headers (a
chapter's own heading again, or a heading behind a prefix) and parts are told apart.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ingest.readers.contents import CONTENTS, are_contents
from ingest.readers.firm import plain
from ingest.readers.headings import Heading, parse_line, squeeze
from ingest.readers.markdown import front_matter, with_hashes
from ingest.readers.marks import Mark
from ingest.readers.own_headings import HeadingPattern
from ingest.readers.running_lines import header_key
from ingest.readers.serial_lines import PAGE_LIKE
from ingest.readers.series import settle
from ingest.readers.survey import BARE_NUMBER, PAGE, Survey
from ingest.readers.title_lines import with_titles

_OUTSIDE_CHARS, _OUTSIDE_SHARE, _OUTSIDE_MOST = 500, 0.2, 0.5
"""Text outside the chapters is kept when it is longer than this and than this share of the whole, or most of it."""
_OUTSIDE_LIMIT = 5000
"""It is always kept where it is longer: title pages and blurbs do not grow with the book, forewords do."""

_PAGE_PREFIX = re.compile(r"\d{1,5}(?:\s*[|·\-—–])?")
"""A page's number before the heading of its chapter."""


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter: its heading and its body's place ``[start, end)`` in the text (end None: to the end)."""

    heading: Heading
    start: int
    end: int | None
    part: str | None


@dataclass(frozen=True, slots=True)
class _Outside:
    """Text that no heading is over: its place, and how much it is without blanks."""

    start: int
    end: int | None
    chars: int


@dataclass(slots=True)
class Outline:
    """What :func:`outline` found: the chapters in order, and the lines that are no text.

    ``outside_chars`` is how much text before the first heading, under the book's title and after tables of contents
    is left out; ``repeated_lines`` how many lines are, as headers, footers, page numbers or a heading again; ``empty``
    how many headings have no text and hold no chapters.
    ``repeated`` are the keys of headers and footers, ``pages`` the numbers that are those of pages.
    """

    sections: list[Section] = field(default_factory=list)
    markdown: bool = False
    title: str | None = None
    contents: int = 0
    empty: int = 0
    known: set[tuple[str, int | str, str]] = field(default_factory=set)
    prefixes: set[str] = field(default_factory=set)
    repeated: set[str] = field(default_factory=set)
    pages: frozenset[int] = frozenset()
    size: int = 0
    outside_chars: int = 0
    repeated_lines: int = 0
    body_start: int = 0
    own: HeadingPattern | None = None

    def leaves_out(self, line: str, current: Heading | None) -> bool:
        """Whether a line within a chapter is a page number, a header, a footer or a heading that comes again."""
        text = line.strip()
        if not text or len(text) > 160:
            return False
        if not self.markdown and self._is_furniture(text):
            return True
        if not self.sections:
            return False
        if self.contents and CONTENTS.fullmatch(text):
            return True
        heading = self.own.parse(line) if self.own is not None else parse_line(line, markdown=self.markdown)
        return heading is not None and self.names_again(heading, current)

    def _is_furniture(self, text: str) -> bool:
        bare = BARE_NUMBER.fullmatch(text) if self.pages else None
        if PAGE.fullmatch(text) or (bare is not None and int(bare[1]) in self.pages):
            return True
        return bool(self.repeated) and header_key(text) in self.repeated

    def names_again(self, heading: Heading, current: Heading | None) -> bool:
        """Whether a heading within a chapter is a running header or its own again; an item of a list is text there."""
        if heading.rank == 2 or heading.glued or (heading.level and heading.unit == "#"):
            return False
        if heading.prefix:
            bare = heading.title == heading.label
            if _PAGE_PREFIX.fullmatch(heading.prefix) and current is not None and heading.key == current.key:
                return bare or heading.full_key in self.known
            return heading.prefix in self.prefixes and (bare or heading.full_key in self.known)
        return current is not None and _same(current, heading)


def outline(lines: Iterable[str], *, markdown: bool = False, own: HeadingPattern | None = None) -> Outline:
    r"""The outline of a text given as its lines, each with its ``\n``; ``own`` alone finds its headings, if given."""
    found = Outline(markdown=markdown, own=own)
    shown: Iterable[tuple[str, str]] = ((line, line) for line in lines)
    if markdown:
        found.title, found.body_start, rest = front_matter(iter(lines))
        shown = with_hashes(rest)
    survey = Survey(markdown=markdown, own=own, offset=found.body_start)
    for line, heading in shown:
        survey.take(line, heading)
    survey.finish()
    leveled = any(mark.heading.level for mark in survey.marks)
    marks, front, series = settle(survey.marks, survey.chars, allowed=not leveled)
    found.size = survey.offset
    prefixes = Counter(mark.heading.prefix for mark in marks if mark.heading.prefix)
    found.prefixes = {prefix for prefix, count in prefixes.items() if count >= 3}
    headings = plain(marks, markdown=markdown)
    after_lists = _choose(found, headings)
    if headings:
        front += survey.front_chars + sum(mark.chars for mark in marks if mark.start < headings[0].start)
        _keep_outside(found, [_Outside(found.body_start, headings[0].start, front), *after_lists])
    if not markdown:
        _take_repeats(found, survey, numbered=series == PAGE_LIKE)
    found.repeated_lines += _headings_again(found, survey.marks)
    return found


def _take_repeats(found: Outline, survey: Survey, *, numbered: bool) -> None:
    """What comes on every page or after every chapter; ``numbered``: bare numbers are the chapters' own."""
    titles = {squeeze(section.heading.title) for section in found.sections}
    lines = survey.repeats.headers(len(found.sections), survey.title_lines) | survey.footers.lines()
    lines = {key: count for key, count in lines.items() if key not in titles}
    pages = {} if numbered else survey.numbers.pages()
    found.repeated, found.pages = set(lines), frozenset(pages)
    found.repeated_lines = sum(lines.values()) + sum(pages.values()) + survey.page_lines


def _headings_again(found: Outline, marks: list[Mark]) -> int:
    """How many headings within chapters are left out as such that come again."""
    count, sections = 0, iter(found.sections)
    section = next(sections, None)
    for mark in marks:
        while section is not None and section.end is not None and section.end <= mark.start:
            section = next(sections, None)
        if section is not None and section.start <= mark.start and not mark.heading.series:
            count += found.names_again(mark.heading, section.heading)
    return count


def _keep_outside(found: Outline, outside: list[_Outside]) -> None:
    """Keep text outside the chapters where it is too much to be title pages and blurbs."""
    chars = sum(text.chars for text in outside)
    least = min(max(_OUTSIDE_CHARS, _OUTSIDE_SHARE * found.size), _OUTSIDE_LIMIT, _OUTSIDE_MOST * found.size)
    if found.sections and chars > least:
        kept = [Section(Heading("", "", 1, ""), text.start, text.end, None) for text in outside if text.chars]
        found.sections = sorted([*found.sections, *kept], key=lambda section: section.start)
    else:
        found.outside_chars = chars


def _choose(found: Outline, marks: list[Mark]) -> list[_Outside]:
    """Fill ``found.sections`` with the marks that begin chapters; gives the text that no chapter has."""
    _take_for_headings(marks)
    marks = _without_repeats(_without_mentions(marks))
    _assign_parts(marks)
    contents = are_contents(marks)
    title_mark = _book_title(found, marks)
    part: str | None = None
    chosen: list[tuple[Mark, str | None]] = []
    listed: list[Mark] = []
    for at, mark in enumerate(marks):
        if contents[at] or mark.heading.entry or (mark.heading.level and CONTENTS.fullmatch(mark.heading.title)):
            listed.append(mark)
            continue
        if mark is title_mark:
            named, found.title = found.title, found.title or mark.heading.title
            # A heading that says else than the front matter may head a chapter, however short.
            if _is_chapter(mark) or (named not in {None, mark.heading.title} and not mark.empty):
                chosen.append((mark, None))
            else:
                listed.append(mark)
            continue
        holds = mark.heading.rank == 0 or (mark.heading.level == 1 and _has_deeper(marks, at))
        if holds or mark.heading.level == 1:
            part = None
        if not mark.empty or mark.bare:
            chosen.append((mark, mark.heading.part or part))
        elif not holds:
            found.empty += 1
        if holds:
            part = _part_name(mark.heading)
    with_titles([mark for mark, _ in chosen])
    ends = {id(a): b.start for a, b in itertools.pairwise(marks)}
    found.sections = [Section(m.heading, m.end, ends.get(id(m)), p) for m, p in chosen]
    found.known = {m.heading.full_key for m in marks}
    found.contents = sum(contents) + sum(mark.links for mark in listed)
    return [_Outside(m.end, ends.get(id(m)), m.chars - m.link_chars) for m in listed]


def _is_chapter(mark: Mark) -> bool:
    """Whether text follows the book's title that is more than its author, its date and links to its chapters."""
    return mark.prose or mark.structured or mark.chars - mark.link_chars > _OUTSIDE_CHARS


def _take_for_headings(marks: list[Mark]) -> None:
    """Items of a list that have text and come in no heading head that text, or it would go with the list."""
    headed = {mark.heading.full_key for mark in marks if not mark.heading.entry}
    for mark in marks:
        has_text = mark.prose or mark.chars > _OUTSIDE_CHARS
        if mark.heading.entry and has_text and mark.heading.full_key not in headed:
            mark.heading = replace(mark.heading, entry=False)


def _without_mentions(marks: list[Mark]) -> list[Mark]:
    """Without items of lists within a chapter that are no table of contents: alone, or of chapters met before.

    What follows them is the chapter's.
    """
    kept: list[Mark] = []
    headed: set[tuple[str, int | str, str]] = set()
    for at, mark in enumerate(marks):
        alone = at + 1 == len(marks) or not marks[at + 1].heading.entry
        within = bool(kept) and not kept[-1].heading.entry and not kept[-1].empty
        if not mark.heading.entry:
            headed.add(mark.heading.full_key)
        elif within and (alone or mark.heading.full_key in headed):
            kept[-1].absorb(mark)
            continue
        kept.append(mark)
    return kept


def _part_name(heading: Heading) -> str:
    return heading.label if heading.title in {heading.label, ""} else f"{heading.label} {heading.title}"


def _has_deeper(marks: list[Mark], at: int) -> bool:
    following = next((mark.heading for mark in marks[at + 1 :] if not mark.heading.entry), None)
    return following is not None and following.level > 1


def _book_title(found: Outline, marks: list[Mark]) -> Mark | None:
    """The only ``#`` heading of a Markdown file that has ``##`` ones, when it stands first and is no label."""
    top = [m for m in marks if m.heading.level == 1]
    if found.markdown and len(top) == 1 and marks[0] is top[0] and len(marks) > 1 and top[0].heading.unit == "#":
        return top[0] if _has_deeper(marks, 0) else None
    return None


def _same(current: Heading, heading: Heading) -> bool:
    """Whether a heading within a chapter is the chapter's own again, with its title or without."""
    if heading.part and heading.part != current.part:
        return False
    if heading.entry or heading.full_key == current.full_key:
        return not heading.entry
    return heading.key == current.key and heading.unit != "#" and heading.label == heading.title


def _without_repeats(marks: list[Mark]) -> list[Mark]:
    """A heading that comes again within its own chapter is a page header; of an empty one the last stays."""
    kept: list[Mark] = []
    for mark in marks:
        previous = kept[-1] if kept else None
        if previous is None or previous.heading.entry or not _same(previous.heading, mark.heading):
            kept.append(mark)
        elif previous.empty:
            kept[-1] = mark
        elif mark.heading.level and mark.heading.unit == "#":
            # Sections may be called alike; a page's header is none of Markdown's headings.
            kept.append(mark)
        else:
            previous.absorb(mark)
    return kept


def _assign_parts(marks: list[Mark]) -> None:
    part: str | None = None
    for mark in marks:
        if mark.heading.rank == 0:
            part = squeeze(mark.heading.label)
            mark.part = None
        else:
            mark.part = squeeze(mark.heading.part) or part
