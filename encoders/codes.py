"""Part numbers, versions, dates and their like as terms of their own, beside the pieces that they are written in."""

from __future__ import annotations

import re
from collections.abc import Iterator

_JOINT = "-/.\u2010\u2011"
# A number somewhere in it tells a code from words with hyphens. Possessive: no letter is looked at twice.
_CODE = re.compile(rf"(?<![0-9a-z_])(?=(?:[a-z]|[{_JOINT}](?=[0-9a-z]))*+[0-9])[0-9a-z]++(?:[{_JOINT}][0-9a-z]++)++")
_SIGNED = re.compile(r"(?<![0-9a-z_])[a-z]{1,3}(?:\+\+|#)(?![0-9a-z+#])")
_QUANTITY = re.compile(rf"[0-9]+[{_JOINT}][0-9]+")
_DROPPED = re.compile(r"[-/\u2010\u2011]|(?<![0-9])\.|\.(?![0-9])")
_LETTER, _DIGIT = re.compile("[a-z]"), re.compile("[0-9]")
_PIECE = re.compile("[0-9]+|[a-z]+")
_WORD = rf"[0-9a-z]++(?:[{_JOINT}][0-9a-z]++)*+"
_WORDS = re.compile(f"{_WORD}(?: {_WORD})+")
_MOST_JOINED = 4


def codes_in(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, str]]:
    """``(start, end, code)`` of each code with a joint in normalised text, from ``start`` to ``end``.

    A code is a run of letters, digits and single joints (``-``, ``/``, ``.``) that holds a digit. Its pieces
    say little: ``ab-4512-c`` shares ``4512`` with another, and ``c`` with many. One with letters is given without
    its joints, so that it is found however it is joined (``ab4512c``), but for points between digits, which make
    other numbers (``v1.2``); one of digits alone is given as it stands. Two numbers with one joint are a
    quantity or a range and no code: nothing is called ``2.5``. Names of letters and signs (``c++``, ``c#``) are
    given as they stand: the letter alone is another thing.
    """
    last = len(text) if end is None else end
    for match in _SIGNED.finditer(text, start, last):
        yield match.start(), match.end(), match.group()
    for match in _CODE.finditer(text, start, last):
        found = match.group()
        if _LETTER.search(found):
            yield match.start(), match.end(), _DROPPED.sub("", found)
        elif not _QUANTITY.fullmatch(found):
            yield match.start(), match.end(), found


def spellings(text: str) -> Iterator[tuple[str, list[str]]]:
    """Other ways to write the codes of normalised text: ``(from, to)``, to be taken where the corpus knows ``to``.

    ``from`` is empty where something comes in addition: words that make a code when they are joined
    (``ab 4512 c``, ``ab4512c``). Else it is a code that ``to`` may stand for, its letters and numbers apart
    (``ab4512c``, ``ab 4512 c``).
    """
    for match in _WORDS.finditer(text):
        words = match.group().split()
        for size in range(2, _MOST_JOINED + 1):
            for at in range(len(words) - size + 1):
                together = "-".join(words[at : at + size])
                if _LETTER.search(together) and _DIGIT.search(together):
                    yield "", [_DROPPED.sub("", together)]
    for run in re.findall("[0-9a-z]+", text):
        if len(pieces := _PIECE.findall(run)) > 1:
            yield run, pieces
