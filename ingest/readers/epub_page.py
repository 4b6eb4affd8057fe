"""The text of one XHTML page of an EPUB, with its headings; what the book hides from its readers is left out."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from html.parser import HTMLParser

_BLOCK_NAMES = (
    "p div li ul ol h1 h2 h3 h4 h5 h6 br hr tr table section article header footer blockquote pre dt dd figure title"
)
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_SKIPPED = frozenset({"script", "style", "head", "template"})
_READINGS = frozenset({"rt", "rp", "rtc"})
"""What stands beside the characters of a ruby: how they are read, and brackets for who cannot show it so."""
_VOID_NAMES = "area base br col embed hr img input link meta param source track wbr"
_VOID = frozenset(_VOID_NAMES.split())
_MARKERS = frozenset({"noteref", "backlink", "pagebreak"})
"""Signs of the page and no text, by their ``epub:type``, or their ``role`` after ``doc-``."""
_NAVIGATION = frozenset({"toc", "landmarks", "page-list"})
"""What a ``nav`` element is for, by its ``epub:type``, where it is no text."""
_HEADINGS = frozenset({"h1", "h2"})
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_UNSEEN = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)\b", re.IGNORECASE)

Attributes = list[tuple[str, str | None]]


@dataclass(slots=True)
class Page:
    """A spine file's text and the headings in it, as ``(start, end, level)``."""

    text: str
    headings: list[tuple[int, int, int]]
    link_chars: int
    links: list[str]


def extract(markup: str, *, navigation: bool = False) -> Page:
    """The text of a page or of a piece of one; tables of contents are none, nor is any ``nav`` of a ``navigation``."""
    parser = _Extractor(navigation=navigation)
    # Python's parser gives these sections of XHTML, which are text, as unknown declarations or comments.
    parser.feed(_CDATA.sub(lambda section: html.escape(section[1], quote=False), markup))
    parser.close()
    if parser.pieces and not parser.pieces[-1].endswith("\n"):
        parser.pieces.append("\n")
    text = "".join(parser.pieces)
    headings = [h for h in parser.headings if text[h[0] : h[1]].strip()]
    return Page(text, headings, parser.link_chars, parser.links)


def _is_hidden(attrs: Attributes) -> bool:
    """Whether no reader sees an element. What is ``aria-hidden`` is seen, and only not read aloud: it stays."""
    named = dict(attrs)
    if "hidden" in named or _UNSEEN.search(named.get("style") or ""):
        return True
    roles = {role.removeprefix("doc-") for role in (named.get("role") or "").split() if role.startswith("doc-")}
    return not _MARKERS.isdisjoint({*(named.get("epub:type") or "").split(), *roles})


def _is_navigation(attrs: Attributes) -> bool:
    return not _NAVIGATION.isdisjoint((dict(attrs).get("epub:type") or "").split())


class _Hidden:
    """Which element that is not shown the parser is in; its end may be left out, as HTML lets it be."""

    def __init__(self, *, navigation: bool) -> None:
        self._tag: str | None = None
        self._depth = 0
        self._navigation = navigation

    def __bool__(self) -> bool:
        return self._tag is not None

    def start(self, tag: str, attrs: Attributes) -> None:
        """An element begins."""
        implied = self._tag == "p" and tag in _BLOCKS and tag != "br"
        if implied or (self._tag in _READINGS and tag in {*_READINGS, "rb", *(_BLOCKS - {"br"})}):
            self._tag = None
        if self._tag == tag:
            self._depth += 1
        elif self._tag is None and tag not in _VOID and self._begins(tag, attrs):
            self._tag, self._depth = tag, 1

    def _begins(self, tag: str, attrs: Attributes) -> bool:
        if tag == "nav" and (self._navigation or _is_navigation(attrs)):
            return True
        return tag in _READINGS or _is_hidden(attrs)

    def end(self, tag: str) -> None:
        """An element ends."""
        if tag == self._tag:
            self._depth -= 1
            if not self._depth:
                self._tag = None
        elif (self._tag in _READINGS and (tag in {"ruby", "rtc"} or tag in _BLOCKS)) or (
            self._tag == "p" and tag in _BLOCKS
        ):
            self._tag = None


class _Extractor(HTMLParser):
    def __init__(self, *, navigation: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.size = 0
        self.headings: list[tuple[int, int, int]] = []
        self.link_chars = 0
        self.links: list[str] = []
        self._skip = 0
        self._hidden = _Hidden(navigation=navigation)
        self._heading: tuple[int, str] | None = None
        self._links = 0

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if tag in _SKIPPED:
            self._skip += 1
        elif tag == "body":
            # The head ends here, though its end may be left out.
            self._skip = 0
        self._hidden.start(tag, attrs)
        if tag in _BLOCKS:
            self._break()
        if tag in _HEADINGS and self._heading is None:
            self._heading = (self.size, tag)
        href = dict(attrs).get("href") if tag == "a" else None
        if href is not None:
            self._links += 1
            if not (self._skip or self._hidden):
                self.links.append(href)

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        if tag in _BLOCKS:
            self._break()

    def handle_endtag(self, tag: str) -> None:
        if tag in _SKIPPED:
            self._skip = max(0, self._skip - 1)
        self._hidden.end(tag)
        if self._heading is not None and tag == self._heading[1]:
            start, self._heading = self._heading[0], None
            if "".join(self.pieces[-8:]).strip() and self.size > start:
                self.headings.append((start, self.size, int(tag[1])))
        if tag in _BLOCKS:
            self._break()
        if tag == "a":
            self._links = max(0, self._links - 1)

    def handle_data(self, data: str) -> None:
        if self._skip or self._hidden:
            return
        text = re.sub(r"[ \t\n]+", " ", data)
        if text == " " and (not self.pieces or self.pieces[-1].endswith(("\n", " "))):
            return
        if self._links:
            self.link_chars += len("".join(text.split()))
        self._add(text)

    def _break(self) -> None:
        if self.pieces and not self.pieces[-1].endswith("\n") and self._heading is None:
            self._add("\n")
        elif self._heading is not None and self.size > self._heading[0]:
            self._add(" ")

    def _add(self, text: str) -> None:
        self.pieces.append(text)
        self.size += len(text)
