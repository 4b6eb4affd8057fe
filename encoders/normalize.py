"""Length-preserving normalisation: every character becomes exactly one, so spans stay exact."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

import numpy as np

from encoders.ngrams import Codes, code_points


@cache
def _simplified() -> dict[str, str]:
    """Traditional to simplified characters, one for one, from OpenCC's TSCharacters (Apache-2.0)."""
    import opencc

    table: dict[str, str] = {}
    path = Path(opencc.__file__).parent / "dictionary" / "TSCharacters.txt"
    for line in path.read_text(encoding="utf-8").splitlines():
        source, _, targets = line.partition("\t")
        first = targets.split(" ")[0]
        if len(source) == 1 and len(first) == 1:
            table[source] = first
    return table


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
    return _simplified().get(folded, folded)


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

    ``len(normalize(text)) == len(text)``, and each character depends on its own original only.
    """
    if len(text) < _SHORT or text.isascii():
        return text.translate(_TABLE)
    # Other scripts are looked up one character after another there, which takes several times as long.
    return normalize_codes(code_points(text)).tobytes().decode("utf-32-le", "surrogatepass")


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
    return folded
