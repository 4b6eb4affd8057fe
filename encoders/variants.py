"""Traditional to simplified characters, and words that are simplified otherwise: 瞭解 is 了解, 看著 is 看着."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_OPEN = "瞭藉画覆炼沈牴俱彷"
"""Characters that a word decides about, as they stand once each was simplified by itself. OpenCC's list has others,
of rare names (锺, 钜) and of 乾, which both scripts' texts are spelled alike without."""

_WRITES = re.compile("(?<![显卓昭专名论巨原译遗拙编合撰杂新土素])著(?![名作称述录者书文译])")
"""著 but where it is to write or to be known: Taiwan's spelling of the particle 着."""

DECIDED_BY_WORDS = f"{_OPEN}著"
"""The characters that ``simplified_words`` may change."""

_ANY = re.compile(f"[{DECIDED_BY_WORDS}]")


@cache
def simplified_characters() -> dict[str, str]:
    """Traditional to simplified characters, one for one, from OpenCC's TSCharacters (Apache-2.0)."""
    return {source: target for source, target in _entries("TSCharacters") if len(source) == len(target) == 1}


def simplified_words(plain: str) -> str:
    """Text whose characters are simplified, with its words simplified too; of the same length."""
    changed: list[tuple[int, str]] = []
    for match in _ANY.finditer(plain):
        at = match.start()
        found = _particle(plain, at) if match.group() == "著" else _in_word(plain, at)
        if found is not None:
            changed.append((at, found))
    if not changed:
        return plain
    pieces: list[str] = []
    end = 0
    for at, found in changed:
        pieces += plain[end:at], found
        end = at + 1
    return "".join([*pieces, plain[end:]])


def _particle(plain: str, at: int) -> str | None:
    return "着" if _WRITES.match(plain, at) else None


def _in_word(plain: str, at: int) -> str | None:
    """What the character at ``at`` is in the longest word around it."""
    words, lengths = _words()
    for length in lengths:
        for start in range(max(0, at - length + 1), at + 1):
            word = words.get(plain[start : start + length])
            if word is not None and word[at - start] != plain[at]:
                return word[at - start]
    return None


@cache
def _words() -> tuple[dict[str, str], list[int]]:
    """Words of OpenCC's TSPhrases (Apache-2.0), each character simplified by itself, and as they should be; lengths."""
    table = str.maketrans(simplified_characters())
    found: dict[str, str] = {}
    for source, target in _entries("TSPhrases"):
        word, wanted = source.translate(table), target.translate(table)
        differing = [a for a, b in zip(word, wanted, strict=False) if a != b]
        if len(word) == len(wanted) and differing and all(a in _OPEN for a in differing):
            found[word] = wanted
    return found, sorted({len(word) for word in found}, reverse=True)


def _entries(name: str) -> Iterator[tuple[str, str]]:
    """Source and first target of each line of one of OpenCC's dictionaries."""
    import opencc

    path = Path(opencc.__file__).parent / "dictionary" / f"{name}.txt"
    for line in path.read_text(encoding="utf-8").splitlines():
        source, _, targets = line.partition("\t")
        yield source, targets.split(" ")[0]
