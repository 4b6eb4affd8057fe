"""Length-preserving normalisation: every character becomes exactly one, so spans stay exact."""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

from encoders.ngrams import Codes, code_points
from encoders.variants import DECIDED_BY_WORDS, simplified_characters, simplified_words


def _fold(char: str) -> str:
    """One character: compatibility form, lower case, without its accent, simplified."""
    folded = unicodedata.normalize("NFKC", char)
    if len(folded) != 1:
        folded = char
    lowered = folded.lower()
    folded = lowered if len(lowered) == 1 else lowered[0]
    decomposed = unicodedata.normalize("NFD", folded)
    if len(decomposed) > 1 and decomposed[0].isascii() and decomposed[0].isalpha():
        folded = decomposed[0]
    return simplified_characters().get(folded, folded)


class _Table(dict[int, str]):
    """A ``str.translate`` table that works out each character once."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = _fold(chr(code))
        return folded


_TABLE = _Table()
_UNKNOWN = 0xFFFFFFFF
_SHORT = 100
"""Characters from which an array pays."""


def normalize(text: str) -> str:
    """The text in half width, lower case, simplified characters and without Latin accents.

    ``len(normalize(text)) == len(text)``, and each character depends on its own original, and on the
    Chinese word around it, only.
    """
    if len(text) < _SHORT or text.isascii():
        return simplified_words(normalize_characters(text))
    # Other scripts are looked up one character after another there, which takes several times as long.
    return _text(normalize_codes(code_points(text)))


def normalize_characters(text: str) -> str:
    """The same, of each character by itself."""
    return text.translate(_TABLE)


def spelled_out(word: str) -> str:
    """A normalised word without combining marks, its ligatures and their like written out: ``oﬃce``, ``straße``."""
    return word if word.isascii() else word.translate(_LETTERS)


class _Letters(dict[int, str]):
    """What stays one character in ``normalize``, and is several or none in a word."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        full = _SPELLED.get(char) or unicodedata.normalize("NFKC", char).casefold()
        several = len(full) > 1 and full.isascii() and full.isalpha()
        found = self[code] = "" if 0x300 <= code <= 0x36F else full if several else char
        return found


_SPELLED = {"æ": "ae", "œ": "oe"}
_LETTERS = _Letters()


@cache
def _table() -> Codes:
    return np.full(0x110000, _UNKNOWN, dtype=np.uint32)


def normalize_codes(codes: Codes) -> Codes:
    """What ``normalize`` does, on code points."""
    table = _table()
    folded: Codes = table[codes]
    if (folded == _UNKNOWN).any():
        for code in np.unique(codes[folded == _UNKNOWN]).tolist():
            table[code] = ord(_TABLE[code])
        folded = table[codes]
    if _in_words()[folded].any():
        return code_points(simplified_words(_text(folded)))
    return folded


@cache
def _in_words() -> npt.NDArray[np.bool_]:
    """Of each code point whether a word may decide about it."""
    table = np.zeros(0x110000, dtype=np.bool_)
    table[[ord(char) for char in DECIDED_BY_WORDS]] = True
    return table


def _text(codes: Codes) -> str:
    return codes.tobytes().decode("utf-32-le", "surrogatepass")
