"""Which files a run reads: those it is given and those in folders; what is passed over there is counted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingest.readers.options import Format, Kind
from schemas.errors import InputError

FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".epub": "epub",
}
BOOKS: frozenset[Format] = frozenset({"text", "markdown", "epub"})
_PACKED = frozenset({".gz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tgz"})
_FOREIGN_NAMES = ".pdf .doc .docx .odt .rtf .ppt .pptx .xls .xlsx .ods .mobi .azw .azw3 .djvu"
_FOREIGN = frozenset(_FOREIGN_NAMES.split())
_SUFFIXES = ", ".join(FORMATS)


@dataclass(slots=True)
class Files:
    """The files in their order, and of those in folders that are passed over how many there are of each suffix."""

    paths: list[Path] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)


def find_files(paths: Sequence[Path], kind: Kind | None) -> Files:
    """The files among ``paths`` and below folders, sorted there; each once.

    Raises:
        InputError: a path is missing, or a folder holds nothing readable.
    """
    found = Files()
    for path in paths:
        found.paths += _below(path, kind, found.passed_over)
    found.paths = list(dict.fromkeys(found.paths))
    return found


def _below(path: Path, kind: Kind | None, passed_over: Counter[str]) -> list[Path]:
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    if not path.is_dir():
        if not path.is_file():
            raise InputError(f"{path} is no regular file; give a file or a folder.")
        return [path]
    found: list[Path] = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            file = Path(folder) / name
            if name.startswith(".") or not file.is_file() or not file.stat().st_size:
                continue
            known = FORMATS.get(file.suffix.lower())
            if known is not None and (kind is None or (kind == "novel") == (known in BOOKS)):
                found.append(file)
            else:
                passed_over[file.suffix.lower() or "without a suffix"] += 1
    if not found:
        wanted = f" as {kind}" if kind else ""
        raise InputError(f"the folder {path} holds nothing readable{wanted}; it reads {_SUFFIXES}.")
    return sorted(found, key=lambda file: file.relative_to(path).parts)


def told(passed_over: Mapping[str, int], kind: Kind | None) -> list[str]:
    """A sentence on what was passed over, if anything was."""
    if not passed_over:
        return []
    each = ", ".join(
        f"{many:,} {suffix}" for suffix, many in sorted(passed_over.items(), key=lambda one: (-one[1], one))
    )
    wanted = f" as {kind}" if kind else ""
    return [f"Files passed over that are not read{wanted}: {each}."]


def refuse_foreign(path: Path, start: bytes) -> None:
    """Refuse what is no text, table or EPUB, with what to do about it."""
    suffix = path.suffix.lower()
    if suffix in _PACKED or start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")):
        raise InputError(f"{path} is compressed; unpack it, and give the files that come out.")
    if suffix in _FOREIGN or start.startswith(b"%PDF"):
        kind = suffix.lstrip(".").upper() if suffix in _FOREIGN else "PDF"
        raise InputError(
            f"{path} is a {kind} file, which is not read; export its text (.txt, .md, .epub, .csv) and give that."
        )


def stems_of(files: Sequence[Path]) -> list[str]:
    """The files' names without suffix; where two are the same, with as much of their folders as tells them apart."""
    stems = [file.stem for file in files]
    parts = [file.absolute().with_suffix("").parts for file in files]
    for depth in range(2, max(map(len, parts), default=0) + 1):
        twice = {stem for stem, count in Counter(stems).items() if count > 1}
        if not twice:
            return stems
        stems = ["/".join(part[-depth:]) if stem in twice else stem for stem, part in zip(stems, parts, strict=True)]
    # Only the suffix is left to differ: book.txt beside book.md.
    twice = {stem for stem, count in Counter(stems).items() if count > 1}
    return [f.name if s in twice else s for s, f in zip(stems, files, strict=True)]
