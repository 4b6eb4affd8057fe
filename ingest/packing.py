"""Packs sentences into passages: as many as the budget allows, and none left tiny that its neighbour could take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice, product

CountTokens = Callable[[Sequence[str]], list[int]]
"""Tokens of each text, as an encoder counts them."""

TINY = 0.25
"""A passage below this share of the budget says too little to be found for: short texts rank high by chance."""

_WELL_FILLED = 0.5
"""A passage this full may end early at a paragraph's end."""

_AHEAD = 8
"""Packs that are counted together at first; the more of them hold, the more the next time."""

_CUTS_TRIED = 4


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence, or a piece of one too long, in text coordinates."""

    start: int
    end: int
    tokens: int
    closes_paragraph: bool


@dataclass(frozen=True, slots=True)
class _Pack:
    """The units from ``first`` to before ``last``, and the tokens of their text as a whole."""

    first: int
    last: int
    tokens: int


class Packer:
    """Makes passages of one text's units."""

    def __init__(self, text: str, max_tokens: int, count_tokens: CountTokens) -> None:
        self._text = text
        self._most = max_tokens
        self._least = max_tokens * TINY
        self._count_tokens = count_tokens

    def pack(self, units: Sequence[Unit]) -> list[tuple[int, int]]:
        """The spans of ``units`` that lie in one piece of the source, in order, as passages.

        None exceeds the budget unless a unit alone does. One below ``TINY`` of it is left only where it
        exceeds the budget together with the one before and with the one after, and where (as far as the
        tokens of units add up) no end of a unit divides it and either of them so that neither is tiny.
        """
        packs = self._levelled(units, self._filled(units))
        return [(units[pack.first].start, units[pack.last - 1].end) for pack in packs]

    def _filled(self, units: Sequence[Unit]) -> list[_Pack]:
        """Packs as full as they may be.

        What stands between units (runs of blanks) may have tokens of its own, so that a pack counts more
        than its units: those that it cannot hold begin the next.
        """
        done: list[_Pack] = []
        at, ahead = 0, _AHEAD
        while at < len(units):
            tried = list(islice(_greedy(units, at, self._most), ahead))
            ahead *= 2
            for (first, last), counted in zip(tried, self._counts(units, tried), strict=True):
                end, tokens = last, counted
                while tokens > self._most and end - first > 1:
                    end = _shortened(units, first, end, tokens - self._most)
                    (tokens,) = self._counts(units, [(first, end)])
                done.append(_Pack(first, end, tokens))
                at = end
                if end < last:
                    ahead = 1
                    break
        return done

    def _levelled(self, units: Sequence[Unit], packs: list[_Pack]) -> list[_Pack]:
        """The packs, of which the tiny ones are joined with a neighbour or share its units."""
        sums = [0, *accumulate(unit.tokens for unit in units)]
        at = 0
        # Each change leaves fewer packs, or as many of which fewer are tiny: it comes to an end.
        while at < len(packs):
            pairs = [left for left in (at - 1, at) if 0 <= left < len(packs) - 1]
            if packs[at].tokens >= self._least:
                pairs = []
            pairs.sort(key=lambda left: packs[left].tokens + packs[left + 1].tokens)
            for change, left in product((self._join, self._share), pairs):
                if new := change(units, sums, packs[left].first, packs[left + 1].last):
                    packs[left : left + 2] = new
                    # The one before has another neighbour now.
                    at = max(left - 1, 0)
                    break
            else:
                at += 1
        return packs

    def _join(self, units: Sequence[Unit], sums: Sequence[int], first: int, last: int) -> list[_Pack]:
        (tokens,) = self._counts(units, [(first, last)])
        return [_Pack(first, last, tokens)] if tokens <= self._most else []

    def _share(self, units: Sequence[Unit], sums: Sequence[int], first: int, last: int) -> list[_Pack]:
        """Two packs of which neither is tiny, divided at a paragraph's end if one allows it, else most evenly."""

        def fits(*tokens: int) -> bool:
            return all(self._least <= count <= self._most for count in tokens)

        def unevenness(cut: int) -> int:
            return abs(2 * sums[cut] - sums[first] - sums[last])

        cuts = sorted(range(first + 1, last), key=unevenness)
        ends = (
            cut
            for cut in cuts
            if units[cut - 1].closes_paragraph and fits(sums[cut] - sums[first], sums[last] - sums[cut])
        )
        for cut in dict.fromkeys([*islice(ends, _CUTS_TRIED), *cuts[:_CUTS_TRIED]]):
            left, right = self._counts(units, [(first, cut), (cut, last)])
            if fits(left, right):
                return [_Pack(first, cut, left), _Pack(cut, last, right)]
        return []

    def _counts(self, units: Sequence[Unit], spans: Sequence[tuple[int, int]]) -> list[int]:
        """Tokens of each span of units; a unit alone has been counted."""
        longer = [span for span in spans if span[1] - span[0] > 1]
        texts = [self._text[units[first].start : units[last - 1].end] for first, last in longer]
        counted = iter(self._count_tokens(texts) if texts else [])
        return [next(counted) if last - first > 1 else units[first].tokens for first, last in spans]


def _greedy(units: Sequence[Unit], at: int, most: int) -> Iterator[tuple[int, int]]:
    """From ``at`` on, as many units a pack as the budget holds; one well filled may end with its paragraph."""
    while at < len(units):
        end, total, good_end = at, 0, None
        while end < len(units) and (end == at or total + units[end].tokens <= most):
            total += units[end].tokens
            end += 1
            if units[end - 1].closes_paragraph and total >= most * _WELL_FILLED:
                good_end = end
        if end < len(units) and good_end is not None:
            end = good_end
        yield at, end
        at = end


def _shortened(units: Sequence[Unit], first: int, last: int, excess: int) -> int:
    """Where a pack ends that is to lose so many tokens: with a paragraph if one ends in its second half."""
    end = last - 1
    while end - first > 1 and (excess := excess - units[end].tokens) > 0:
        end -= 1
    for cut in range(end, first + (last - first) // 2 - 1, -1):
        if cut > first and units[cut - 1].closes_paragraph:
            return cut
    return end
