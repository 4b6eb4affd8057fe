"""Readers: files to documents, as a stream in bounded memory.

:func:`open_sources` decides what each file is, :func:`read` gives its documents.
"""

from __future__ import annotations

from collections.abc import Iterator

from ingest.readers.epub import read_epub
from ingest.readers.novel import read_novel
from ingest.readers.options import KINDS, Kind, ReadOptions, Source
from ingest.readers.sources import open_sources
from ingest.readers.tables import digest, read_table
from schemas.documents import Document, Rejected

__all__ = ["KINDS", "Kind", "ReadOptions", "Source", "open_sources", "read"]


def read(
    source: Source, options: ReadOptions | None = None, seen: set[bytes] | None = None
) -> Iterator[Document | Rejected]:
    """The documents of one source in order; a row set aside comes as ``Rejected`` with its line and reason.

    ``seen`` holds eight-byte digests of the ids met so far; hand the same set to every source of
    a run, so that an id met twice is set aside. ``options`` were settled by :func:`open_sources`.

    Raises:
        DecodeError: bytes that are no text in the source's encoding.
        InputError: the file is damaged.
    """
    seen = set() if seen is None else seen
    if source.kind != "novel":
        yield from read_table(source, seen)
        return
    for document in read_epub(source) if source.format == "epub" else read_novel(source):
        mark = digest(document.id)
        if mark in seen:
            reason = f"repeats the id {document.id!r}, which was met before"
            yield Rejected(source.path.as_posix(), None, reason, repeats=True)
            continue
        seen.add(mark)
        yield document
