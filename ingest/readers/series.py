"""Which kind of lines that are hardly more than a number makes the chapters of a book, if any does.

Wrong chapters are worse than none. So the numbers of a kind must run from one up, with long text between; a
run without text between is a list or a table of contents. A book with chapters of a firmer kind keeps those.
"""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Sequence

from ingest.readers.marks import Mark
from ingest.readers.serial_lines import BARE, HALVES, PAGE_LIKE

_LIST_CHARS = 100
"""Less text than this between two numbers that follow each other: they are items of a list."""
_CHAPTER_CHARS = 300
"""The median chapter is at least so long."""
_SHARE = 0.3
"""A series stretches over at least this share of the text."""
_ERRORS = 10
"""One number in so many may be missing, doubled or strange: nobody proofreads them all."""
_MANY_PAGES, _PAGE_CHARS, _PAGE_SPREAD = 8, 3000, 0.25
"""So many bare numbers at distances that are short and differ by no more than this share of their mean are pages."""


def settle(marks: list[Mark], chars: int, *, allowed: bool) -> tuple[list[Mark], int, str]:
    """The marks without lines of series that are none, how much text those were at the front, and the kind that is one.

    ``chars`` is how much text the book has; ``allowed`` whether it may have a series at all.
    """
    kinds: dict[str, list[Mark]] = defaultdict(list)
    for mark in marks:
        if mark.heading.series:
            kinds[mark.heading.series].append(mark)
    halves = kinds.pop(HALVES, [])
    wanted = {id(mark) for mark in halves} if allowed and _are_halves(halves) else set()
    best = ""
    if allowed and not _has_chapters(marks):
        parts = [mark.at for mark in marks if mark.heading.rank == 0 and (not mark.heading.series or wanted)]
        found = {kind: chain for kind in kinds if (chain := _chain(kind, kinds[kind], parts, chars))}
        if found:
            best = max(found, key=lambda kind: found[kind][-1].at - found[kind][0].at)
            wanted |= {id(mark) for mark in (*found[best], *_contents(kinds[best], found[best]))}
    kept: list[Mark] = []
    front = 0
    for mark in marks:
        if not mark.heading.series or id(mark) in wanted:
            kept.append(mark)
            continue
        if kept:
            kept[-1].absorb(mark)
            kept[-1].lines += mark.own > 0
            kept[-1].chars += mark.own
            kept[-1].bare = kept[-1].bare or not mark.own
        else:
            front += mark.own + mark.chars
    return kept, front, best


def _has_chapters(marks: Sequence[Mark]) -> bool:
    numbered = [m.heading for m in marks if not m.heading.series and not m.heading.entry and m.heading.rank > 0]
    labelled = [heading for heading in numbered if heading.number is not None]
    return any(not heading.glued and not heading.prefix for heading in labelled) or len(labelled) > 1


def _are_halves(marks: Sequence[Mark]) -> bool:
    numbers = [mark.heading.number for mark in marks if mark.alone or mark.blank_after]
    return len(numbers) == len(marks) and numbers in ([0, 2], [0, 1], [0, 1, 2], [0, 2] * 2, [0, 1, 2] * 2)


def _chain(kind: str, marks: Sequence[Mark], parts: Sequence[int], chars: int) -> list[Mark]:
    """The chapters of this kind; none where they are no series."""
    spaced = [mark for mark, listed in zip(marks, _listed(marks), strict=True) if not listed and not mark.heading.entry]
    chain: list[Mark] = []
    errors = 0
    for mark in spaced:
        number, before = mark.heading.number or 0, chain[-1].heading.number or 0 if chain else 0
        restart = number <= 1 and any(chain[-1].at <= part <= mark.at for part in parts) if chain else number <= 1
        if restart or (chain and number == before + 1):
            chain.append(mark)
        elif chain and before < number <= before + 3:
            chain.append(mark)
            errors += 1
        else:
            errors += 1
    least = 2 if kind.endswith("lower") or kind == "其" else 3
    if len(chain) < least or errors * _ERRORS > len(chain):
        return []
    crowded = sum(not mark.alone or (kind in BARE and not mark.blank_after) for mark in chain)
    ends = [mark.at for mark in chain] + [chars]
    gaps = [after - before for before, after in itertools.pairwise(ends)]
    if crowded * _ERRORS > len(chain) or statistics.median(gaps) < _CHAPTER_CHARS:
        return []
    if ends[-2] - ends[0] < _SHARE * chars or (kind == PAGE_LIKE and _are_pages(chain, gaps[:-1])):
        return []
    return chain


def _are_pages(chain: Sequence[Mark], gaps: Sequence[int]) -> bool:
    """Whether bare numbers are those of pages: they stand amid sentences, or at short and regular distances."""
    # The first of a part may stand under its motto.
    if sum(not mark.after_sentence for mark in chain if mark.heading.number != 1) * _ERRORS > len(chain):
        return True
    mean = statistics.fmean(gaps)
    return len(gaps) >= _MANY_PAGES and mean < _PAGE_CHARS and statistics.pstdev(gaps) < _PAGE_SPREAD * mean


def _listed(marks: Sequence[Mark]) -> list[bool]:
    """Which marks are items of a list: the next number follows with hardly any text between."""
    flags = [False] * len(marks)
    for at, (mark, following) in enumerate(itertools.pairwise(marks)):
        number = mark.heading.number
        if number is not None and following.heading.number == number + 1 and following.at - mark.at < _LIST_CHARS:
            flags[at] = flags[at + 1] = True
    return flags


def _contents(marks: Sequence[Mark], chain: Sequence[Mark]) -> list[Mark]:
    """The lines before the first chapter that say the same as one: a table of contents."""
    names = {mark.heading.full_key for mark in chain}
    return [mark for mark in marks if mark.start < chain[0].start and mark.heading.full_key in names]
