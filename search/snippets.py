"""The best sentence or two of a text for a query, and where its words stand in them."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

from encoders.analysis import Find, Span
from schemas.search import Snippet
from schemas.sentences import sentences

Finder: TypeAlias = Callable[[Collection[str]], Find]
"""Makes what finds the given features in a text."""

MAX_CHARS = 160

_UNSPACED = 0x2E80
"""The first code point of scripts that put no blanks between words."""

_REACH = 16
_WORD = re.compile(r"[^\W_\u2e80-\U0010ffff]+")
"""Letters and digits of scripts that put blanks between words."""


class Snippets:
    """Cuts snippets for one query.

    ``features`` are the query's, with their weights (idf) where they are a mapping; ``find`` gives where a text
    holds them (``Analyzer.finder``).
    """

    def __init__(
        self, features: Collection[str] | Mapping[str, float], find: Find, *, max_chars: int = MAX_CHARS
    ) -> None:
        self._weights = features if isinstance(features, Mapping) else dict.fromkeys(features, 1.0)
        self._find, self._max_chars = find, max(max_chars, 1)
        self._lone = _lone_characters(self._weights)

    def of(self, text: str) -> Snippet:
        """Cut the sentence, or two neighbours, of ``text`` that hold most of the query, in at most ``max_chars``.

        Each feature counts once in a candidate, a longer match more than a shorter one inside it. A sentence
        that is too long gives the window around its densest matches, cut at words where there are
        spaces. Without any match the text's first sentences are the snippet. ``highlights`` are spans
        in ``Snippet.text``, merged where they touch, in order; ``start`` is where it stands in ``text``.
        """
        found = sorted(self._find(text)) if self._weights else []
        pieces = _candidates(text, found, self._max_chars)
        if not pieces:
            return Snippet(text="", start=0, highlights=[])
        worth = self._worths(found)
        start, end = max(pieces, key=lambda piece: (worth(*piece), -piece[0], piece[1] - piece[0]))
        inside = [
            (left - start, right - start, feature) for left, right, feature in found if left >= start and right <= end
        ]
        # 三 and 打 of 三打白骨精 stand everywhere: alone they say nothing, where anything longer matches.
        marked = [span for span in inside if span[2] not in self._lone] or inside
        return Snippet(
            text=text[start:end], start=start, highlights=_merged([(left, right) for left, right, _ in marked])
        )

    def _worths(self, found: Sequence[Span]) -> Callable[[int, int], float]:
        """What the piece of the text from a start to an end is worth."""
        lefts = [left for left, _, _ in found]

        def worth(start: int, end: int) -> float:
            length: dict[str, int] = {}
            for left, right, feature in found[bisect_left(lefts, start) : bisect_left(lefts, end)]:
                if right <= end and right - left > length.get(feature, 0):
                    length[feature] = right - left
            return sum([self._weights[feature] * math.sqrt(size) for feature, size in length.items()])

        return worth


def _lone_characters(features: Collection[str]) -> set[str]:
    """Single Chinese characters that are asked for as parts of something longer."""
    longer = {character for feature in features if len(feature) > 1 for character in feature}
    return {feature for feature in features if len(feature) == 1 and ord(feature) >= _UNSPACED and feature in longer}


def _candidates(text: str, found: Sequence[Span], max_chars: int) -> list[tuple[int, int]]:
    whole = sentences(text)
    pieces: list[tuple[int, int]] = []
    for number, (start, end) in enumerate(whole):
        if end - start > max_chars:
            pieces.extend(_windows(text, start, end, found, max_chars))
            continue
        pieces.append((start, end))
        if number + 1 < len(whole) and whole[number + 1][1] - start <= max_chars:
            pieces.append((start, whole[number + 1][1]))
    return pieces


def _windows(text: str, start: int, end: int, found: Sequence[Span], max_chars: int) -> list[tuple[int, int]]:
    # A little room before the first match lets the reader see what it belongs to.
    room = max_chars // 5
    begins = {start, *(max(start, left - room) for left, right, _ in found if start <= left and right <= end)}
    return [_at_words(text, begin, min(begin + max_chars, end), start, end) for begin in sorted(begins)]


def _at_words(text: str, left: int, right: int, start: int, end: int) -> tuple[int, int]:
    """The window from ``left`` to ``right``, made shorter where it cuts a word that ends, or begins, near by."""
    if left > start and _splits_word(text, left):
        reach = min(left + _REACH, right)
        word = _WORD.match(text, left, reach)
        left = word.end() if word is not None and word.end() < reach else left
    if right < end and _splits_word(text, right):
        reach = max(right - _REACH, left)
        word = _WORD.match(text[reach:right][::-1])
        right = right - word.end() if word is not None and right - word.end() > reach else right
    while left < right and text[left].isspace():
        left += 1
    while right > left and text[right - 1].isspace():
        right -= 1
    return left, right


def _splits_word(text: str, at: int) -> bool:
    return 0 < at < len(text) and _WORD.match(text[at - 1]) is not None and _WORD.match(text[at]) is not None


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
