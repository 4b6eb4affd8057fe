"""The best sentence or two of a text for a query, and where its words stand in them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

from schemas.search import Snippet
from schemas.sentences import sentences

Matches: TypeAlias = Callable[[str, Collection[str]], Sequence[tuple[int, int, str]]]
"""Gives ``(start, end, feature)`` where a text holds the given features (characters of the text as it is)."""

MAX_CHARS = 160

_UNSPACED = 0x2E80
"""The first code point of scripts that put no blanks between words."""

_REACH = 16
_WORD = re.compile(r"[^\W_\u2e80-\U0010ffff]+")
"""Letters and digits of scripts that put blanks between words."""


def snippet(
    text: str, query_features: Collection[str] | Mapping[str, float], matches: Matches, *, max_chars: int = MAX_CHARS
) -> Snippet:
    """Cut the sentence, or two neighbours, of ``text`` that hold most of the query, in at most ``max_chars``.

    ``query_features`` are the query's features, with their weights (idf) where they are a mapping;
    each counts once in a candidate, a longer match more than a shorter one inside it. A sentence
    that is too long gives the window around its densest matches, cut at words where there are
    spaces. Without any match the text's first sentences are the snippet. ``highlights`` are spans
    in ``Snippet.text``, merged where they touch, in order; ``start`` is where it stands in ``text``.
    """
    max_chars = max(max_chars, 1)
    weights = query_features if isinstance(query_features, Mapping) else dict.fromkeys(query_features, 1.0)
    found = sorted(matches(text, weights)) if weights else []
    pieces = _candidates(text, found, max_chars)
    if not pieces:
        return Snippet(text="", start=0, highlights=[])
    start, end = max(pieces, key=lambda piece: (_worth(piece, found, weights), -piece[0], piece[1] - piece[0]))
    inside = [
        (left - start, right - start, feature) for left, right, feature in found if left >= start and right <= end
    ]
    lone = _lone_characters(weights)
    # 三 and 打 of 三打白骨精 stand everywhere: alone they say nothing, where anything longer matches.
    marked = [span for span in inside if span[2] not in lone] or inside
    return Snippet(text=text[start:end], start=start, highlights=_merged([(left, right) for left, right, _ in marked]))


def _lone_characters(features: Collection[str]) -> set[str]:
    """Single Chinese characters that are asked for as parts of something longer."""
    longer = {character for feature in features if len(feature) > 1 for character in feature}
    return {feature for feature in features if len(feature) == 1 and ord(feature) >= _UNSPACED and feature in longer}


def _candidates(text: str, found: Sequence[tuple[int, int, str]], max_chars: int) -> list[tuple[int, int]]:
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


def _windows(
    text: str, start: int, end: int, found: Sequence[tuple[int, int, str]], max_chars: int
) -> list[tuple[int, int]]:
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


def _worth(piece: tuple[int, int], found: Sequence[tuple[int, int, str]], weights: Mapping[str, float]) -> float:
    start, end = piece
    length: dict[str, int] = {}
    for left, right, feature in found:
        if left >= start and right <= end:
            length[feature] = max(length.get(feature, 0), right - left)
    return sum(weights[feature] * math.sqrt(size) for feature, size in length.items())


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
