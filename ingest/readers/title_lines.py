"""Titles that stand on the line under their labels: CHAPTER I, and THE BOY WHO LIVED below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ingest.readers.headings import is_titled
from ingest.readers.marks import Mark
from ingest.readers.running_lines import ENDING

MAX_TITLE_CHARS = 60
_DISTINCT = 0.8


def may_be_title(line: str) -> bool:
    """Whether a line under a label could be its title."""
    text = line.strip()
    if len(text) > MAX_TITLE_CHARS or ENDING.search(text) or text[-1] in "，、；,;：:”’」』\"'":
        return False
    return is_titled(text) and not any(stop in text for stop in "。“”「」")


def with_titles(marks: Sequence[Mark]) -> None:
    """Take the lines below as titles where the chapters have none and every one has such a line."""
    chapters = [mark for mark in marks if mark.heading.rank == 1 and mark.heading.number is not None]
    if len(chapters) < 2 or any(m.heading.title != m.heading.label or not m.below or m.heading.level for m in chapters):
        return
    # A line that stands under every chapter names the book, its author or its copyright.
    if len({mark.below for mark in chapters}) < _DISTINCT * len(chapters):
        return
    if all(mark.chars > len(mark.below) for mark in chapters):
        for mark in chapters:
            mark.heading = replace(mark.heading, title=mark.below)
            mark.end = mark.below_end
            mark.chars -= len(mark.below)
