"""Lines that come again on every page or after every chapter: headers, page numbers, footers."""

from __future__ import annotations

import re
from collections import Counter, deque

from ingest.readers.headings import squeeze

_EDGE_NUMBER = re.compile(r"^\d{1,5}\s+|\s+[\[(（\-—–|·]?\s*\d{1,5}\s*[\])）\-—–|·]?$")
_PUNCTUATION = re.compile(r"[。！？!?；;，,、“”‘’「」『』\"…：:.]")
ENDING = re.compile(r"[。！？!?….：:][”’」』\"')）]*$")
"""How a sentence ends."""
_MAX_DISTINCT = 200_000
_MANY = 5
"""A short line alone between blank lines is a page header when it comes this often, in several chapters."""
_FOOT_LINES = 4
"""Lines before a heading that may be a page's footer: a rule, a site's name, a notice."""


def header_key(text: str) -> str:
    """A page header without its page number."""
    return squeeze(_EDGE_NUMBER.sub("", text.strip()))


class Repeats:
    """Counts short lines that stand alone, within bounded memory."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.places: dict[str, set[int]] = {}

    def add(self, text: str, chapter: int) -> None:
        """Count a line that stands alone between blank lines of chapter number ``chapter``."""
        if len(text) > 40 or _PUNCTUATION.search(text):
            return
        key = header_key(text)
        if not key or not any(char.isalpha() for char in key):
            return
        if len(self.counts) > _MAX_DISTINCT:
            self.counts = Counter({name: count for name, count in self.counts.items() if count > 1})
            self.places = {name: self.places[name] for name in self.counts}
        self.counts[key] += 1
        places = self.places.setdefault(key, set())
        if len(places) < _MANY:
            places.add(chapter)

    def headers(self, chapters: int) -> set[str]:
        """The keys of page headers in a book of so many chapters."""
        spread = min(3, max(1, chapters))
        return {key for key, count in self.counts.items() if count >= _MANY and len(self.places[key]) >= spread}


class Footers:
    """Short lines, none a sentence, that stand last before most headings: who typed the text, and where it is from."""

    def __init__(self) -> None:
        self._last: deque[str] = deque(maxlen=_FOOT_LINES)
        self._counts: Counter[str] = Counter()
        self._chapters = 0

    def add(self, text: str) -> None:
        """Take in the next line of text that is not blank."""
        self._last.append("" if len(text) > 48 or ENDING.search(text[-4:]) else header_key(text))

    def heading(self) -> None:
        """A heading follows: what was added last stood before it."""
        if self._last:
            self._chapters += 1
            self._counts.update({key for key in self._last if key})
            self._last.clear()

    def lines(self) -> set[str]:
        """The keys of footers."""
        return {key for key, count in self._counts.items() if count >= max(_MANY, self._chapters / 2)}


class Numbers:
    """Lines that are only a number: page numbers, when most of them count upwards."""

    def __init__(self) -> None:
        self._last, self._rising, self._count = 0, 0, 0

    def add(self, number: int) -> None:
        """Take in the next line that is only a number."""
        self._count += 1
        self._rising += number in (self._last + 1, self._last + 2)
        self._last = number

    def are_pages(self) -> bool:
        """Whether they number pages."""
        return self._rising >= 3 and self._rising >= 0.6 * self._count
