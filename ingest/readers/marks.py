"""The heading-like lines of a book as one pass over it leaves them, with what follows each."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.readers.headings import Heading


@dataclass(slots=True)
class Mark:
    """A heading-like line: where it stands and what follows up to the next one.

    ``at`` is how much text came before it in the whole book; ``alone`` whether blank lines are around it, as
    around a heading, or a sentence ends before it, which ``after_sentence`` says alone. ``below`` is a short
    line that stands alone under it and ends at ``below_end``: perhaps its title. ``own`` is how much text the
    line is, should it be no heading. ``links`` is how many lines of what follows are links to places in the same
    file, ``link_chars`` how much text those are; ``structured`` says that lists, tables, code or sections below
    follow, ``bare`` that lines follow which are only a number and perhaps a page's: they count as no text.
    """

    heading: Heading
    start: int
    end: int
    lines: int = 0
    chars: int = 0
    prose: bool = False
    part: str | None = None
    at: int = 0
    alone: bool = False
    blank_after: bool = False
    after_sentence: bool = False
    below: str = ""
    below_end: int = 0
    own: int = 0
    links: int = 0
    link_chars: int = 0
    structured: bool = False
    bare: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing follows."""
        return self.chars == 0

    @property
    def thin(self) -> bool:
        """Whether no more follows than a line of a list."""
        return self.lines <= 1 and not self.prose

    def absorb(self, mark: Mark) -> None:
        """Take in what follows a line that is no heading after all: it belongs to the text before it."""
        self.lines += mark.lines
        self.chars += mark.chars
        self.links += mark.links
        self.link_chars += mark.link_chars
        self.prose = self.prose or mark.prose
        self.structured = self.structured or mark.structured
        self.bare = self.bare or mark.bare
