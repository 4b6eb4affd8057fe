"""``--analyzer``, ``--user-dict`` and ``--word2vec`` as the settings that they mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from schemas.errors import InputError, UsageError
from schemas.manifest import AnalyzerSettings, Word2VecSettings


def analyzer_settings(preset: str | None, user_dict: Path | None) -> AnalyzerSettings | None:
    """The analyser's settings; None where nothing was asked for."""
    if preset is None and user_dict is None:
        return None
    options = {"user_dict": read_user_dict(user_dict)} if user_dict is not None else {}
    return AnalyzerSettings(preset=preset or "default", options=options)


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
