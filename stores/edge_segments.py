"""What the files of a part tell of its segments, also while it is closed or in another process's hands."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from glob import escape
from pathlib import Path

from schemas.spaces import Space, SpaceKind


def segments(part: Path) -> int:
    """How many there are, the one that is written to among them."""
    return sum(1 for _ in (part / "segments").glob("*-*"))


def graph_edges(part: Path, spaces: Iterable[Space]) -> set[int]:
    """Edges a node (m) of the graphs of dense spaces in a part's unchangeable segments; 0 where a segment has none."""
    found = set()
    for space in spaces:
        if space.kind is SpaceKind.DENSE:
            for path in part.glob(f"segments/*/vector_index-{escape(space.name)}/hnsw_config.json"):
                with suppress(OSError, ValueError, KeyError):
                    found.add(int(json.loads(path.read_text(encoding="utf-8"))["m"]))
    return found
