"""Tables of contents: headings with nothing after them, that come again with their text."""

from __future__ import annotations

import re

from ingest.readers.marks import Mark

CONTENTS = re.compile(
    r"#*\s*[【\[《]?\s*(?:目\s*[录錄次]|table of contents|contents)\s*[】\]》]?\s*[:：]?", re.IGNORECASE
)
"""The heading of a table of contents."""
LINK = re.compile(r"(?:(?:[-*+]|\d{1,4}[.)])\s+)?\[[^\]]*\]\(#[^)]*\)")
"""A line of a table of contents in Markdown: a link to a place in the same file."""


def are_contents(marks: list[Mark]) -> list[bool]:
    """Which marks are items of a table of contents."""

    def name(mark: Mark) -> tuple[object, ...]:
        return (mark.part, *(mark.heading.key if mark.heading.unit != "#" else mark.heading.full_key))

    def may_be_item(at: int) -> bool:
        """Whether it has no text of its own: a page's number or the like at most, where the chapter has more."""
        mark = marks[at]
        if mark.empty:
            return True
        # A heading of Markdown with text under it is a section, however short.
        return mark.thin and not mark.heading.level and again[at] and not marks[last[name(mark)]].thin

    last = {name(mark): at for at, mark in enumerate(marks)}
    again = [last[name(mark)] > at for at, mark in enumerate(marks)]
    flags = [mark.heading.entry for mark in marks]
    at = 0
    while at < len(marks):
        # A run of headings without text between them.
        end = at
        while end < len(marks) and may_be_item(end):
            end += 1
        run = end - at
        # A list's last item may be followed by a preface; its heading comes again after others.
        closes = (
            run >= 1
            and end < len(marks)
            and again[end]
            and not marks[end].heading.level
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
