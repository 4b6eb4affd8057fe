"""What Markdown has beside headings with ``#``: front matter, and headings that are underlined."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from ingest.readers.headings import MAX_HEADING_CHARS

_MAX_FRONT_LINES = 200
_FRONT_LINE = re.compile(r"\s*(?:#.*|-(?:\s.*)?|[\w.\- ]+:(?:\s.*)?)?|\s+\S.*|[\]}],?\s*")
_TITLE = re.compile(r"title:\s*(?P<title>.*)", re.IGNORECASE)
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
    title = None
    for line in itertools.islice(lines, _MAX_FRONT_LINES):
        taken.append(line)
        text = line.rstrip()
        if text in {"---", "..."} and len(taken) > 2:
            return title, sum(map(len, taken)), lines
        if not _FRONT_LINE.fullmatch(text):
            break
        named = _TITLE.fullmatch(text)
        if named is not None:
            title = named["title"].strip().strip("\"'") or None
    return None, 0, itertools.chain(taken, lines)


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
