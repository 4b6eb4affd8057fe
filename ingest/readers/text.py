"""Characters that no reader lets through."""

from __future__ import annotations

import re

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")


def clean(text: str) -> str:
    r"""``text`` with each control character but ``\n`` and ``\t`` as one space, so that spans stay true."""
    return _CONTROL.sub(" ", text)
