"""English stop words: NLTK's classic list (Apache-2.0; see ``data/README.md``)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def english_stop_words() -> frozenset[str]:
    """The 179 words as NLTK writes them (``don't``)."""
    return frozenset(files("encoders").joinpath("data/english_stopwords_nltk.txt").read_text("utf-8").split())


@cache
def english_stop_parts() -> frozenset[str]:
    """The same, with the pieces that a word pattern without apostrophes cuts them into (``don``, ``t``)."""
    return frozenset(part for word in english_stop_words() for part in (word, *word.split("'")) if part)
