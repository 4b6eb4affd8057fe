"""A unigram tokenizer: the most probable cut of a text into pieces (Kudo 2018, arXiv:1804.10959)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_SPACE_MARK = "▁"


class UnigramTokenizer:
    """SentencePiece's unigram model over a given vocabulary, with its normaliser and space mark.

    Parameters
    ----------
    pieces : sequence of str
        In the order of their ids.
    scores : sequence of float
        The pieces' log-probabilities.
    unknown : int
        Id of the unknown piece, which stands for one character at 10 below the least score.
    normalizer : mapping of int to str
        Replacements by code point, as ``str.translate`` takes them.

    """

    def __init__(
        self, pieces: Sequence[str], scores: Sequence[float], unknown: int, normalizer: Mapping[int, str]
    ) -> None:
        self._ids = dict(zip(pieces, range(len(pieces)), strict=True))
        self._ids.pop(pieces[unknown], None)
        self._scores = scores
        self._unknown = unknown
        self._unknown_score = min(scores) - 10
        self._normalizer = normalizer
        # The longest piece that begins with each character bounds the search at that character.
        self._longest: dict[str, int] = {}
        longest = self._longest
        for piece in self._ids:
            first, length = piece[:1], len(piece)
            if length > longest.get(first, 0):
                longest[first] = length

    def encode(self, text: str) -> list[int]:
        """Ids of the most probable pieces; no special tokens."""
        marked = self._marked(text)
        n = len(marked)
        best = [0.0] + [-1e30] * n
        came_from, piece_id = [0] * (n + 1), [self._unknown] * (n + 1)
        ids, scores, longest = self._ids, self._scores, self._longest
        for start in range(n):
            base = best[start]
            for stop in range(start + 1, min(start + longest.get(marked[start], 0), n) + 1):
                index = ids.get(marked[start:stop])
                if index is not None and (score := base + scores[index]) > best[stop]:
                    best[stop], piece_id[stop], came_from[stop] = score, index, start
            if (score := base + self._unknown_score) > best[start + 1]:
                best[start + 1], piece_id[start + 1], came_from[start + 1] = score, self._unknown, start
        found = []
        while n > 0:
            found.append(piece_id[n])
            n = came_from[n]
        return found[::-1]

    def _marked(self, text: str) -> str:
        text = re.sub("  +", " ", text.translate(self._normalizer))
        if not text.startswith(" "):
            text = " " + text
        return text.replace(" ", _SPACE_MARK)
