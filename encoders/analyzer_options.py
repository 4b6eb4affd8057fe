"""How texts may be cut into terms: the presets, the options that override them, and the TF-IDF that goes with each."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.errors import UsageError
from schemas.manifest import AnalyzerSettings, TfidfSettings


class AnalyzerOptions(BaseModel):
    """What ``AnalyzerSettings.options`` may override.

    ``char_ngrams``: sizes of Chinese character n-grams. ``jieba``: Chinese words as terms, ``search``
    adds the dictionary words inside long ones. ``stem``: Snowball's English stemmer. ``stop_words``:
    leave out English stop words. ``codes``: part numbers and their like as terms beside their pieces
    (``encoders/codes.py``). ``user_dict``: names that jieba must keep whole. ``hmm``: let jieba guess
    unknown words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    char_ngrams: tuple[int, ...] = (1, 2)
    jieba: bool = False
    search: bool = False
    stem: bool = True
    stop_words: bool = True
    codes: bool = True
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

MOST_FEATURES = 500_000
"""Terms of a corpus that are kept, the frequent ones, unless told otherwise: it bounds the memory of an ingest. A novel
has a quarter of it, and a hundred megabytes of Chinese two or three times as many, most of which stand once."""


def recommended_tfidf(preset: str) -> TfidfSettings:
    """The TF-IDF settings that go with a preset."""
    if preset == "article":
        return TfidfSettings(min_df=0.01, unit="documents")
    return TfidfSettings(sublinear_tf=True, max_features=MOST_FEATURES)


def options_of(settings: AnalyzerSettings) -> AnalyzerOptions:
    """The preset's options with those of ``settings``; raises ``UsageError`` for an unknown preset or option."""
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
    return options
