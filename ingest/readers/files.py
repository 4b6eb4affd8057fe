"""Which files a run reads: those it is given and those in folders; what is passed over there is counted."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ingest.readers.options import Format, Kind
from ingest.unreadable import GONE, unlisted, unreadable
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


LINKED = "link to a folder"
REPEATED = "same file by another name"
REJECTS = "with rejected rows"
"""What is passed over for another reason than its suffix."""

_STDIN = frozenset({"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})
_BLANK_BYTES = 1 << 16
_BLANK = b" \t\r\n\xef\xbb\xbf"


@dataclass(slots=True)
class Files:
    """The files in their order; of what is in folders, how many are passed over, by suffix, and what is not read.

    ``unread``: what cannot be looked at, a folder perhaps, with what to say of it.
    """

    paths: list[Path] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    unread: list[tuple[Path, InputError]] = field(default_factory=list)


def find_files(paths: Sequence[Path], kind: Kind | None) -> Files:
    """The files among ``paths`` and below folders, sorted there; each once, by whatever names it is reached.

    Raises:
        InputError: a path is missing or cannot be read, or a folder holds nothing readable.
    """
    found = Files()
    for path in paths:
        if stat.S_ISDIR(_named_mode(path)):
            _walk(path, kind, found)
        else:
            found.paths.append(path)
    found.paths = _each_once(found.paths, found.passed_over)
    return found


def _named_mode(path: Path) -> int:
    """What a path is that was given by name: a file or a folder."""
    not_read = f"{path}: standard input and pipes are not read; write it to a file first, and give that."
    if str(path) in _STDIN:
        raise InputError(not_read)
    try:
        mode = path.stat().st_mode
    except (*GONE, ValueError) as error:
        raise InputError(not_read if str(path) == "-" else f"{path} does not exist; check the path.") from error
    except OSError as error:
        raise unreadable(path, error) from error
    if stat.S_ISFIFO(mode):
        raise InputError(not_read)
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise InputError(f"{path} is no regular file; give a file or a folder.")
    return mode


def _walk(root: Path, kind: Kind | None, found: Files) -> None:
    """Add the files below a folder, sorted."""
    below = Files()

    def not_listed(error: OSError) -> None:
        folder = Path(error.filename)
        if folder == root:
            raise unlisted(root, error) from error
        below.unread.append((folder, unlisted(folder, error)))

    for folder, folders, names in os.walk(root, onerror=not_listed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if links := sum(_is_link(Path(folder, name)) for name in folders):
            below.passed_over[LINKED] += links
        for name in names:
            if not name.startswith("."):
                _add(Path(folder, name), kind, below)
    if not below.paths and not below.unread:
        wanted = f" as {kind}" if kind else ""
        raise InputError(f"the folder {root} holds nothing readable{wanted}; it reads {_SUFFIXES}.")
    found.paths += sorted(below.paths, key=lambda file: file.relative_to(root).parts)
    found.unread += sorted(below.unread, key=lambda one: one[0])
    found.passed_over += below.passed_over


def _is_link(folder: Path) -> bool:
    """Whether it is a link; what cannot be looked at is listed next, which fails."""
    try:
        return folder.is_symlink()
    except OSError:
        return False


def _add(file: Path, kind: Kind | None, below: Files) -> None:
    """Put a file of a folder where it belongs; an empty one too, since it may be half of a copy."""
    wanted = _is_wanted(file, kind)
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            return
    except GONE:  # a link that leads nowhere
        return
    except OSError as error:
        if wanted:
            below.unread.append((file, unreadable(file, error)))
            return
    if wanted:
        below.paths.append(file)
    else:
        below.passed_over[file.suffix.lower() or "without a suffix"] += 1


def _is_wanted(file: Path, kind: Kind | None) -> bool:
    known = FORMATS.get(file.suffix.lower())
    return known is not None and (kind is None or (kind == "novel") == (known in BOOKS))


def _each_once(paths: Sequence[Path], passed_over: Counter[str]) -> list[Path]:
    """The paths, but of several that lead to the same file one: the file's own, or else the first."""
    by_file: dict[str, list[Path]] = {}
    for path in dict.fromkeys(paths):
        by_file.setdefault(os.path.realpath(path), []).append(path)
    chosen: set[Path] = set()
    for real, same in by_file.items():
        # A path that is only spelled otherwise is no other name.
        names = {_whole(path): path for path in reversed(same)}
        chosen.add(names.get(real, same[0]))
        if others := len(names) - 1:
            passed_over[REPEATED] += others
    return [path for path in dict.fromkeys(paths) if path in chosen]


def _whole(path: Path) -> str:
    return os.path.normpath(path.absolute())


def is_blank(path: Path) -> bool:
    """Whether the file holds nothing, or next to nothing of blanks."""
    with open(path, "rb") as file:
        start = file.read(_BLANK_BYTES + 1)
    return len(start) <= _BLANK_BYTES and not start.strip(_BLANK)


def told(passed_over: Mapping[str, int], kind: Kind | None) -> list[str]:
    """One warning on what was passed over, if anything was."""
    by_suffix = {suffix: many for suffix, many in passed_over.items() if suffix not in (LINKED, REPEATED)}
    sentences = []
    if by_suffix:
        each = ", ".join(
            f"{many:,} {suffix}" for suffix, many in sorted(by_suffix.items(), key=lambda one: (-one[1], one))
        )
        wanted = f" as {kind}" if kind else ""
        sentences.append(f"Files passed over that are not read{wanted}: {each}.")
    if links := passed_over.get(LINKED):
        sentences.append(f"Links to folders that are not followed: {links:,}; give the folders to read them.")
    if repeated := passed_over.get(REPEATED):
        sentences.append(f"Names passed over of files that are read by another name: {repeated:,}.")
    return [" ".join(sentences)] if sentences else []


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


def names_of(path: Path) -> Iterator[str]:
    """What a file may be called, the best first: by its name without suffix and ever more folders, then with suffix.

    The last is its whole path, which no other file has.
    """
    whole = Path(_whole(path))
    for parts in (whole.with_suffix("").parts, whole.parts):
        yield from ("/".join(parts[-count:]) for count in range(1, len(parts)))
    yield whole.as_posix()


def stems_of(files: Sequence[Path]) -> list[str]:
    """The files' names, each another: the first of :func:`names_of` that tells a file from all others.

    For book.txt beside book.md, of which only the suffixes differ, it is that.
    """
    stems = [file.stem for file in files]
    longer: dict[int, Iterator[str]] = {}
    while True:
        counts = Counter(stems)
        before = list(stems)
        for number, stem in enumerate(before):
            if counts[stem] > 1:
                names = longer.setdefault(number, islice(names_of(files[number]), 1, None))
                stems[number] = next(names, stem)
        if stems == before:
            return stems
