"""Words of a question that a corpus does not know, taken as ones that it knows.

A slip of the pen is the commonest word one edit away (Norvig, "How to Write a Spelling Corrector", 2007). A word that
is made of others, as ``urlopen`` and ``libgpg``, is taken as those where they are commoner (word breaks: Wang,
Thrasher & Hsu, WWW 2011). Only words of ASCII letters: of Chinese pieces, n-grams answer for what is misspelt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from string import ascii_lowercase
from typing import NamedTuple

from encoders.analysis import Analyzer
from encoders.base import TermLookup
from encoders.codes import codes_in
from encoders.normalize import normalize

EDITED = 5
"""Letters from which a word is taken as one that is an edit away: four are another word as often as a slip
(``fork`` and ``form``), and what they gain is next to nothing."""

PIECE = 3
"""The fewest letters of each of the two or three words that one is taken as."""

LONGEST = 32
"""Letters of the longest word that is looked at."""

MOST = 8
"""Unknown words of one question that are looked at, its first ones: a question with more is in another language."""

_CACHED = 10_000
_ENDING = 6
_WORD = re.compile(r"(?<![0-9a-z_])[a-z]+(?![0-9a-z_])")


class Spelled(NamedTuple):
    """A question as a corpus spells it, and which words were ``taken`` as others; several with blanks between them."""

    text: str
    taken: Mapping[str, str]


class _Word(NamedTuple):
    start: int
    end: int
    text: str
    code: bool


class _Guess(NamedTuple):
    """What a word may have been: of its rarest word, how many documents hold it and whether it is known as written."""

    known: tuple[int, bool]
    words: tuple[str, ...]


class Speller:
    """Spells questions as a corpus knows its words. Several threads may ask."""

    def __init__(self, analyzer: Analyzer, lookup: TermLookup) -> None:
        """``lookup`` is the corpus's vocabulary; where it has ``glance``, guesses go there (``StoreTermLookup``)."""
        self._analyzer = analyzer
        self._lookup = lookup
        self._guess: TermLookup = getattr(lookup, "glance", lookup)
        self._spelled = lru_cache(maxsize=_CACHED)(self._spell)

    def spelled(self, texts: Sequence[str]) -> list[Spelled]:
        """Each text with its unknown words as what they are taken as."""
        if self._analyzer.settings.preset == "article":
            return [Spelled(text, {}) for text in texts]
        words = [list(_words_of(normalize(text))) for text in texts]
        unknown = self._unknown(sorted({one.text for of in words for one in of if len(one.text) <= LONGEST}))
        return [self._respelled(text, of, unknown) for text, of in zip(texts, words, strict=True)]

    def _respelled(self, text: str, words: Sequence[_Word], unknown: set[str]) -> Spelled:
        looked_at = dict.fromkeys(one.text for one in words if one.text in unknown)
        # Another letter in a piece of a code makes another thing.
        alone = {one.text for one in words if not one.code}
        guesses = ((word, self._spelled(word, word not in alone)) for word in [*looked_at][:MOST])
        taken = {word: spelled for word, spelled in guesses if spelled is not None}
        return Spelled(_replaced(text, words, taken), taken)

    def _unknown(self, words: Sequence[str]) -> set[str]:
        features = {word: feature for word in words if (feature := self._analyzer.feature(word)) is not None}
        known = self._lookup({*features, *features.values()})
        return {word for word, feature in features.items() if word not in known and feature not in known}

    def _spell(self, word: str, code: bool) -> str | None:
        near = None if code else self._near(word)
        two, three = self._cut(word)
        found = max(filter(None, (near, two)), key=lambda one: one.known[0], default=three)
        return None if found is None else " ".join(found.words)

    def _near(self, word: str) -> _Guess | None:
        """The commonest word that is an edit away."""
        if len(word) < EDITED:
            return None
        # What stands in the vocabulary are stems, and words as they are written where it has vectors of them.
        words, stem = edits(word), self._analyzer.feature(word) or word
        near = self._guess(words | edits(stem))
        ending = word[len(stem) :]
        if found := self._one_of({term if term in words else self._with(ending, term) for term in near}):
            return found
        # A slip in the ending makes another stem. To stem edits takes long, and is done where it can be of use.
        shortest = max(PIECE, len(word) - _ENDING)
        if not self._guess({word[:at] + last for at in range(shortest, len(word)) for last in ("", "i")}):
            return None
        return self._one_of({self._plain(other) for other in edits(word, shortest)})

    def _cut(self, word: str) -> tuple[_Guess | None, _Guess | None]:
        """The two words, and the three, that it is made of."""
        places = range(PIECE, len(word) - PIECE + 1)
        documents = self._documents({piece for at in places for piece in (word[:at], word[at:])})
        triples = [
            (word[:first], word[first:second], word[second:])
            for first in places
            for second in range(first + PIECE, len(word) - PIECE + 1)
            if word[:first] in documents and word[second:] in documents
        ]
        two = _commonest([(word[:at], word[at:]) for at in places], documents)
        return two, _commonest(triples, documents | self._documents({middle for _, middle, _ in triples}))

    def _with(self, ending: str, stem: str) -> str:
        """A stem with this ending, where that is a form of it."""
        return stem + ending if self._analyzer.feature(stem + ending) == stem else stem

    def _plain(self, word: str) -> str:
        """Its stem, where that is a word like it: of forms that are not known themselves none is likelier."""
        stem = self._analyzer.feature(word)
        return stem if stem is not None and self._analyzer.feature(stem) == stem else word

    def _one_of(self, words: set[str]) -> _Guess | None:
        return _commonest([(word,) for word in words], self._documents(words))

    def _documents(self, words: set[str]) -> dict[str, tuple[int, bool]]:
        """How many documents hold each of those that any holds, and whether it is known as it is written."""
        # Words that do not count, such as "the", are near to much and are nobody's meaning.
        features = {word: feature for word in words if (feature := self._analyzer.feature(word)) is not None}
        entries = self._guess({*features, *features.values()}) if features else {}
        found = {}
        for word, feature in features.items():
            if held := [entries[name].df for name in (word, feature) if name in entries]:
                found[word] = max(held), word in entries
        return found


def edits(word: str, first: int = 1) -> set[str]:
    """The words that are one letter more, less, other or exchanged away, with the same ``first`` letters."""
    found: set[str] = set()
    for at in range(first, len(word) + 1):
        head, tail = word[:at], word[at:]
        found.update(head + letter + tail for letter in ascii_lowercase)
        if tail:
            found.add(head + tail[1:])
            found.update(head + letter + tail[1:] for letter in ascii_lowercase)
        if len(tail) > 1:
            found.add(head + tail[1] + tail[0] + tail[2:])
    found.discard(word)
    return found


def _commonest(candidates: Sequence[tuple[str, ...]], documents: Mapping[str, tuple[int, bool]]) -> _Guess | None:
    """Of these ways to put it the one that most ``documents`` hold: of several words, the rarest one of them."""
    guesses = [_Guess(min(documents.get(word, (0, False)) for word in words), words) for words in candidates]
    best = max(guesses, default=None)
    return best if best is not None and best.known[0] else None


def _words_of(plain: str) -> Iterator[_Word]:
    """The words of letters in normalised text."""
    codes = {at for start, end, _ in codes_in(plain) for at in range(start, end)}
    for match in _WORD.finditer(plain):
        yield _Word(match.start(), match.end(), match.group(), match.start() in codes)


def _replaced(text: str, words: Sequence[_Word], taken: Mapping[str, str]) -> str:
    parts, at = [], 0
    for start, end, word, _ in words:
        if word in taken:
            parts += [text[at:start], taken[word]]
            at = end
    return "".join([*parts, text[at:]])
