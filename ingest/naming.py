"""The prefixes of document ids: a file keeps the one that it was once given, whatever else is read beside it.

Chapters are called ``PREFIX/NNNN`` and rows without an id ``PREFIX:LINE``. The prefix is the file's name without
suffix, with as much of its folders before it as tells it from other files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile, islice
from pathlib import Path

from qdrant_client import models

from ingest.moved import places
from ingest.readers import Source
from ingest.readers.files import names_of
from ingest.unreadable import is_there
from schemas.errors import StoreError, StoreUnavailable
from stores.base import Store

_ALL_SOURCES = 1_000_000
_LOOKED_AT = 64
"""Documents of a source that are looked at for its prefix: the first tells a book's, of a table's some have own ids."""


@dataclass(frozen=True, slots=True)
class Named:
    """The sources under the prefixes that are theirs; ``heirs`` has those that took one over from a file that is gone.

    ``heirs`` maps a source to the recorded one before it: a file that was moved, or another that has its name.
    """

    sources: list[Source]
    heirs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Holder:
    """A source of the corpus: how it is recorded, where that leads now, and the prefix of its documents' ids.

    ``documents`` is how many of those that were looked at have that prefix.
    """

    source: str
    real: Path
    prefix: str
    documents: int


@dataclass(frozen=True, slots=True)
class _Place:
    """A file that was moved, or one that is gone: its path, and the prefixes that its documents may have had."""

    path: str
    parts: tuple[str, ...]
    prefixes: tuple[str, ...]


def keep_names(sources: Sequence[Source], store: Store, documents: str | None) -> Named:
    """Give the sources the prefixes under which the collection ``documents`` has them; new ones get one that is free.

    A prefix is free if no other file has it that is there still. Where several have it, it is that one's of which the
    most documents have it. The store is asked once for its sources, and once for each of them that one of these could
    be.
    """
    if documents is None:
        return Named(list(sources), {})
    real = {source.path: places(source.path)[1] for source in sources}
    holders = _holders(store, documents, {path.stem for path in real}, set(real.values()))
    here = [holder for holder in holders if is_there(holder.real)]
    known: dict[Path, str] = {}
    taken: dict[str, Path] = {}
    for holder in here:
        if taken.setdefault(holder.prefix, holder.real) == holder.real:
            known.setdefault(holder.real, holder.prefix)
    left = [holder for holder in holders if holder.prefix not in taken]
    heirs = _heirs([source for source in sources if real[source.path] not in known], left)
    gone = {holder.prefix: holder.source for holder in left}
    taken |= {prefix: real[path] for path, prefix in heirs.items()}
    named: list[Source] = []
    took: dict[str, str] = {}
    for source in sources:
        path = real[source.path]
        prefix = known.get(path) or heirs.get(source.path)
        if prefix is None:
            prefix = next(name for name in _names(source) if taken.setdefault(name, path) == path)
        if path not in known and prefix in gone:
            took[source.recorded] = gone[prefix]
        named.append(replace(source, stem=prefix))
    return Named(named, took)


def _names(source: Source) -> Iterator[str]:
    """What a new source may be called, best first; the last is its whole path, which no other file has."""
    return dropwhile(lambda name: name != source.stem, names_of(source.path))


def _heirs(new: Sequence[Source], gone: Sequence[_Holder]) -> dict[Path, str]:
    """The prefixes of files that were moved, by where they are now.

    It is the file that has most of its folders in common with one that is gone and could be called as that one, if no
    other is as near to it.
    """
    prefixes = {holder.prefix for holder in gone}
    left = [_Place(holder.source, Path(holder.source).parts, (holder.prefix,)) for holder in gone]
    moved = [
        _Place(source.recorded, Path(source.recorded).parts, tuple(prefixes.intersection(names_of(source.path))))
        for source in new
    ]
    nearest, back = _nearest(moved, left), _nearest(left, moved)
    pairs = ((source, nearest.get(place.path)) for source, place in zip(new, moved, strict=True))
    return {
        source.path: old.prefixes[0]
        for source, old in pairs
        if old is not None and back.get(old.path) is not None and back[old.path].path == source.recorded
    }


def _nearest(places: Sequence[_Place], others: Sequence[_Place]) -> dict[str, _Place]:
    """Of each of ``places`` the one that shares the most last parts of its path, if no second shares as many.

    Looked up by these parts, from the most on: comparing all with all takes minutes where thousands of files are
    called index.md.
    """
    found: dict[str, _Place] = {}
    for depth in range(max((len(other.parts) for other in others), default=0), 0, -1):
        endings: dict[tuple[str, ...], list[_Place]] = {}
        for other in others:
            for prefix in other.prefixes if len(other.parts) >= depth else ():
                same = endings.setdefault((prefix, *other.parts[-depth:]), [])
                # Two say already that there is no nearest.
                if len(same) < 2:
                    same.append(other)
        further: list[_Place] = []
        for place in places:
            keys = ((prefix, *place.parts[-depth:]) for prefix in place.prefixes)
            near = [other for key in keys for other in endings.get(key, ())]
            if len(near) == 1:
                found[place.path] = near[0]
            elif not near:
                further.append(place)
        places = further
    return found


def _holders(store: Store, documents: str, stems: set[str], real: set[Path]) -> list[_Holder]:
    """The sources that are one of these files, or could have the name of one; those of the most documents first."""
    found = []
    for recorded in _recorded(store, documents):
        at = places(recorded)[1]
        if at in real or Path(recorded).stem in stems:
            prefix = _prefix(store, documents, recorded)
            if prefix is not None:
                found.append(_Holder(recorded, at, *prefix))
    return sorted(found, key=lambda holder: (-holder.documents, holder.source))


def _recorded(store: Store, documents: str) -> list[str]:
    """Every source that is recorded, sorted."""
    try:
        return sorted(store.facet(documents, "source", limit=_ALL_SOURCES))
    except StoreUnavailable:
        raise
    except StoreError:
        # A corpus whose sources were not indexed; its next ingest that writes does so.
        return sorted({str((r.payload or {})["source"]) for r in store.scroll(documents, payload=["source"])})


def _prefix(store: Store, documents: str, source: str) -> tuple[str, int] | None:
    """The prefix that most documents of a source have, and how many; None where all have ids of their own."""
    of_it = models.Filter(must=[models.FieldCondition(key="source", match=models.MatchValue(value=source))])
    records = store.scroll(documents, query_filter=of_it, payload=["document_id", "kind"], batch_size=_LOOKED_AT)
    path = Path(source)
    found: Counter[str] = Counter()
    for record in islice(records, _LOOKED_AT):
        payload = record.payload or {}
        mark = "/" if payload["kind"] == "novel" else ":"
        prefix, _, number = str(payload["document_id"]).rpartition(mark)
        # An id of a row's own may look like one that was made, but hardly with the file's name.
        if number.isdecimal() and prefix and (mark == "/" or prefix.rpartition("/")[2] in {path.stem, path.name}):
            found[prefix] += 1
    return max(found.items(), key=lambda one: (one[1], one[0]), default=None)
