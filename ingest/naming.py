"""The prefixes of document ids: a file keeps the one that it was once given, whatever else is read beside it.

Chapters are called ``PREFIX/NNNN`` and rows without an id ``PREFIX:LINE``. The prefix is the file's name without
suffix, with as much of its folders before it as tells it from other files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from qdrant_client import models

from ingest.moved import places
from ingest.readers import Source
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
    """A source of the corpus: how it is recorded, where that leads now, and the prefix of its documents' ids."""

    source: str
    real: Path
    prefix: str


def keep_names(sources: Sequence[Source], store: Store, documents: str | None) -> Named:
    """Give the sources the prefixes under which the collection ``documents`` has them; new ones get one that is free.

    A prefix is free if no other file has it that is there still. The store is asked once for its sources, and once for
    each of them that one of these could be.
    """
    if documents is None:
        return Named(list(sources), {})
    real = {source.path: places(source.path)[1] for source in sources}
    holders = _holders(store, documents, {path.stem for path in real}, set(real.values()))
    known = {holder.real: holder.prefix for holder in holders}
    taken = {holder.prefix: holder.real for holder in holders if holder.real.exists()}
    new = [source for source in sources if real[source.path] not in known]
    heirs = _heirs(new, [holder for holder in holders if holder.prefix not in taken and not holder.real.exists()])
    gone = {holder.prefix: holder.source for holder in holders if holder.prefix not in taken}
    taken |= {prefix: real[path] for path, prefix in heirs.items()}
    named: list[Source] = []
    took: dict[str, str] = {}
    for source in sources:
        path = real[source.path]
        prefix = known.get(path) or heirs.get(source.path)
        if prefix is None:
            prefix = next(name for name in _names(source) if taken.setdefault(name, path) == path)
        taken[prefix] = path
        if path not in known and prefix in gone:
            took[source.recorded] = gone[prefix]
        named.append(replace(source, stem=prefix))
    return Named(named, took)


def _names(source: Source) -> Iterator[str]:
    """What a new source may be called, best first; the last is its whole path, which no other file has."""
    yield source.stem
    parts = source.path.absolute().with_suffix("").parts
    for depth in range(1 + source.stem.count("/") + 1, len(parts)):
        yield "/".join(parts[-depth:])
    yield source.path.absolute().as_posix()


def _heirs(new: Sequence[Source], gone: Sequence[_Holder]) -> dict[Path, str]:
    """The prefixes of files that were moved, by where they are now.

    It is the file that has most of its folders in common with one that is gone and could be called as that one, if no
    other is as near to it.
    """
    by_stem: dict[str, list[_Holder]] = {}
    for holder in gone:
        by_stem.setdefault(Path(holder.source).stem, []).append(holder)
    near: list[tuple[int, Source, _Holder]] = []
    for source in new:
        parts = source.path.absolute().parts
        names = source.path.absolute().with_suffix("").parts
        for holder in by_stem.get(source.path.stem, ()):
            prefix = tuple(holder.prefix.split("/"))
            common = _common(parts, Path(holder.source).parts)
            if common and prefix in (names[-len(prefix) :], (source.path.name,)):
                near.append((common, source, holder))
    shares = Counter((common, end) for common, source, holder in near for end in (source.path, holder.source))
    most: dict[Path | str, int] = {}
    for common, source, holder in near:
        for end in (source.path, holder.source):
            most[end] = max(common, most.get(end, 0))
    return {
        source.path: holder.prefix
        for common, source, holder in near
        if all(most[end] == common and shares[common, end] == 1 for end in (source.path, holder.source))
    }


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many last parts two paths share."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return next((count for count, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _holders(store: Store, documents: str, stems: set[str], real: set[Path]) -> list[_Holder]:
    """The corpus's sources that are one of these files, or could have the name of one."""
    found = []
    for recorded in _recorded(store, documents):
        at = places(recorded)[1]
        if at in real or Path(recorded).stem in stems:
            prefix = _prefix(store, documents, recorded)
            if prefix is not None:
                found.append(_Holder(recorded, at, prefix))
    return found


def _recorded(store: Store, documents: str) -> list[str]:
    """Every source that is recorded, sorted."""
    try:
        return sorted(store.facet(documents, "source", limit=_ALL_SOURCES))
    except StoreUnavailable:
        raise
    except StoreError:
        # A corpus whose sources were not indexed; its next ingest that writes does so.
        return sorted({str((r.payload or {})["source"]) for r in store.scroll(documents, payload=["source"])})


def _prefix(store: Store, documents: str, source: str) -> str | None:
    """The prefix of a source's documents; None where all have ids of their own."""
    of_it = models.Filter(must=[models.FieldCondition(key="source", match=models.MatchValue(value=source))])
    records = store.scroll(documents, query_filter=of_it, payload=["document_id", "kind"], batch_size=_LOOKED_AT)
    path = Path(source)
    for record in islice(records, _LOOKED_AT):
        payload = record.payload or {}
        mark = "/" if payload["kind"] == "novel" else ":"
        prefix, _, number = str(payload["document_id"]).rpartition(mark)
        # An id of a row's own may look like one that was made, but hardly with the file's name.
        if number.isdecimal() and prefix and (mark == "/" or prefix.rpartition("/")[2] in {path.stem, path.name}):
            return prefix
    return None
