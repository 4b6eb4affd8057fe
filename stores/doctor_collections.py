"""The doctor's check of one collection: that it opens, says what it holds, and gives every point. The caller holds it.

A log that does not open is moved to ``wal.damaged``: what was flushed, which is all that was ever acknowledged, then
loads; if it does not, the log is put back. A lost description is written anew from the manifest where the engine's
own configuration agrees. A part of which points cannot be read is replaced by one with the others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from schemas.errors import StoreDamaged
from schemas.manifest import CorpusManifest, CorpusSettings
from schemas.spaces import Shelf, SpaceKind
from stores.base import PayloadIndexType
from stores.doctor_child import Reading, read_part, salvage_part
from stores.edge_description import FILE, Description
from stores.edge_parts import part_folders
from stores.files import remove, sync_folder
from stores.health import StoreHealth

_DAMAGED = ".damaged-"
"""What a part is called while the one made of its readable points takes its place."""


def check_collection(
    folder: Path, manifest: CorpusManifest | None, health: StoreHealth, *, repair: bool, timeout: float
) -> None:
    """Check the collection in ``folder``, and mend what can be mended if ``repair``."""
    remedy = _remedy(folder, manifest)
    if repair:
        _end_replacement(folder)
    parts = part_folders(folder)
    if not parts:
        health.add(folder, f"does not open (its points are gone); {remedy}")
        return
    readings = {}
    for part in parts:
        reading = read_part(part, timeout)
        if reading.points is None and repair and (without := _without_log(part, timeout)) is not None:
            where = _in_part(part, parts)
            done = f"its damaged log was moved to wal.damaged; {without.points} points load"
            health.add(folder, f"does not open ({reading.why}){where}", done)
            reading = without
        if reading.points is None:
            health.add(folder, f"does not open ({reading.why}){_in_part(part, parts)}; {remedy}")
            return
        readings[part] = reading
    described = _check_description(folder, manifest, readings[parts[0]], health, repair)
    for part, reading in readings.items():
        if not reading.whole:
            where = _in_part(part, parts)
            readings[part] = _check_unreadable(part, reading, health, where, remedy, timeout, repair and described)
    health.points[f"{folder.parent.name}.{folder.name}"] = sum(one.points or 0 for one in readings.values())


def generation_of(folder: Path) -> int | None:
    """The number of the generation that a collection's folder belongs to."""
    number = folder.name.partition(".")[0][1:]
    return int(number) if number.isdigit() else None


def shelf_of(folder: Path) -> Shelf | None:
    """The shelf that a collection's folder is, None where it is none of ours."""
    name = folder.name.partition(".")[2]
    return Shelf(name) if name in list(Shelf) else None


def _settings_of(folder: Path, manifest: CorpusManifest | None) -> CorpusSettings | None:
    """What the collection was made by, as far as the manifest knows its generation."""
    known: list[CorpusManifest | None] = [] if manifest is None else [manifest, *manifest.kept]
    rebuild = None if manifest is None else manifest.rebuild
    for one in (*known, rebuild):
        if one is not None and one.generation == generation_of(folder):
            return one
    return None


def _remedy(folder: Path, manifest: CorpusManifest | None) -> str:
    corpus, settings = folder.parent.name, _settings_of(folder, manifest)
    if manifest is None or settings is None:
        return "bring it back from a copy, or remove the corpus's folder and ingest again"
    if settings is manifest.rebuild:
        return f"give it up with: xunyi generations drop {corpus} --unfinished"
    if settings is not manifest:
        return f"give it up with: xunyi generations drop {corpus} {generation_of(folder)}"
    if shelf_of(folder) is Shelf.TERMS:
        return f"move this folder elsewhere and fit the words anew with: xunyi refit {corpus}"
    return "move this folder elsewhere and ingest the same files again, which makes it anew"


def _in_part(part: Path, parts: list[Path]) -> str:
    return "" if len(parts) == 1 else f" in {part.name}"


def _without_log(part: Path, timeout: float) -> Reading | None:
    """The part with its log set aside; None, with the log where it was, if that does not help."""
    log = part / "wal"
    # Beside the part: what is called like one would be taken for one.
    aside = part.with_name(f"wal.damaged{part.name.removeprefix('shard')}")
    if not log.is_dir():
        return None
    remove(aside)
    log.rename(aside)
    reading = read_part(part, timeout)
    if reading.points is None:
        remove(log)
        aside.rename(log)
        return None
    return reading


def _check_description(
    folder: Path, manifest: CorpusManifest | None, reading: Reading, health: StoreHealth, repair: bool
) -> bool:
    """Whether the collection says what it holds, in the end."""
    try:
        Description.read(folder)
        return True
    except StoreDamaged:
        problem = f"does not say what it holds: its {FILE} is gone or damaged"
    anew = _described(folder, manifest, reading)
    if anew is None:
        health.add(folder, f"{problem}, and no manifest knows it; {_remedy(folder, manifest)}")
    elif repair:
        anew.write(folder)
        health.add(folder, problem, "written anew from the manifest")
        return True
    else:
        health.add(folder, f"{problem}; --repair writes it anew from the manifest")
    return False


def _described(folder: Path, manifest: CorpusManifest | None, reading: Reading) -> Description | None:
    """What the description must have been; None where nothing knows it, or the engine's own configuration disagrees."""
    settings, shelf = _settings_of(folder, manifest), shelf_of(folder)
    if settings is None or shelf is None:
        return None
    spaces = {
        Shelf.PASSAGES: list(settings.spaces.values()),
        Shelf.DOCUMENTS: settings.document_spaces,
        Shelf.TERMS: settings.term_spaces,
    }[shelf]
    try:
        config = json.loads((part_folders(folder)[0] / "edge_config.json").read_text(encoding="utf-8"))
        dense = {name: one["size"] for name, one in config.get("vectors", {}).items()}
        sparse = set(config.get("sparse_vectors", {}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    wanted = {one.name: one.dim for one in spaces if one.kind is not SpaceKind.SPARSE}
    # The engine wants a space also where there is none.
    if dense != wanted or sparse - {"unused"} != {one.name for one in spaces} - wanted.keys():
        return None
    storage = settings.term_storage if shelf is Shelf.TERMS else settings.storage
    indexes = {name: cast(PayloadIndexType, kind) for name, kind in reading.indexes.items()}
    return Description({one.name: one for one in spaces}, storage, indexes)


def _check_unreadable(
    part: Path, reading: Reading, health: StoreHealth, where: str, remedy: str, timeout: float, repair: bool
) -> Reading:
    """The part as it is in the end: as it was, or with the points alone that can be read."""
    folder = part.parent
    if not reading.unreadable:
        health.add(folder, f"opens, but its points cannot be read ({reading.why}){where}; {remedy}")
        return reading
    lost = len(reading.unreadable)
    which = f"point {reading.unreadable[0]}" + (f" and {lost - 1:,} others" if lost > 1 else "")
    problem = f"{which} cannot be read ({reading.why}){where}"
    if not repair:
        health.add(folder, f"{problem}; --repair keeps all others, and what is lost can then be made anew")
        return reading
    making = part.with_name(f".making-{part.name}")
    remove(making)
    salvaged = salvage_part(part, making, timeout)
    if not salvaged.whole:
        remove(making)
        health.add(folder, f"{problem}, and the others could not be copied ({salvaged.why}); {remedy}")
        return reading
    part.rename(part.with_name(f"{_DAMAGED}{part.name}"))
    making.rename(part)
    sync_folder(folder)
    _end_replacement(folder)
    health.add(folder, problem, f"the other {salvaged.points} points were kept")
    return salvaged


def _end_replacement(folder: Path) -> None:
    """Make an end of a replacement that was cut off: the old part goes where the new one stands, else comes back."""
    for old in folder.glob(f"{_DAMAGED}*"):
        part = old.with_name(old.name.removeprefix(_DAMAGED))
        if part.is_dir():
            remove(old)
        else:
            old.rename(part)
