"""Opens, reads and salvages a part of a collection in a process of its own, since some damage aborts the engine's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PAGE = 32
"""Points read together: token vectors of so many take some hundred megabytes as Python's numbers."""

SETTLED = 20_000
"""Salvaged points after which the new part's segments are made unchangeable, so that memory stays bounded."""


@dataclass(slots=True)
class Reading:
    """What a part told. ``points`` is None where it does not open, ``read`` where reading ended the process.

    ``unreadable`` are the points that it has and cannot give, ``why`` the engine's words, ``indexes`` its payload
    indexes.
    """

    points: int | None = None
    read: int | None = None
    unreadable: list[str] = field(default_factory=list)
    indexes: dict[str, str] = field(default_factory=dict)
    why: str = ""

    @property
    def whole(self) -> bool:
        """Whether the part opens and every point could be read."""
        return self.points is not None and self.read is not None and not self.unreadable


def read_part(part: Path, timeout: float) -> Reading:
    """Open a part, count its points and read each of them once, with payload and vectors."""
    return _in_child(["read", str(part.resolve())], timeout)


def salvage_part(part: Path, target: Path, timeout: float) -> Reading:
    """Make a new part at ``target`` of those points of ``part`` that can be read."""
    return _in_child(["salvage", str(part.resolve()), str(target.resolve())], timeout)


def _in_child(arguments: list[str], timeout: float) -> Reading:
    command = [sys.executable, "-m", "stores.doctor_child", *arguments]
    found = Reading()
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=timeout, check=False, cwd=Path(__file__).parent.parent
        )
        output, said = done.stdout, done.stderr.decode("utf-8", "replace").strip().splitlines()
        found.why = said[-1][:200] if said else f"the engine ended with {done.returncode}"
    except subprocess.TimeoutExpired as late:
        output, found.why = late.stdout or b"", f"it took more than {timeout:.0f} seconds"
    for line in output.splitlines():
        try:
            for name, value in json.loads(line).items():
                setattr(found, name, value)
        except (ValueError, AttributeError):
            break
    return found


# -- in the child ----------------------------------------------------------------------------------


def _tell(**found: Any) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    # Some damage ends the process: what was found before is out by then.
    sys.stdout.flush()


def _open(part: str) -> Any:
    import qdrant_edge as edge

    shard = edge.EdgeShard.load(part)
    kinds = {field: str(one.data_type).rpartition(".")[2].lower() for field, one in shard.info().payload_schema.items()}
    _tell(points=shard.count(edge.CountRequest(exact=True)), indexes=kinds)
    return shard


def _pages(shard: Any) -> Iterator[tuple[list[Any], list[str], str]]:
    """The points that can be read, page by page, the ids of those that cannot, and the engine's words on them."""
    import qdrant_edge as edge

    after = None
    while True:
        request = edge.ScrollRequest(offset=after, limit=PAGE, with_payload=True, with_vector=True)
        try:
            found, following = shard.scroll(request)
            yield found, [], ""
        except Exception:
            names, following = shard.scroll(
                edge.ScrollRequest(offset=after, limit=PAGE, with_payload=False, with_vector=False)
            )
            found, lost, why = [], [], ""
            for name in names:
                try:
                    found += shard.retrieve([name.id], True, True)
                except Exception as error:
                    lost.append(str(name.id))
                    why = " ".join(str(error).split())[:200]
            yield found, lost, why
        if following is None:
            return
        after = following


def _read(part: str) -> None:
    shard = _open(part)
    read, unreadable, words = 0, [], ""
    for found, lost, why in _pages(shard):
        read += len(found)
        unreadable += lost
        words = words or why
    _tell(read=read, unreadable=unreadable, why=words)
    shard.close()


def _salvage(part: str, target: str) -> None:
    import qdrant_edge as edge

    from stores.edge_description import Description
    from stores.edge_part import EdgePart

    described = Description.read(Path(part).parent)
    shard = _open(part)
    EdgePart.create("salvaged", Path(target), described.spaces, described.storage)
    made = EdgePart("salvaged", Path(target), described.spaces, described.storage)
    for name, kind in described.indexes.items():
        made.create_payload_index(name, kind)
    read = 0
    for found, _, _ in _pages(shard):
        if found:
            points = [edge.Point(one.id, one.vector, one.payload) for one in found]
            made.update(edge.UpdateOperation.upsert_points(points))
        if (read + len(found)) // SETTLED > read // SETTLED:
            made.optimize()
        read += len(found)
    made.optimize()
    made.close()
    shard.close()
    _tell(points=read, read=read)


if __name__ == "__main__":
    _read(sys.argv[2]) if sys.argv[1] == "read" else _salvage(sys.argv[2], sys.argv[3])
