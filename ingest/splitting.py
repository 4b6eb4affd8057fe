"""Cuts documents into passages: by paragraph, then sentence, then clause, word and character.

A passage holds as many whole sentences as its token budget allows and prefers to end where a
paragraph ends (``ingest.packing``). Only a sentence that alone exceeds the budget is cut.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence

from ingest.packing import CountTokens, Packer, Unit
from schemas.documents import Document, Passage, Stretch
from schemas.sentences import sentences, sentences_and_paragraphs

__all__ = ["CountTokens", "estimate_tokens", "sentences", "split"]

_CLAUSE_END = re.compile(r"[，、；：,;:](?=\s|[^\x00-\x7f])|[，、；：]|——+|[)）」』”》](?=\S)")
_SPACE = re.compile(r"\s+")
_EAST_ASIAN = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_WORD = re.compile(r"[^\W_]+|[^\w\s]|_")

_HOPELESS_CHARS_A_TOKEN = 64
"""No tokenizer makes sentences of more characters a token than this; longer ones are cut uncounted,
so that a text of megabytes without a sentence end is never tokenized whole."""


def estimate_tokens(texts: Sequence[str]) -> list[int]:
    """Roughly the tokens of each text, for when no encoder is there to count.

    One for each East Asian character and mark; for any other word 1.3, the usual ratio of
    subword vocabularies on English, or a fifth of its letters where that is more.
    """
    return [_estimate(text) for text in texts]


def _estimate(text: str) -> int:
    rest, east_asian = _EAST_ASIAN.subn(" ", text)
    words = 0.0
    for word in _WORD.findall(rest):
        words += max(1.3, len(word) / 5) if word[0].isalnum() else 1.0
    return east_asian + math.ceil(words)


def split(document: Document, *, max_tokens: int, count_tokens: CountTokens) -> list[Passage]:
    """The document's passages, in order.

    They hold every character that is not white space exactly once. ``start`` and ``end`` count
    characters of the *source* text, and ``source[start:end] == text``. No passage reaches over a
    gap between the document's stretches, and none exceeds ``max_tokens`` unless a single
    character does.

    Raises:
        ValueError: ``max_tokens`` is not positive.
    """
    if max_tokens < 1:
        raise ValueError(f"max_tokens must be positive, got {max_tokens}")
    text = document.text
    stretches = document.stretches or (Stretch(0, 0, len(text)),)
    # Sentences come from one stretch at a time: a passage must be one piece of the source.
    spans = [[(s.text_start + a, s.text_start + b, closes) for a, b, closes in _spans(text, s)] for s in stretches]
    flat = [span for group in spans for span in group]
    units = _within_budget(text, flat, max_tokens, count_tokens)
    packer = Packer(text, max_tokens, count_tokens)
    found: list[tuple[int, int]] = []
    at = 0
    for stretch in stretches:
        first, limit = at, stretch.text_start + stretch.length
        while at < len(units) and units[at].start < limit:
            at += 1
        found.extend(packer.pack(units[first:at]))
    passages: list[Passage] = []
    following = iter(stretches)
    stretch = next(following)
    for start, end in found:
        while start >= stretch.text_start + stretch.length:
            stretch = next(following)
        shift = stretch.source_start - stretch.text_start
        passages.append(Passage(document.id, len(passages), start + shift, end + shift, text[start:end]))
    return passages


def _spans(text: str, stretch: Stretch) -> list[tuple[int, int, bool]]:
    if stretch.text_start == 0 and stretch.length == len(text):
        return sentences_and_paragraphs(text)
    return sentences_and_paragraphs(text[stretch.text_start : stretch.text_start + stretch.length])


def _within_budget(
    text: str, spans: Sequence[tuple[int, int, bool]], max_tokens: int, count_tokens: CountTokens
) -> list[Unit]:
    """Sentences as units; those over the budget halved until each piece fits."""
    pending = list(spans)
    units: list[Unit] = []
    hopeless = max_tokens * _HOPELESS_CHARS_A_TOKEN
    while pending:
        short = [span for span in pending if span[1] - span[0] <= hopeless]
        counts = iter(count_tokens([text[start:end] for start, end, _ in short]) if short else [])
        following: list[tuple[int, int, bool]] = []
        for start, end, closes in pending:
            tokens = next(counts) if end - start <= hopeless else hopeless
            halves = _halves(text, start, end) if tokens > max_tokens else None
            if halves is None:
                units.append(Unit(start, end, tokens, closes))
                continue
            (a, b), (c, d) = halves
            following += [(a, b, False), (c, d, closes)]
        pending = following
    units.sort(key=lambda unit: unit.start)
    return units


def _halves(text: str, start: int, end: int) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Two pieces cut near the middle: at a clause's end, else between words, else between characters."""
    for pattern in (_CLAUSE_END, _SPACE):
        cut = _nearest_middle(pattern, text, start, end)
        if cut is not None:
            break
    else:
        cut = _between_characters(text, start, end)
        if cut is None:
            return None
    left_end = start + len(text[start:cut].rstrip())
    right_start = end - len(text[cut:end].lstrip())
    return (start, left_end), (right_start, end)


def _nearest_middle(pattern: re.Pattern[str], text: str, start: int, end: int) -> int | None:
    middle, best = (start + end) // 2, None
    for match in pattern.finditer(text, start, end):
        cut = match.end()
        if not start < cut < end or not _safe(text, cut):
            continue
        if best is None or abs(cut - middle) <= abs(best - middle):
            best = cut
        if cut >= middle:
            break
    return best


def _between_characters(text: str, start: int, end: int) -> int | None:
    middle = (start + end) // 2
    for distance in range(end - start):
        for cut in (middle + distance, middle - distance):
            if start < cut < end and _safe(text, cut):
                return cut
    return None


def _safe(text: str, cut: int) -> bool:
    """Whether no character is torn: marks, joiners and selectors stay with what they modify."""
    char = text[cut]
    joined = unicodedata.category(char)[0] == "M" or char == "\u200d" or text[cut - 1] == "\u200d"
    return not (joined or "\U0001f3fb" <= char <= "\U0001f3ff" or "\udc00" <= char <= "\udfff")
