"""Where sentences begin and end in Chinese and English text.

The rules are the usual ones of both scripts: ``。！？…；`` end a sentence wherever they stand,
``.``, ``!`` and ``?`` only before white space, a closing mark or Chinese; closing quotes and
brackets stay with the sentence they close; a line feed ends a paragraph.
"""

from __future__ import annotations

import re

_CLOSERS = "”’」』》〉】〕）)\\]\"'"

_TERMINATOR = re.compile(rf"(?:[。！？；…｡]|[!?.]|——(?=[”」』]))(?:[。！？；…｡!?.])*[{_CLOSERS}]*")

_ABBREVIATION_WORDS = (
    "mr mrs ms dr prof sr jr st mt ft gen col capt lt sgt rev hon pres gov sen rep messrs mme mlle "
    "e.g i.e cf vs etc al fig figs eq eqs no nos vol vols pp p ch sec ed eds approx dept est inc ltd co corp "
    "jan feb mar apr jun jul aug sep sept oct nov dec ave blvd rd u.s u.k u.n ph.d a.m p.m"
)
_ENDING_WORDS = "etc al inc ltd co corp u.s u.k u.n ph.d a.m p.m jr sr st ave blvd rd"
_ABBREVIATIONS = frozenset(_ABBREVIATION_WORDS.split())
_MAY_END = frozenset(_ENDING_WORDS.split())
"""Abbreviations that also close sentences: before a capital they count as an end."""

_LAST_WORD = re.compile(r"[^\W\d_](?:[\w.]*[^\W_])?$")
_NEXT_WORD = re.compile(r"\s+[\"'“‘(\[]*(\S)")


def sentences(text: str) -> list[tuple[int, int]]:
    """Spans ``(start, end)`` of the sentences, in order, without surrounding white space.

    Together the spans hold every character that is not white space, and none twice.
    """
    return [(start, end) for start, end, _ in sentences_and_paragraphs(text)]


def sentences_and_paragraphs(text: str) -> list[tuple[int, int, bool]]:
    """Like :func:`sentences`, each with whether it is the last of its paragraph."""
    found: list[tuple[int, int, bool]] = []
    start, size = 0, len(text)
    while start < size:
        end = text.find("\n", start)
        end = size if end < 0 else end
        first = len(found)
        _sentences_of_line(text, start, end, found)
        if len(found) > first:
            found[-1] = (*found[-1][:2], True)
        start = end + 1
    return found


def _sentences_of_line(text: str, start: int, end: int, found: list[tuple[int, int, bool]]) -> None:
    begin = start
    for match in _TERMINATOR.finditer(text, start, end):
        cut = match.end()
        if cut < end and not _ends_sentence(text, match.start(), cut, end):
            continue
        if _append_trimmed(text, begin, cut, found):
            begin = cut
    _append_trimmed(text, begin, end, found)


def _append_trimmed(text: str, start: int, end: int, found: list[tuple[int, int, bool]]) -> bool:
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    if left == len(piece):
        return False
    found.append((start + left, start + len(piece.rstrip()), False))
    return True


def _ends_sentence(text: str, mark: int, cut: int, end: int) -> bool:
    if any(char in "。！？；…｡—" for char in text[mark:cut]):
        return True
    following = text[cut]
    if not following.isspace():
        return ord(following) >= 0x2E80 and text[mark] != "."
    if text[mark] != ".":
        # "“Stop!” he said" goes on after the mark.
        after = _NEXT_WORD.match(text, cut, end)
        return after is None or not after[1].islower()
    return _period_ends(text, mark, cut, end)


def _period_ends(text: str, mark: int, cut: int, end: int) -> bool:
    after = _NEXT_WORD.match(text, cut, end)
    if after is not None and after[1].islower():
        return False
    word = _LAST_WORD.search(text, max(0, mark - 24), mark)
    if word is None or after is None:
        return True
    name = word[0]
    if name.lower() in _ABBREVIATIONS:
        return name.lower() in _MAY_END and after[1].isupper()
    # A single capital is an initial: "J. Smith"; "I" is more often the pronoun.
    return not (len(name) == 1 and name.isupper() and name != "I")
