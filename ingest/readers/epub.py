"""Chapters from EPUB books: a zip of XHTML files in the order of the package's spine.

The *source text* is what :func:`epub_text` gives: the text of all spine files, one after another.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

from ingest.readers.contents import CONTENTS
from ingest.readers.decorations import visible
from ingest.readers.epub_markup import decoded
from ingest.readers.epub_page import Page, extract
from ingest.readers.headings import Heading, parse_heading, squeeze
from ingest.readers.options import Source
from ingest.readers.running_lines import ENDING
from ingest.readers.text import clean
from schemas.documents import JSON, Document, Rejected, Stretch
from schemas.errors import InputError

MAX_MEMBER_BYTES = 1 << 26
MAX_TOTAL_BYTES = 1 << 30
MAX_MEMBERS = 20_000
"""Bounds against zip bombs: 64 MiB a file, 1 GiB of text a book, 20,000 files."""

_MAX_RATIO = 500
_MAX_ENTRY_CHARS, _MAX_PROSE = 100, 0.2
"""A table of contents has no longer lines and no sentences, but for a note or two."""
_MIN_PAGES, _OTHER_PAGES = 3, 0.8
"""A table of contents whose entries read like sentences leads to so many pages, and so many of its links to another."""
_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")


@dataclass(slots=True)
class Book:
    """An opened EPUB: its title, its spine's files in order and their titles in the navigation."""

    path: Path
    title: str
    spine: list[str]
    titles: dict[str, str] = field(default_factory=dict)
    navigation: str | None = None


def open_book(path: Path) -> Book:
    """The book's title, spine and navigation.

    Raises:
        InputError: the file is no EPUB, is damaged, or is larger inside than any book.
    """
    with _archive(path) as archive:
        try:
            container = _xml(path, archive, "META-INF/container.xml")
            root = next((e.get("full-path") for e in container.iter() if _local(e.tag) == "rootfile"), None)
            if not root:
                raise InputError(f"{path} is no complete EPUB: its container names no package; make the file anew.")
            return _package(path, archive, root)
        except ElementTree.ParseError as error:
            raise InputError(f"{path} is a damaged EPUB ({error}); make the file anew.") from error


def epub_text(path: Path) -> str:
    """The whole source text, which the spans of passages count in."""
    return clean("".join(page.text for _, page in _pages(open_book(path)) if isinstance(page, Page)))


def read_epub(source: Source) -> Iterator[Document | Rejected]:
    """The chapters in the spine's order; pages without text and tables of contents are left out.

    A page that is missing or damaged is set aside. The number of its chapter, as which it counts, stays free for it,
    so that those after it are called as they are in the whole book.

    Raises:
        InputError: the book is damaged as a whole.
    """
    book = open_book(source.path)
    offset, number = 0, 0
    part: str | None = None
    for name, page in _pages(book):
        if isinstance(page, InputError):
            number += 1
            yield Rejected(str(source.path), None, str(page).removeprefix(str(source.path)).lstrip(",: "))
            continue
        start_of_page, offset = offset, offset + len(page.text)
        if _lists_contents(page):
            continue
        for heading, start, end, level in _chapters(book, name, page):
            body = clean(page.text[start:end])
            if not body.strip():
                if heading is not None and name != book.navigation and _names_part(book, heading, level):
                    part = heading.label if heading.title == heading.label else f"{heading.label} {heading.title}"
                continue
            if heading is None and (not page.headings and len(body.strip()) < 2):
                continue
            number += 1
            payload: dict[str, JSON] = {"book": book.title or source.stem}
            within = (heading.part or part) if heading is not None and heading.label != "" else None
            if within is not None:
                payload["part"] = within
            yield Document(
                id=f"{source.stem}/{number:04d}",
                title=heading.title if heading is not None else book.title or source.stem,
                text=body,
                kind="novel",
                source=source.recorded,
                position=number - 1,
                chapter=heading.label if heading is not None else None,
                stretches=(Stretch(0, start_of_page + start, end - start),),
                payload=payload,
            )


def _chapters(book: Book, name: str, page: Page) -> Iterator[tuple[Heading | None, int, int, int]]:
    """The chapters of one spine file, as ``(heading, start, end, level)`` of their bodies."""
    nav = book.titles.get(name)
    if not page.headings:
        first = re.match(r"\s*(\S[^\n]*)\n", page.text)
        # Many books set their headings as plain paragraphs.
        if first and len(first[1]) <= 80 and (squeeze(first[1]) == squeeze(nav or "") or _labelled(first[1])):
            yield _heading(first[1]), first.end(), len(page.text), 0
        else:
            yield (_heading(nav) if nav else None), 0, len(page.text), 0
        return
    first_start = page.headings[0][0]
    if page.text[:first_start].strip():
        yield None, 0, first_start, 0
    for at, (start, end, level) in enumerate(page.headings):
        stop = page.headings[at + 1][0] if at + 1 < len(page.headings) else len(page.text)
        text = " ".join(page.text[start:end].split())
        yield _heading(text), end, stop, level


def _labelled(text: str) -> bool:
    heading = parse_heading(visible(text).strip())
    return heading is not None and not heading.glued


def _heading(text: str) -> Heading:
    text = visible(text).strip()
    return parse_heading(text) or Heading(text, text, 1, "#")


def _names_part(book: Book, heading: Heading, level: int) -> bool:
    """Whether a heading without text of its own names the part that the chapters after it are in."""
    return (heading.rank == 0 or level == 1) and heading.title != book.title and not CONTENTS.fullmatch(heading.title)


def _lists_contents(page: Page) -> bool:
    """Whether a page is a table of contents: mostly links, and called so, to ever other pages, or no sentences."""
    visible = len("".join(page.text.split()))
    if not page.link_chars or page.link_chars < 0.6 * visible:
        return False
    lines = [line.strip() for line in page.text.split("\n") if line.strip()]
    if CONTENTS.fullmatch(lines[0]) or _leads_on(page.links):
        return True
    prose = sum(len(line) > _MAX_ENTRY_CHARS or ENDING.search(line[-4:]) is not None for line in lines)
    return prose <= _MAX_PROSE * len(lines)


def _leads_on(links: list[str]) -> bool:
    """Whether nearly each link leads to another page of the book: titles may be long, and end as sentences do."""
    pages = {link.partition("#")[0] for link in links if ":" not in link}
    return len(pages) >= max(_MIN_PAGES, _OTHER_PAGES * len(links))


def _pages(book: Book) -> Iterator[tuple[str, Page | InputError]]:
    """The pages of the spine, or why one cannot be read; one that makes the book too long is the last."""
    total = 0
    with _archive(book.path) as archive:
        for name in book.spine:
            try:
                data = _read(book.path, archive, name)
                total += len(data)
                if total > MAX_TOTAL_BYTES:
                    yield name, InputError(f"unpacks to more than {MAX_TOTAL_BYTES >> 30} GiB; no book is so long.")
                    return
                page = extract(decoded(book.path, name, data), navigation=name == book.navigation)
            except InputError as error:
                yield name, error
                continue
            yield name, page


# -- the package ----------------------------------------------------------------------------------
def _package(path: Path, archive: zipfile.ZipFile, root: str) -> Book:
    package = _xml(path, archive, root)
    folder = posixpath.dirname(root)
    items: dict[str, tuple[str, str, str]] = {}
    spine: list[str] = []
    title = ""
    for element in package.iter():
        tag = _local(element.tag)
        if tag == "item":
            href = _join(folder, element.get("href", ""))
            items[element.get("id", "")] = (href, element.get("media-type", ""), element.get("properties", ""))
        elif tag == "itemref":
            # What is not linear is text beside the story, as notes and answers are: it is read in its place.
            spine.append(element.get("idref", ""))
        elif tag == "title" and not title:
            title = " ".join((element.text or "").split())
    names = [items[item][0] for item in spine if item in items and "html" in items[item][1]]
    if not names:
        raise InputError(f"{path} is no complete EPUB: its spine names no text; make the file anew.")
    book = Book(path, title, names)
    present = set(archive.namelist())
    for href, media, properties in items.values():
        if href in present and ("nav" in properties.split() or media == "application/x-dtbncx+xml"):
            if "nav" in properties.split():
                book.navigation = href
            for name, label in _navigation(path, archive, href):
                book.titles.setdefault(name, label)
    return book


def _navigation(path: Path, archive: zipfile.ZipFile, href: str) -> Iterator[tuple[str, str]]:
    """Files and their titles, from an EPUB 3 navigation page or an EPUB 2 NCX."""
    markup = decoded(path, href, _read(path, archive, href))
    folder = posixpath.dirname(href)
    if href.endswith(".ncx") or "<ncx" in markup[:2000]:
        pattern = re.compile(r"<text>\s*(.*?)\s*</text>.*?<content[^>]*\bsrc=[\"']([^\"']+)", re.DOTALL)
        found = [(match[2], match[1]) for match in pattern.finditer(markup)]
    else:
        pattern = re.compile(r"<a\b[^>]*\bhref=[\"']([^\"']+)[\"'][^>]*>(.*?)</a>", re.DOTALL)
        found = [(match[1], match[2]) for match in pattern.finditer(markup)]
    for target, label in found:
        text = " ".join(extract(label).text.split())
        if text:
            yield _join(folder, target), text


def _join(folder: str, href: str) -> str:
    return posixpath.normpath(posixpath.join(folder, unquote(href.split("#", 1)[0])))


def _local(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]


def _xml(path: Path, archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    text = decoded(path, name, _read(path, archive, name))
    if "<!ENTITY" in text:
        raise InputError(f"{path}, {name}: it declares entities of its own, which is not accepted.")
    # The parser knows few encodings: it gets text, and so no declaration of one.
    return ElementTree.fromstring(_DECLARATION.sub("", text, count=1))


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise InputError(f"{path} is no EPUB or a damaged one ({error}); make the file anew.") from error
    if len(archive.infolist()) > MAX_MEMBERS:
        archive.close()
        raise InputError(f"{path} holds more than {MAX_MEMBERS:,} files; no book does.")
    return archive


def _read(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        info = archive.getinfo(name)
        ratio = info.file_size / max(1, info.compress_size)
        if info.file_size > MAX_MEMBER_BYTES or (ratio > _MAX_RATIO and info.file_size > 1 << 20):
            raise InputError(f"{path}, {name}: it unpacks to {info.file_size:,} bytes, more than any chapter.")
        with archive.open(info) as file:
            return file.read(MAX_MEMBER_BYTES)
    except KeyError as error:
        raise InputError(f"{path}, {name}: it is missing, the EPUB is damaged; make the file anew.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path}, {name}: the EPUB is damaged or protected ({error}); make the file anew.") from error
