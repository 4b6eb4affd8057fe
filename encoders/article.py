"""The cleaning of the hotel recommender's article, kept exactly, as an analyser preset."""

from __future__ import annotations

import re

from encoders.stopwords import english_stop_words

_TO_SPACE = re.compile(r"[/(){}\[\]|@,;]")
_DROPPED = re.compile(r"[^0-9a-z #+_]")
_TOKEN = re.compile(r"(?u)\b\w\w+\b")


def article_tokens(text: str) -> list[str]:
    """Words of the cleaned text: scikit-learn's default token pattern after the article's cleaning."""
    cleaned = _DROPPED.sub("", _TO_SPACE.sub(" ", text.lower()))
    stop = english_stop_words()
    return _TOKEN.findall(" ".join(word for word in cleaned.split() if word not in stop))


def article_features(text: str) -> list[str]:
    """Word 1- to 3-grams of the cleaned text, joined by a space."""
    words = article_tokens(text)
    return [" ".join(words[i : i + n]) for n in (1, 2, 3) for i in range(len(words) - n + 1)]


def article_spans(text: str) -> list[tuple[int, int, str]]:
    """Where the words that ``article_tokens`` keeps stand in the original text."""
    spans: list[tuple[int, int, str]] = []
    for chunk in re.finditer(r"[^\s/(){}\[\]|@,;]+", text):
        kept = [(chunk.start() + i, c) for i, c in enumerate(chunk.group()) if _DROPPED.sub("", c.lower())]
        word = "".join(c.lower()[0] for _, c in kept)
        if word in english_stop_words():
            continue
        for token in _TOKEN.finditer(word):
            spans.append((kept[token.start()][0], kept[token.end() - 1][0] + 1, token.group()))
    return spans
