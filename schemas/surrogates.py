"""Halves of characters, which JSON can spell and no text can hold."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def is_torn(text: str) -> bool:
    """Whether the text holds half a character (a lone surrogate)."""
    return not text.isascii() and _SURROGATE.search(text) is not None
