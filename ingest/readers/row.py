"""One row of a table, and what keeps a row from being one."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.decoding import broken_bytes, with_replacements
from schemas.documents import JSON, Rejected
from schemas.surrogates import is_torn

MAX_ROW_CHARS = 1 << 25
"""Rows longer than this (32 Mi characters) are set aside: they bound a run's memory."""

MAX_DEPTH = 8
"""Deepest nesting of a payload value; the embedded engine crashes on very deep ones."""

_CUT_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its physical line (1-based; for Parquet the row number) and its values by column.

    ``raw`` is its text in the file, perhaps with the line feed; None where the format has no text.
    """

    line: int
    values: dict[str, JSON]
    raw: str | None = None


def distinct(names: Sequence[str]) -> list[str]:
    """The columns' names, each once: ``text``, ``text_2``; one without a name by its number."""
    found: list[str] = []
    for number, raw in enumerate(names, 1):
        name = raw.strip() or f"column_{number}"
        unique, copy = name, 2
        while unique in found:
            unique, copy = f"{name}_{copy}", copy + 1
        found.append(unique)
    return found


def set_aside(path: Path, row: Row, reason: str, *, repeats: bool = False) -> Rejected:
    """The row with all that whoever mends it needs: its text, or a JSON object where it has none."""
    raw = json.dumps(row.values, ensure_ascii=False) if row.raw is None else row.raw
    return reject(path, row.line, reason, raw, repeats=repeats)


def reject(path: Path, line: int, reason: str, raw: str, *, repeats: bool = False, too_long: bool = False) -> Rejected:
    """The row whose text is ``raw``; of one that is ``too_long`` only the beginning."""
    text = raw[:_CUT_CHARS] if too_long else raw.removesuffix("\n")
    broken = bool(broken_bytes(text))
    text = with_replacements(text) if broken else text
    return Rejected(str(path), line, reason, text, repeats, cut=too_long, undecodable=broken)


def problem_in(value: JSON, depth: int = 0) -> str | None:
    """Why a store or tokenizer could not take the value, or None."""
    if isinstance(value, str):
        return "holds half of a surrogate pair" if is_torn(value) else None
    if isinstance(value, float) and not math.isfinite(value):
        return "holds a number that is not finite"
    if not isinstance(value, list | dict):
        return None
    if depth > MAX_DEPTH:
        return f"is nested deeper than {MAX_DEPTH} levels"
    items: list[Any] = list(value) if isinstance(value, list) else [*value, *value.values()]
    return next((problem for item in items if (problem := problem_in(item, depth + 1))), None)
