"""Names of payload fields as the paths that Qdrant takes: ``city``, ``"Hotel Rating"``, ``rooms[].price``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

META = "meta"
"""A document's own fields lie under this key of its points' payload, so that they never meet ours."""

MIXED = "mixed"
"""The type of a field whose values are of several types: numbers here, text there."""

DATED = "dated"
"""The type of a field of text where some values are dates in another form than ISO's (``schemas.dates``)."""

_PLAIN = re.compile(r"[\w-]+\Z")
_DEEPEST = 16


def payload_path(name: str) -> str | None:
    """One field's name as a step of a path; None for a name with a quotation mark.

    The engines refuse every path that holds one within a name, escaped in whatever way.
    """
    if _PLAIN.match(name):
        return name
    return None if '"' in name or not name else f'"{name}"'


def payload_values(payload: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every value of a payload with its path, in nested objects and lists of objects too.

    Names that no path can say are left out, and what is nested deeper than a person would ask for.
    """
    for name, value in payload.items():
        step = payload_path(name)
        if step is None or depth > _DEEPEST:
            continue
        path = prefix + step
        if isinstance(value, Mapping):
            yield from payload_values(value, f"{path}.", depth + 1)
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            for item in value:
                if isinstance(item, Mapping):
                    yield from payload_values(item, f"{path}[].", depth + 1)
        else:
            yield path, value


def names_of(paths: Iterable[str]) -> dict[str, str]:
    """What a person may call each of ``paths``: as it is, without its quotation marks, or nested with dots alone."""
    known = list(paths)
    plain = {path: path.replace('"', "") for path in known}
    return {
        **{name.replace("[]", ""): path for path, name in plain.items()},
        **{name: path for path, name in plain.items()},
        **{path: path for path in known},
    }
