"""Names: one or several of them, and those of corpora, which must not be able to leave a folder or a collection."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from schemas.errors import UsageError

_NAME = re.compile(r"[\w][\w\-.]*\Z")
_MAX_BYTES = 120


def check_corpus_name(name: str) -> str:
    """The name, if it may be one: letters of any script, digits, ``-``, ``_`` and ``.``, up to 120 bytes.

    Raises ``UsageError`` for any other, such as one with a separator or a leading dot.
    """
    fits = _NAME.match(name) is not None and ".." not in name and not name.endswith(".")
    if not fits or len(name.encode("utf-8", "replace")) > _MAX_BYTES or unicodedata.normalize("NFC", name) != name:
        shown = name if len(name) <= 40 else name[:40] + "…"
        raise UsageError(
            f"{shown!r} cannot name a corpus: use letters, digits, '-', '_' and '.', beginning with a letter or "
            f"digit, at most {_MAX_BYTES} bytes."
        )
    return name


def several(names: str | Iterable[str]) -> list[str]:
    """The names; a string is one name, and not its letters.

    Raises ``UsageError`` for what is no list of strings: a mapping, whose values would be lost, or other things.
    """
    if isinstance(names, str):
        return [names]
    found = None if isinstance(names, Mapping) or not isinstance(names, Iterable) else list(names)
    if found is None or not all(isinstance(name, str) for name in found):
        raise UsageError(f"{names!r:.60} is no text or list of texts; write one, such as ['a', 'b'].")
    return found
