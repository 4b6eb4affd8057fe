"""Words that stand side by side as no chance would have it, as one word more: ``new york``, ``紧箍儿 咒``.

A phrase is written as its two words with a blank between, which no word holds. Pairs of neighbours are counted
beside the words, in texts whose words are in no order any more, so that a fit need not read them twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

from encoders.bags import Bags

LEAST = 20
"""Occurrences of a phrase, at least: rarer pairs are turns of speech as often as they are names."""

LEAST_NPMI = 0.5
"""How far from chance a phrase is, at least: at 0 its words ignore each other, at 1 none is without the other."""

Items: TypeAlias = Callable[[], Iterable[tuple[str, int]]]
"""Gives the words and pairs of a corpus with their occurrences, again and again."""


def with_pairs(words: Sequence[str]) -> list[str]:
    """The words of a text and after them each pair of neighbours."""
    return [*words, *(f"{first} {second}" for first, second in pairwise(words))]


def is_pair(term: str) -> bool:
    """Whether a term of a words' bag is a pair."""
    return " " in term


def words_only(bags: Bags) -> Bags:
    """The same texts without their pairs."""
    words = [column for column, term in enumerate(bags.terms) if not is_pair(term)]
    return bags if len(words) == len(bags.terms) else Bags([bags.terms[c] for c in words], bags.counts[:, words])


def phrases(items: Items, words: Mapping[str, int], total: int) -> Iterator[tuple[str, int]]:
    """The pairs that are phrases, with their occurrences, both of whose words are among ``words``.

    By normalised pointwise mutual information (Bouma 2009) in a corpus of ``total`` words.
    """
    for term, n in items():
        if n >= LEAST and is_pair(term):
            first, _, second = term.partition(" ")
            if first in words and second in words and _npmi(n, words[first], words[second], total) >= LEAST_NPMI:
                yield term, n


def join(words: Sequence[str], known: frozenset[str]) -> list[str]:
    """The words of a text with its phrases as single ones, from the left: a word is part of one phrase only."""
    joined: list[str] = []
    at = 0
    while at < len(words):
        pair = f"{words[at]} {words[at + 1]}" if at + 1 < len(words) else ""
        joined.append(pair if pair in known else words[at])
        at += 2 if pair in known else 1
    return joined


def _npmi(both: int, first: int, second: int, total: int) -> float:
    share = both / total
    return 1.0 if share >= 1 else math.log(both * total / (first * second)) / -math.log(share)
