"""Options of how text is cut, counted and trained on, as the settings that they mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from schemas.errors import InputError, UsageError

if TYPE_CHECKING:
    from schemas.manifest import AnalyzerSettings, Word2VecSettings

_TO_BEGIN = {
    "analyzer": "How text becomes terms: default, jieba, char, words, article …",
    "user_dict": "Names that Chinese words must be cut into whole: one a line, as jieba's user dictionaries have them.",
    "weighting": "Weights of the tfidf space [default: tfidf].",
    "word2vec": "Word2Vec's training: dim, window, min_count, max_words, epochs, sample, phrases=1 … Repeatable.",
    "max_tokens": "Token budget of a passage [default: 256].",
    "titles": "Encode the title with each passage [default: yes].",
}
_TO_CHANGE = {
    "analyzer": "How text becomes terms; leaves a user dictionary behind.",
    "user_dict": "Names that are words, instead of today's.",
    "weighting": "Weights of the tfidf space.",
    "word2vec": "What is to change of Word2Vec's training. Repeatable.",
    "max_tokens": "Cut passages anew, of at most N tokens, where that is not how they are cut.",
    "titles": "Encode the title with each passage.",
}


def lexical_options(*, change: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds the options; the command gets ``lexical``: fields of ``CorpusOptions``.

    They are for a new corpus or to ``change`` one, where a user dictionary goes with the analyser that is recorded
    unless another is named.
    """
    helps = _TO_CHANGE if change else _TO_BEGIN
    options = [
        click.option("--analyzer", metavar="PRESET", help=helps["analyzer"]),
        click.option("--user-dict", type=click.Path(path_type=Path), metavar="FILE", help=helps["user_dict"]),
        click.option("--weighting", type=click.Choice(["tfidf", "bm25"]), help=helps["weighting"]),
        click.option("--word2vec", multiple=True, metavar="KEY=VALUE", help=helps["word2vec"]),
        click.option("--max-tokens", type=click.IntRange(min=16), metavar="N", help=helps["max_tokens"]),
        click.option("--titles/--no-titles", "titles", default=None, help=helps["titles"]),
    ]

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def gathered(*args: Any, analyzer: str | None, user_dict: Path | None, **values: Any) -> Any:
            lexical = {name: values.pop(name) for name in ("weighting", "max_tokens", "titles")}
            lexical["word2vec"] = word2vec_settings(values.pop("word2vec"))
            lexical["analyzer"] = analyzer_settings(analyzer, user_dict, change=change)
            return command(*args, lexical=lexical, **values)

        found: Callable[..., Any] = gathered
        for option in reversed(options):
            found = option(found)
        return found

    return add


def analyzer_settings(preset: str | None, user_dict: Path | None, *, change: bool = False) -> AnalyzerSettings | None:
    """The analyser's settings; None where nothing was asked for. To ``change`` one, the preset may stay open."""
    from schemas.manifest import AnalyzerSettings

    if preset is None and user_dict is None:
        return None
    named: dict[str, Any] = {} if preset is None and change else {"preset": preset or "default"}
    return AnalyzerSettings(**named, options={"user_dict": read_user_dict(user_dict)} if user_dict is not None else {})


def read_user_dict(path: Path) -> list[str]:
    """The words of a jieba user dictionary: the first column of each line; frequencies and tags are left out.

    Raises ``InputError`` for a file that is not there, not UTF-8 or without a word.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the name.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: it is not UTF-8; save it as that.") from None
    words = sorted({line.split()[0] for line in lines if line.strip()})
    if not words:
        raise InputError(f"{path}: there is no word in it; write one on each line.")
    return words


def word2vec_settings(values: Sequence[str]) -> Word2VecSettings | None:
    """Word2Vec's settings from ``KEY=VALUE``; None where none were given.

    Raises ``UsageError`` for a key that there is not, or a value that cannot be.
    """
    from pydantic import ValidationError

    from schemas.manifest import Word2VecSettings

    given: dict[str, str] = {}
    for value in values:
        key, sign, text = value.partition("=")
        if not sign or key.strip() not in Word2VecSettings.model_fields:
            known = ", ".join(Word2VecSettings.model_fields)
            raise UsageError(f"--word2vec {value!r}: write KEY=VALUE with one of {known}.")
        given[key.strip()] = text.strip()
    if not given:
        return None
    try:
        settings = Word2VecSettings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--word2vec {first['loc'][0]}={first['input']}: {first['msg']}.") from None
    least = {"dim": 1, "window": 1, "min_count": 1, "max_words": 0, "epochs": 0, "negative": 1, "remove_components": 0}
    for key, low in least.items():
        if getattr(settings, key) < low:
            raise UsageError(f"--word2vec {key}={getattr(settings, key)}: give at least {low}.")
    if not (0 <= settings.sample <= 1 and 0 < settings.learning_rate <= 1 and settings.sif_a > 0):
        raise UsageError("--word2vec: sample lies in 0 to 1, learning_rate above 0 up to 1, sif_a above 0.")
    return settings
