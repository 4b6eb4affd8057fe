"""From text to the terms of ``tfidf`` and the words of ``word2vec``."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from encoders.article import article_features, article_spans, article_tokens
from encoders.normalize import normalize
from encoders.segment import Segmenter
from encoders.stopwords import english_stop_parts
from schemas.errors import UsageError
from schemas.manifest import AnalyzerSettings, TfidfSettings

# Han, kana and hangul are written without blanks or are short: they are cut by character or by jieba
_CJK = "\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_RUN = re.compile(rf"[{_CJK}]+|(?:(?![{_CJK}])[\w\u0300-\u036f])+")
_FIRST_CJK = re.compile(f"[{_CJK}]")
_MARKS = re.compile("[\u0300-\u036f]")
# nothing that people search for is longer; a stemmer is slow on what is (base64)
_LONGEST = 64


class AnalyzerOptions(BaseModel):
    """What ``AnalyzerSettings.options`` may override.

    ``char_ngrams``: sizes of Chinese character n-grams. ``jieba``: Chinese words as terms, ``search``
    adds the dictionary words inside long ones. ``stem``: Snowball's English stemmer. ``stop_words``:
    leave out English stop words. ``user_dict``: names that jieba must keep whole. ``hmm``: let jieba
    guess unknown words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    char_ngrams: tuple[int, ...] = (1, 2)
    jieba: bool = False
    search: bool = False
    stem: bool = True
    stop_words: bool = True
    user_dict: tuple[str, ...] = ()
    hmm: bool = True


_PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "jieba": {"char_ngrams": (), "jieba": True},
    "jieba-search": {"char_ngrams": (), "jieba": True, "search": True},
    "char": {"char_ngrams": (1, 2, 3), "stem": False, "stop_words": False},
    "words": {"char_ngrams": (), "jieba": True, "stem": False, "stop_words": False},
    "article": {"char_ngrams": (), "stem": False},
}
PRESETS: tuple[str, ...] = tuple(_PRESETS)
"""The names that ``AnalyzerSettings.preset`` may take."""


def recommended_tfidf(preset: str) -> TfidfSettings:
    """The TF-IDF settings that go with a preset."""
    return TfidfSettings(min_df=0.01, unit="documents") if preset == "article" else TfidfSettings(sublinear_tf=True)


@lru_cache(maxsize=4)
def _segmenter(words: tuple[str, ...], hmm: bool) -> Segmenter:
    return Segmenter(words, hmm=hmm)


class Analyzer:
    """Cuts texts by ``settings``; equal settings give equal terms in every process. Picklable."""

    def __init__(self, settings: AnalyzerSettings) -> None:
        if settings.preset not in _PRESETS:
            raise UsageError(f"no analyser is called {settings.preset!r}; choose one of {', '.join(_PRESETS)}")
        try:
            options = AnalyzerOptions(**{**_PRESETS[settings.preset], **settings.options})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UsageError(f"analyser option {where!r}: {first['msg']}") from error
        if any(size < 1 for size in options.char_ngrams):
            raise UsageError("analyser option 'char_ngrams': sizes start at 1")
        self.settings = settings
        self._options = options
        self._names = tuple(sorted({normalize(word) for word in options.user_dict if word}))
        self._stems: dict[str, str] = {}
        self._stemmer: Any = None

    def __reduce__(self) -> tuple[type[Analyzer], tuple[AnalyzerSettings]]:
        return type(self), (self.settings,)

    def features(self, text: str) -> list[str]:
        """The terms of ``tfidf``, with repetitions."""
        if self.settings.preset == "article":
            return article_features(text)
        return self._cut(text, words=False)[0]

    def words(self, text: str) -> list[str]:
        """The words of ``word2vec`` in their order: jieba's for Chinese, lower-cased and unstemmed for English."""
        return self.analyze(text)[1]

    def analyze(self, text: str) -> tuple[list[str], list[str]]:
        """``(features(text), words(text))`` from one segmentation."""
        if self.settings.preset == "article":
            return article_features(text), article_tokens(text)
        return self._cut(text, words=True)

    def spans(self, text: str) -> list[tuple[int, int, str]]:
        """``(start, end, feature)`` of each term in the original text, by start (article: single words only)."""
        if self.settings.preset == "article":
            return article_spans(text)
        spans: list[tuple[int, int, str]] = []
        for match in _RUN.finditer(normalize(text)):
            start, run = match.start(), match.group()
            if _FIRST_CJK.match(run):
                pieces, _ = self._chinese(run, words=False)
                spans.extend((start + at, start + at + len(piece), piece) for at, piece in pieces)
            elif (feature := self._feature(_MARKS.sub("", run))) is not None:
                spans.append((start, match.end(), feature))
        spans.sort(key=lambda span: (span[0], -span[1]))
        return spans

    def highlights(self, text: str, query: str) -> list[tuple[int, int]]:
        """Stretches of ``text`` that match terms of ``query``: merged, in order.

        Of Chinese terms single characters count only where the query has no longer term around them.
        """
        asked: Collection[str] = self._telling(query)
        merged: list[tuple[int, int]] = []
        for start, end, feature in self.spans(text):
            if feature not in asked:
                continue
            if merged and start <= merged[-1][1] and start != end:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged

    def _telling(self, query: str) -> set[str]:
        spans = self.spans(query)
        covered = [(start, end) for start, end, _ in spans if end - start > 1]
        return {
            feature
            for start, end, feature in spans
            if end - start > 1 or not any(a <= start and end <= b for a, b in covered)
        }

    def _cut(self, text: str, *, words: bool) -> tuple[list[str], list[str]]:
        features: list[str] = []
        found: list[str] = []
        for run in _RUN.findall(normalize(text)):
            if _FIRST_CJK.match(run):
                pieces, cut = self._chinese(run, words=words)
                features.extend([piece for _, piece in pieces])
                found.extend(cut)
                continue
            word = _MARKS.sub("", run)
            if not word or len(word) > _LONGEST:
                continue
            found.append(word)
            if (feature := self._feature(word)) is not None:
                features.append(feature)
        return features, found

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

    def _feature(self, word: str) -> str | None:
        if not word or len(word) > _LONGEST or (self._options.stop_words and word in english_stop_parts()):
            return None
        if not self._options.stem or not word.isascii() or not word.isalpha():
            return word
        stem = self._stems.get(word)
        if stem is None:
            if self._stemmer is None:
                import snowballstemmer

                self._stemmer = snowballstemmer.stemmer("english")
            if len(self._stems) >= 200_000:
                self._stems.clear()
            stem = self._stems[word] = str(self._stemmer.stemWord(word))
        return stem


def make_analyzer(settings: AnalyzerSettings | None = None) -> Analyzer:
    """The analyser that ``settings`` describe; raises ``UsageError`` for an unknown preset or option."""
    return Analyzer(settings or AnalyzerSettings())
