"""Chapters from plain text and Markdown, streamed: one pass for the outline, one for the texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ingest.decoding import read_lines
from ingest.readers.headings import Heading
from ingest.readers.options import Source
from ingest.readers.outline import Outline, Section, outline
from ingest.readers.own_headings import HeadingPattern
from ingest.readers.text import clean
from schemas.documents import JSON, Document, Stretch
from schemas.errors import InputError

MAX_DOCUMENT_CHARS = 1 << 24
"""A chapter longer than this (16 Mi characters) goes on in another document, to bound memory."""


def novel_outline(
    path: Path, encoding: str, *, markdown: bool, heading: str | None = None, replace: bool = False
) -> Outline:
    """The outline of a text file, in one streaming pass; where no line matches ``heading``, in another without it."""
    if heading:
        found = outline(_lines(path, encoding, replace), markdown=markdown, own=HeadingPattern.of(heading))
        if found.sections:
            return found
    return outline(_lines(path, encoding, replace), markdown=markdown)


def with_heading(source: Source, heading: str | None) -> Source:
    """The source with the pattern of its headings, and what comes of it told; tables and EPUB have none."""
    if not heading or source.kind != "novel" or source.format == "epub":
        return source
    markdown = source.format == "markdown"
    encoding, replaced = source.encoding or "utf-8", source.replace
    found = novel_outline(source.path, encoding, markdown=markdown, heading=heading, replace=replaced)
    began = source.reason.split(";", 1)[0]
    how = "by --heading" if found.own is not None else f"no line matches --heading {heading!r}"
    return replace(source, heading=heading, reason=f"{began}; {describe(found)} ({how}).")


def _lines(path: Path, encoding: str, replace: bool) -> Iterator[str]:
    """The lines, which Unicode's own ends of lines and pages end as well."""
    for line in read_lines(path, encoding, replace=replace):
        yield from line.splitlines(keepends=True)


def describe(found: Outline) -> str:
    """What the outline holds, for people."""
    count = sum(1 for section in found.sections if section.heading.label)
    parts = [f"{count} chapter{'s' if count > 1 else ''}" if count else "no chapter headings, so it is one document"]
    if count and count < len(found.sections):
        parts.append("the text outside the chapters is kept too")
    if found.body_start:
        parts.append(f"front matter of {found.body_start:,} characters left out")
    if found.contents and count:
        parts.append(f"a table of contents of {found.contents} lines left out")
    if found.empty and count:
        parts.append(f"{found.empty:,} heading{'s' if found.empty > 1 else ''} without text left out")
    if found.outside_chars and count:
        parts.append(f"{found.outside_chars:,} characters outside the chapters left out")
    if found.repeated_lines:
        lines = f"{found.repeated_lines:,} line{'s' if found.repeated_lines > 1 else ''}"
        parts.append(f"{lines} that repeat as headers, footers or page numbers left out")
    return ", ".join(parts)


def read_novel(source: Source) -> Iterator[Document]:
    """The chapters of a text file in order, or one document where it has no headings.

    Raises:
        InputError: the file is another one than its outline was made of.
    """
    state = _state(source.path)
    encoding, markdown = source.encoding or "utf-8", source.format == "markdown"
    found = novel_outline(source.path, encoding, markdown=markdown, heading=source.heading, replace=source.replace)
    whole = Section(Heading("", found.title or source.stem, 1, ""), found.body_start, None, None)
    sections = found.sections or [whole]
    number = 0
    lines = _Positioned(_lines(source.path, encoding, source.replace))
    for section in sections:
        for text, stretches in _bodies(lines, section, found):
            # A chapter of a file that was written anew would be cut and called as the old one was.
            if _state(source.path) != state:
                raise InputError(f"{source.path} changed while it was read; run the command again.")
            if not text.strip():
                continue
            number += 1
            yield _document(source, found, section, number, text, stretches)


def _state(path: Path) -> tuple[int, int] | None:
    """What tells a file that is written anew from the one before."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


class _Positioned:
    """Lines with their offsets, one of which can be looked at before it is taken."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.offset = 0
        self.line = next(self._lines, None)

    def advance(self) -> None:
        if self.line is not None:
            self.offset += len(self.line)
            self.line = next(self._lines, None)


def _bodies(lines: _Positioned, section: Section, found: Outline) -> Iterator[tuple[str, tuple[Stretch, ...]]]:
    current = section.heading if found.sections else None
    while lines.line is not None and lines.offset < section.start:
        lines.advance()
    body = _Body()
    while lines.line is not None and (section.end is None or lines.offset < section.end):
        if not found.leaves_out(lines.line, current):
            for at in range(0, len(lines.line), MAX_DOCUMENT_CHARS):
                piece = lines.line[at : at + MAX_DOCUMENT_CHARS]
                if body.size and body.size + len(piece) > MAX_DOCUMENT_CHARS:
                    yield body.finish()
                    body = _Body()
                body.add(lines.offset + at, piece)
        lines.advance()
    yield body.finish()


class _Body:
    """Collects a document's text and where it stands."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[str] = []
        self._stretches: list[Stretch] = []

    def add(self, offset: int, piece: str) -> None:
        last = self._stretches[-1] if self._stretches else None
        if last is not None and last.source_start + last.length == offset:
            self._stretches[-1] = Stretch(last.text_start, last.source_start, last.length + len(piece))
        else:
            self._stretches.append(Stretch(self.size, offset, len(piece)))
        self._pieces.append(piece)
        self.size += len(piece)

    def finish(self) -> tuple[str, tuple[Stretch, ...]]:
        return clean("".join(self._pieces)), tuple(self._stretches)


def _document(
    source: Source, found: Outline, section: Section, number: int, text: str, stretches: tuple[Stretch, ...]
) -> Document:
    chapter = section.heading.label or None
    payload: dict[str, JSON] = {"book": found.title or source.stem}
    if section.part is not None:
        payload["part"] = section.part
    return Document(
        id=f"{source.stem}/{number:04d}",
        title=section.heading.title or source.stem,
        text=text,
        kind="novel",
        source=source.recorded,
        position=number - 1,
        chapter=chapter,
        stretches=stretches,
        payload=payload,
    )
