"""The parts of an embedded collection: which there are, which are open, and which of them a point belongs to.

Layout, below a collection's folder::

    shard/, shard-2/, shard-3/    the parts, each a shard of the engine
    shard.ids.npy                 the ids of a part that is full (``PartIds``); the last part may have none

The engine keeps some hundred bytes of memory for every point of an open shard, more where vectors
are quantized or have a graph. New points go into the last part; one that is full is closed soon after,
and opened again when something is asked of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schemas.errors import StoreDamaged, StoreError
from schemas.spaces import Space
from schemas.storage import StorageSettings
from stores.base import PayloadIndexType
from stores.edge_part import EdgePart
from stores.files import remove, sync_folder
from stores.joining import Joining
from stores.memory import give_back
from stores.part_ids import PartIds, keys_of

PART_POINTS = 100_000
"""Points of a part that is full: some 12 MB of memory with sparse vectors alone, 60 MB and more with dense ones. One of
384 dimensions is a single segment then, as in larger parts each of theirs is, so that a question takes as long; and it
is searched without threads of the engine, so that batches are shared out (``scripts/bench_search.py``)."""

IDLE = 64
"""A full part that was opened is closed again when so many accesses by id in a row went to others. Those of an ingest
go from part to part, as its documents were written; a search asks all parts, which keeps them open."""

LINGER = 8
"""Accesses by id for which a part that has just become full stays open all the same: its last document may go on in the
next batch, and to open a part is to read all its files."""

_IDS_PAGE = 10_000
_FOLDER = re.compile(r"shard(-[0-9]+)?")


@dataclass(slots=True)
class _Place:
    """One part.

    ``ids`` where it is full, ``joining`` while another process has it, ``joined`` where nothing was written since its
    segments were; ``points`` where they are known without opening it, and when it was ``used``.
    """

    folder: Path
    ids: PartIds | None = None
    part: EdgePart | None = None
    joining: Joining | None = None
    joined: bool = False
    points: int | None = None
    used: int = 0


class Parts:
    """A collection's parts, at least one; opened when they are first needed."""

    def __init__(
        self,
        name: str,
        folder: Path,
        spaces: Mapping[str, Space],
        storage: StorageSettings,
        indexes: Mapping[str, PayloadIndexType],
        most: int,
    ) -> None:
        """``indexes``, which may grow, are made in every new part; a part is full with ``most`` points."""
        self._name = name
        self._folder = folder
        self._spaces = spaces
        self._storage = storage
        self._indexes = indexes
        self._most = most
        self._may_open = True
        self._accesses = 0
        self._places = [_Place(path) for path in part_folders(folder)]
        if not self._places:
            raise StoreDamaged(f"{folder} cannot be opened: its points are gone; see what mends it with: xunyi doctor.")
        for place in self._places[:-1]:
            place.ids = self._ids_of(place)
        last = self._places[-1]
        if _ids_file(last.folder).exists():
            last.ids = self._ids_of(last)
        self._grown: int | None = None

    def __len__(self) -> int:
        return len(self._places)

    @staticmethod
    def create(name: str, folder: Path, spaces: Mapping[str, Space], storage: StorageSettings) -> None:
        """Make the first part, empty."""
        EdgePart.create(name, folder / "shard", spaces, storage)

    def close(self) -> None:
        """Flush and let go of all files."""
        for place in self._places:
            place.ids = None
            if place.joining is not None:
                # What is left undone is done with the next ingest.
                place.joining.stop()
                place.joining = None
            if place.part is not None:
                place.part.close()
                place.part = None

    # -- forks -----------------------------------------------------------------------------
    def threaded(self) -> bool:
        """Whether the engine searches any open part in threads of its own."""
        return any(place.part is not None and place.part.threaded for place in self._places)

    def forked(self) -> None:
        """From now on open no part: the process this one was forked from may do so."""
        self._may_open = False

    # -- which -----------------------------------------------------------------------------
    def all(self) -> list[EdgePart]:
        """Every part, open, and staying so."""
        return [self._opened(place) for place in self._places]

    def visited(self) -> Iterator[EdgePart]:
        """Every part in turn; those that were closed are closed again."""
        for place in self._places:
            with self._visit(place) as part:
                yield part

    def of(self, ids: Sequence[str]) -> list[tuple[EdgePart, Sequence[int]]]:
        """The parts that these points belong to, and for each the rows of its own; new ones belong to the last."""
        if len(self._places) == 1 and self._places[0].ids is None:
            return [(self._opened(self._places[0]), range(len(ids)))]
        self._let_go()
        keys = keys_of(ids)
        left = np.arange(len(ids))
        found: list[tuple[EdgePart, Sequence[int]]] = []
        for place in self._places:
            if place.ids is None:
                continue
            inside = place.ids.among(keys[left])
            if inside.any():
                found.append((self._opened(place), left[inside].tolist()))
                left = left[~inside]
        if len(left) and self._places[-1].ids is None:
            found.append((self._opened(self._places[-1]), left.tolist()))
        return found

    def count(self) -> int:
        """How many points there are in all."""
        total = 0
        for place in self._places:
            if place.part is None and place.points is not None:
                total += place.points
            else:
                with self._visit(place) as part:
                    total += part.count()
        return total

    # -- growth ----------------------------------------------------------------------------
    def ready(self) -> None:
        """See to it that the last part takes new points: call it before writing any."""
        if self._places[-1].ids is not None:
            self._places.append(self._another())
            self._grown = None

    def wrote(self, points: int) -> None:
        """So many points were written, new ones or not: a part that is full with them takes no others."""
        last = self._places[-1]
        if last.part is None:
            return
        self._grown = last.part.count() if self._grown is None else self._grown + points
        if self._grown >= self._most:
            self._grown = last.part.count()
            if self._grown >= self._most:
                self._fill(last, last.part)

    def _fill(self, place: _Place, part: EdgePart) -> None:
        place.ids = self._list_ids(place, part)
        place.used = self._accesses + LINGER - IDLE
        give_back(self._folder)

    def _another(self) -> _Place:
        """A new part, under its own name only when it is whole."""
        folder = self._folder / f"shard-{_number(self._places[-1].folder) + 1}"
        making = folder.with_name(f".making-{folder.name}")
        remove(making)
        EdgePart.create(self._name, making, self._spaces, self._storage)
        part = EdgePart(self._name, making, self._spaces, self._storage)
        try:
            for field, kind in self._indexes.items():
                part.create_payload_index(field, kind)
        finally:
            part.close()
        making.rename(folder)
        sync_folder(self._folder)
        return _Place(folder)

    def optimize(self) -> None:
        """Join the segments of every part that was written to."""
        for place in self._places:
            _finish(place)
            if not place.joined or (place.part is not None and place.part.changed):
                with self._visit(place) as part:
                    part.optimize()
                place.joined = True

    # -- inside ----------------------------------------------------------------------------
    def _opened(self, place: _Place) -> EdgePart:
        if place.part is None:
            if not self._may_open:
                raise StoreError(f"{place.folder} was not open when this process was forked.")
            _finish(place)
            place.part = EdgePart(self._name, place.folder, self._spaces, self._storage)
            place.points = None
        place.used = self._accesses
        return place.part

    def _let_go(self) -> None:
        """Count an access by id, and close full parts that none has gone to for long; those just filled are joined."""
        self._accesses += 1
        if not self._may_open:
            return
        for place in self._places:
            part = place.part
            if part is not None and place.ids is not None and self._accesses - place.used > IDLE:
                unjoined = part.changed and not place.joined
                apart = unjoined and part.joins_apart
                if unjoined and not apart:
                    part.optimize_here()
                    place.joined = True
                self._shut(place, part)
                give_back(self._folder)
                if apart:
                    self._join(place, part)

    def _join(self, place: _Place, part: EdgePart) -> None:
        # No more than one behind: they would be as many as are written before the first is done.
        for other in self._places:
            _finish(other)
        place.joining = part.join_apart()

    @contextmanager
    def _visit(self, place: _Place) -> Iterator[EdgePart]:
        """The part; it stays open where it was, and where it is the only one."""
        closing = place.part is None and len(self._places) > 1
        part = self._opened(place)
        try:
            yield part
        finally:
            if closing:
                self._shut(place, part)

    @staticmethod
    def _shut(place: _Place, part: EdgePart) -> None:
        """Close the part of a place, of which is then known how many points it has."""
        place.points = part.count()
        place.part = None
        place.joined = place.joined and not part.changed
        part.close()

    def _ids_of(self, place: _Place) -> PartIds:
        """The ids of a full part; listed anew where a copy of the folder came without them."""
        try:
            return PartIds(_ids_file(place.folder))
        except (OSError, ValueError, EOFError):
            with self._visit(place) as part:
                return self._list_ids(place, part)

    def _list_ids(self, place: _Place, part: EdgePart) -> PartIds:
        def pages() -> Iterator[list[str]]:
            page, after = part.scroll(None, _IDS_PAGE, None, False, False)
            yield [str(record.id) for record in page]
            while after is not None:
                page, after = part.scroll(after, _IDS_PAGE, None, False, False)
                yield [str(record.id) for record in page]

        PartIds.write(_ids_file(place.folder), pages())
        return PartIds(_ids_file(place.folder))


def _finish(place: _Place) -> None:
    joining, place.joining = place.joining, None
    if joining is not None:
        joining.finish()
        place.joined = True


def part_folders(folder: Path) -> list[Path]:
    """The folders of a collection's parts, in their order; one that never was a part holds nothing."""
    named = (path for path in folder.iterdir() if _FOLDER.fullmatch(path.name) and path.is_dir())
    return sorted((path for path in named if any(path.iterdir()) or _ids_file(path).exists()), key=_number)


def _number(part: Path) -> int:
    return int(part.name.partition("-")[2] or 1)


def _ids_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.ids.npy")
