"""Chapter headings by a regular expression of the user's own."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ingest.readers.headings import MAX_HEADING_CHARS, Heading
from schemas.errors import UsageError

_MAX_LINE_CHARS = 200
"""No longer line is a heading, and none is matched: a bad pattern takes time by a line's length."""


@dataclass(frozen=True, slots=True)
class HeadingPattern:
    """What lines that are headings look like, and which group of it is the title."""

    pattern: re.Pattern[str]

    @classmethod
    def of(cls, text: str) -> HeadingPattern:
        """The pattern that ``text`` is.

        Raises:
            UsageError: it is no regular expression, or matches an empty line.
        """
        try:
            pattern = re.compile(text)
        except (re.error, OverflowError, RecursionError) as error:
            raise UsageError(f"--heading {text!r}: it is no regular expression ({error}); mend it.") from error
        if pattern.search(""):
            raise UsageError(f"--heading {text!r}: it matches a blank line too; let it name what every heading has.")
        return cls(pattern)

    def parse(self, line: str) -> Heading | None:
        """The heading that a line is, by its visible text: the group ``title``, else the first, else all of it."""
        if len(line) > 2 * _MAX_LINE_CHARS:
            return None
        text = line.strip().lstrip("\ufeff\u200b").strip()
        match = self.pattern.search(text) if text and len(text) <= _MAX_LINE_CHARS else None
        if match is None:
            return None
        group = "title" if "title" in self.pattern.groupindex else 1 if self.pattern.groups else 0
        title = (match[group] or "").strip() if group else ""
        return Heading(text[:MAX_HEADING_CHARS], title or text, 1, "#")
