"""What a sample of bytes says of its encoding, be a few of them no text."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

from ingest.plausibility import plausibility

FAMILIES = (("utf-16-le",), ("utf-16-be",), ("gb18030",), ("big5", "cp950", "big5hkscs"), ("cp1252", "latin-1"))
"""Candidates by family, narrow before wide: the first of a family that decodes the whole file is taken."""

ESCAPE = "xunyi.escape"
"""The handler of errors under which bytes that are no text come as ``ESCAPED``."""

ESCAPED = re.compile("[\udc00-\udcff]")


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Lone surrogates for the bytes, of whatever encoding; Python's own does it for those beyond ASCII alone."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 | byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(ESCAPE, _escape)


def may_be_broken(broken: int, whole: int, telling: int) -> bool:
    """Whether a table in UTF-8 may have so many rows that are not, beside ``whole`` ones, ``telling`` beyond ASCII.

    More than these few would be a file in another encoding, of which every row beyond ASCII is broken.
    """
    return broken <= whole and broken <= max(3, telling // 10)


def decode(data: bytes, encoding: str, complete: bool, errors: str = "strict") -> str | None:
    """The text of bytes that may be cut within a character unless ``complete``; None where they are none."""
    try:
        return codecs.getincrementaldecoder(encoding)(errors).decode(data, final=complete)
    except UnicodeDecodeError:
        return None


def nearly_utf8(sample: bytes) -> bool:
    """Whether the sample is UTF-8 but for a few bytes."""
    text = sample.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = sum(1 for char in text if char > "\x7f") - bad
    return b"\0" not in sample and good >= 3 and 0 < bad <= max(3, good // 10) and good > bad


def nearly_chinese(sample: bytes, complete: bool) -> str | None:
    """The Chinese encoding that the sample would be in but for a few bytes, if there is one."""
    found: list[tuple[float, str]] = []
    for family in FAMILIES[2:4]:
        texts = [(name, decode(sample, name, complete, ESCAPE) or "") for name in family]
        name, text = min(texts, key=lambda one: len(ESCAPED.findall(one[1])))
        bad = len(ESCAPED.findall(text))
        text = ESCAPED.sub("", text)
        good = sum(1 for char in text if char > "\x7f")
        if good >= 3 and good > bad and bad <= max(3, good // 50):
            found.append((plausibility(text, name), name))
    score, name = max(found, default=(-1.0, ""))
    return name if score > 0.3 else None


def few_broken_lines(sample: bytes) -> bool:
    """Whether the sample may be a table in UTF-8 with rows that are not."""
    lines = [line for line in sample.splitlines() if line.strip()]
    broken = sum(decode(line, "utf-8", True) is None for line in lines)
    return may_be_broken(broken, len(lines) - broken, sum(not line.isascii() for line in lines) - broken)


def fit(family: Sequence[str], sample: bytes, complete: bool, has_nul: bool) -> tuple[float, Sequence[str]] | None:
    """How plausible the family's first member that decodes the sample is, with the members from it on."""
    wide = family[0].startswith("utf-16")
    if has_nul and not wide:
        return None
    for at, name in enumerate(family):
        text = decode(sample, name, complete)
        if text is not None:
            score = plausibility(text, name)
            if wide:
                # Any even run of bytes is some UTF-16: without a mark it must be clearly better.
                score = -1.0 if score < 0.6 else score if has_nul else score - 0.3
            return score, family[at:]
    return None
