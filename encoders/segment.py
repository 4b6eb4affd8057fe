"""Chinese words from a jieba tokenizer of our own: quiet, no cache files, no shared state."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterable
from typing import Any

# jieba's Viterbi copies its path at each character, so the cost of a run grows with its square
_PIECE = 256


class Segmenter:
    """Cuts runs of Han characters into words (jieba 0.42, MIT).

    ``words`` are added to the dictionary, each frequent enough never to be cut (names);
    ``hmm`` lets jieba guess words that its dictionary lacks.
    """

    def __init__(self, words: Iterable[str] = (), *, hmm: bool = True) -> None:
        with warnings.catch_warnings():
            # jieba 0.42.1 has unescaped regular expressions and asks for pkg_resources, both only at import
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", UserWarning)
            import jieba
        jieba.setLogLevel(logging.WARNING)
        self._hmm = hmm
        self._jieba: Any = jieba.Tokenizer()
        # its own initialize() would leave a cache in the temporary folder, which anybody may have written
        with self._jieba.get_dict_file() as file:
            self._jieba.FREQ, self._jieba.total = self._jieba.gen_pfdict(file)
        self._jieba.initialized = True
        for word in sorted(set(words)):
            # two characters or more: suggest_freq keeps the word whole against its own parts
            self._jieba.add_word(word, max(1, self._jieba.suggest_freq(word), math.isqrt(self._jieba.total)))

    def cut(self, run: str) -> list[str]:
        """The words of a run without blanks or punctuation; joined they are the run."""
        if len(run) <= _PIECE:
            return list(self._jieba.cut(run, HMM=self._hmm))
        return [w for i in range(0, len(run), _PIECE) for w in self._jieba.cut(run[i : i + _PIECE], HMM=self._hmm)]

    def parts(self, word: str) -> list[tuple[int, int]]:
        """The dictionary's words of two and three characters inside a longer one, as (start, length)."""
        known = self._jieba.FREQ
        return [
            (i, size)
            for size in (2, 3)
            if len(word) > size
            for i in range(len(word) - size + 1)
            if known.get(word[i : i + size])
        ]
