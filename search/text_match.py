"""``FIELD~WORDS``: which values of a field hold the words, in the forms that a search takes for the same.

The engines' text indexes cut Chinese in ways of their own, and fold neither scripts nor widths. So the
distinct values of the field are asked of the engine and matched here: both stores agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from encoders.analysis import Analyzer, make_analyzer
from schemas.errors import UsageError
from schemas.manifest import AnalyzerSettings

MOST_VALUES = 1_000_000
"""Distinct values of a field that are looked through: some seconds, of which the engine takes half."""

MOST_MATCHES = 10_000
"""Values that one condition may come to: more would tell little apart and slow every search."""


def matching_values(values: Iterable[str], words: str) -> list[str]:
    """The ``values`` that hold all of ``words``, in any order, script, width, case and inflection; sorted.

    Raises ``UsageError`` where there is no word to look for, or more than ``MOST_MATCHES`` values match.
    """
    asked = frozenset(_analyzer().features(words))
    if not asked:
        raise UsageError(f"~{words}: there is no word in it to look for.")
    find = _analyzer().finder(asked)
    found = sorted(value for value in values if len({feature for _, _, feature in find(value)}) == len(asked))
    if len(found) > MOST_MATCHES:
        raise UsageError(f"~{words}: {len(found):,} values match, more than {MOST_MATCHES:,}; ask for rarer words.")
    return found


ValuesOf = Callable[[str], Iterable[str]]
"""Gives the distinct values of a payload key."""


@cache
def _analyzer() -> Analyzer:
    return make_analyzer(AnalyzerSettings(options={"stop_words": False, "codes": False}))
