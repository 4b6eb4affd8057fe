"""From text to the terms of ``tfidf`` and the words of ``word2vec``."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from encoders.analyzer_options import options_of
from encoders.article import article_features, article_spans, article_tokens
from encoders.bags import Bags, bags_of, count
from encoders.codes import codes_in
from encoders.ngrams import LONGEST, code_points, ngrams
from encoders.normalize import normalize, normalize_codes, spelled_out
from encoders.segment import Segmenter
from encoders.stopwords import english_stop_parts
from schemas.manifest import AnalyzerSettings

Span: TypeAlias = tuple[int, int, str]
"""``(start, end, feature)``: where a text holds a feature (characters of the text as it is)."""

Find: TypeAlias = Callable[[str], Sequence[Span]]
"""Gives the spans of certain features in a text."""

# Han, kana and hangul are written without blanks or are short: they are cut by character or by jieba
_CJK = "\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_RUN = re.compile(rf"[{_CJK}]+|(?:(?![{_CJK}])[\w\u0300-\u036f])+")
_CHINESE = re.compile(f"[{_CJK}]+")
_OTHER = re.compile(rf"(?:(?![{_CJK}])[\w\u0300-\u036f])+")
_FIRST_CJK = re.compile(f"[{_CJK}]")
# nothing that people search for is longer; a stemmer is slow on what is (base64)
_LONGEST = 64
_CACHED = 200_000


@cache
def _is_cjk() -> npt.NDArray[np.bool_]:
    """Of each code point whether ``_CJK`` holds it."""
    table = np.zeros(0x110000, dtype=np.bool_)
    for first, last in re.findall("(.)(?:-(.))?", _CJK):
        table[ord(first) : ord(last or first) + 1] = True
    return table


@lru_cache(maxsize=4)
def _segmenter(words: tuple[str, ...], hmm: bool) -> Segmenter:
    return Segmenter(words, hmm=hmm)


class Analyzer:
    """Cuts texts by ``settings``; equal settings give equal terms in every process. Picklable."""

    def __init__(self, settings: AnalyzerSettings) -> None:
        self.settings = settings
        self._options = options_of(settings)
        self._names = tuple(sorted({normalize(word) for word in self._options.user_dict if word}))
        self._known: dict[str, str | None] = {}
        self._stemmer: Any = None

    @property
    def has_codes(self) -> bool:
        """Whether part numbers and their like are terms of their own."""
        return self._options.codes and self.settings.preset != "article"

    def __reduce__(self) -> tuple[type[Analyzer], tuple[AnalyzerSettings]]:
        return type(self), (self.settings,)

    def features(self, text: str) -> list[str]:
        """The terms of ``tfidf``, with repetitions."""
        if self.settings.preset == "article":
            return article_features(text)
        return self._cut(text, words=False)[0]

    def feature(self, run: str) -> str | None:
        """What a normalised run of other letters than Chinese ones counts as; None where it does not count."""
        if (known := self._known.get(run, "")) != "":
            return known
        if len(self._known) >= _CACHED:
            self._known.clear()
        found = self._known[run] = self._made(spelled_out(run))
        return found

    def words(self, text: str) -> list[str]:
        """The words of ``word2vec`` in their order: jieba's for Chinese, lower-cased and unstemmed for English."""
        return self.word_lists([text])[0]

    def word_lists(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each text, as ``words`` gives them."""
        if self.settings.preset == "article":
            return [article_tokens(text) for text in texts]
        segmenter = _segmenter(self._names, self._options.hmm)
        lists = []
        for text in texts:
            found: list[str] = []
            for run in _RUN.findall(normalize(text)):
                if _FIRST_CJK.match(run):
                    found.extend(segmenter.cut(run))
                elif 0 < len(word := spelled_out(run)) <= _LONGEST:
                    found.append(word)
            lists.append(found)
        return lists

    def cut_features(self, words: Sequence[str]) -> list[str]:
        """The terms of ``tfidf`` in a text that was cut into ``words`` by hand; none reaches over two of them."""
        if self.settings.preset == "article":
            return article_features(" ".join(words))
        found: list[str] = []
        for word in words:
            plain = normalize(word)
            if not self._options.jieba or not _CHINESE.fullmatch(plain):
                found.extend(self.features(word))
                continue
            found.append(plain)
            if self._options.search:
                parts = _segmenter(self._names, self._options.hmm).parts(plain)
                found.extend(plain[at : at + size] for at, size in parts)
        return found

    def cut_words(self, words: Sequence[str]) -> list[str]:
        """The words of ``word2vec`` in a text that was cut into ``words`` by hand: Chinese ones stay as they are."""
        if self.settings.preset == "article":
            return article_tokens(" ".join(words))
        found: list[str] = []
        for word in words:
            plain = normalize(word)
            found.extend([plain] if _CHINESE.fullmatch(plain) else self.words(plain))
        return found

    def feature_bags(self, texts: Sequence[str]) -> Bags:
        """The counts of each text's ``features``, of all texts in one pass where the settings allow it."""
        options = self._options
        if self.settings.preset == "article" or options.jieba or max(options.char_ngrams, default=0) > LONGEST:
            return bags_of(map(self.features, texts))
        codes = normalize_codes(code_points("\n".join(texts)))
        ends = np.cumsum([len(text) + 1 for text in texts])
        inside = _is_cjk()[codes]
        terms, columns, starts = ngrams(codes, inside, options.char_ngrams)
        rows = np.searchsorted(ends, starts, side="right")
        more_columns: list[int] = []
        more_rows: list[int] = []
        known: dict[str, int | None] = {}
        places: dict[str, int] = {}
        rest = np.where(inside, np.uint32(ord(" ")), codes).tobytes().decode("utf-32-le", "surrogatepass")
        start = 0
        for row, end in enumerate(ends.tolist()):
            for run in (*_OTHER.findall(rest, start, end - 1), *self._codes(rest, start, end - 1)):
                if run not in known:
                    feature = self.feature(run)
                    known[run] = None if feature is None else places.setdefault(feature, len(terms) + len(places))
                if (column := known[run]) is not None:
                    more_columns.append(column)
                    more_rows.append(row)
            start = end
        columns = np.concatenate([columns, np.array(more_columns, dtype=np.int64)])
        return count(
            [*terms, *places], columns, np.concatenate([rows, np.array(more_rows, dtype=np.int64)]), len(texts)
        )

    def analyze(self, text: str) -> tuple[list[str], list[str]]:
        """``(features(text), words(text))`` from one segmentation."""
        if self.settings.preset == "article":
            return article_features(text), article_tokens(text)
        return self._cut(text, words=True)

    def finder(self, features: Collection[str]) -> Find:
        """What finds those of ``spans`` whose feature is among ``features`` in a text, without cutting the rest.

        It is made once for many texts.
        """
        if self.settings.preset == "article" or self._options.jieba:
            return lambda text: [span for span in self.spans(text) if span[2] in features]
        # A piece of a run of Chinese is any stretch of it, so that looking for each is enough.
        pieces = [f for f in features if _FIRST_CJK.match(f) and len(f) in self._options.char_ngrams]
        wanted = frozenset(features)

        def find(text: str) -> list[Span]:
            plain = normalize(text)
            found: list[Span] = []
            for piece in pieces:
                at = plain.find(piece)
                while at >= 0:
                    found.append((at, at + len(piece), piece))
                    at = plain.find(piece, at + 1)
            for start, end, run in self._runs(plain):
                if (word := self.feature(run)) in wanted:
                    found.append((start, end, word))
            found.sort(key=lambda span: (span[0], -span[1]))
            return found

        return find

    def spans(self, text: str) -> list[Span]:
        """Each term in the original text, by start (article: single words only)."""
        if self.settings.preset == "article":
            return article_spans(text)
        spans: list[Span] = []
        plain = normalize(text)
        for match in _CHINESE.finditer(plain):
            pieces, _ = self._chinese(match.group(), words=False)
            spans.extend((match.start() + at, match.start() + at + len(piece), piece) for at, piece in pieces)
        for start, end, run in self._runs(plain):
            if (feature := self.feature(run)) is not None:
                spans.append((start, end, feature))
        spans.sort(key=lambda span: (span[0], -span[1]))
        return spans

    def _cut(self, text: str, *, words: bool) -> tuple[list[str], list[str]]:
        features: list[str] = []
        found: list[str] = []
        plain = normalize(text)
        for run in _RUN.findall(plain):
            if _FIRST_CJK.match(run):
                pieces, cut = self._chinese(run, words=words)
                features.extend([piece for _, piece in pieces])
                found.extend(cut)
                continue
            word = spelled_out(run)
            if not word or len(word) > _LONGEST:
                continue
            found.append(word)
            if (feature := self.feature(run)) is not None:
                features.append(feature)
        features.extend(feature for code in self._codes(plain) if (feature := self.feature(code)) is not None)
        return features, found

    def _runs(self, plain: str) -> Iterator[Span]:
        """Where normalised text holds runs of other letters than Chinese ones, and codes."""
        for match in _OTHER.finditer(plain):
            yield match.start(), match.end(), match.group()
        if self._options.codes:
            yield from codes_in(plain)

    def _codes(self, plain: str, start: int = 0, end: int | None = None) -> list[str]:
        return [code for _, _, code in codes_in(plain, start, end)] if self._options.codes else []

    def _chinese(self, run: str, *, words: bool) -> tuple[list[tuple[int, str]], list[str]]:
        options = self._options
        cut = _segmenter(self._names, options.hmm).cut(run) if words or options.jieba else []
        pieces = [(i, run[i : i + n]) for n in options.char_ngrams for i in range(len(run) - n + 1)]
        if options.jieba:
            at = 0
            for word in cut:
                pieces.append((at, word))
                if options.search:
                    parts = _segmenter(self._names, options.hmm).parts(word)
                    pieces.extend((at + i, word[i : i + n]) for i, n in parts)
                at += len(word)
        return pieces, cut

    def _made(self, word: str) -> str | None:
        if not word or len(word) > _LONGEST or (self._options.stop_words and word in english_stop_parts()):
            return None
        if not self._options.stem or not word.isascii() or not word.isalpha():
            return word
        if self._stemmer is None:
            import snowballstemmer

            self._stemmer = snowballstemmer.stemmer("english")
        return str(self._stemmer.stemWord(word))


def make_analyzer(settings: AnalyzerSettings | None = None) -> Analyzer:
    """The analyser that ``settings`` describe; raises ``UsageError`` for an unknown preset or option."""
    return Analyzer(settings or AnalyzerSettings())
