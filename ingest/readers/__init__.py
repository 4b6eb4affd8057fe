"""Readers: files to documents, as a stream in bounded memory.

:func:`open_sources` decides what each file is, :func:`read` gives its documents.
"""

from __future__ import annotations

from collections.abc import Iterator

from ingest.readers.epub import read_epub
from ingest.readers.files import told
from ingest.readers.met_ids import MetIds
from ingest.readers.novel import read_novel, with_heading
from ingest.readers.options import KINDS, EncodingErrors, Kind, ReadOptions, Source
from ingest.readers.sources import Found, find_sources, open_sources
from ingest.readers.tables import read_table
from schemas.documents import Document, Rejected

__all__ = [
    "KINDS",
    "EncodingErrors",
    "Found",
    "Kind",
    "MetIds",
    "ReadOptions",
    "Source",
    "find_sources",
    "open_sources",
    "read",
    "told",
    "with_heading",
]


def read(
    source: Source, options: ReadOptions | None = None, met: MetIds | None = None
) -> Iterator[Document | Rejected]:
    """The documents of one source in order; a row set aside comes as ``Rejected`` with its line and reason.

    So does a page of an EPUB that is damaged, without a line.

    ``met`` are the ids met so far; hand the same to every source of a run, so that an id met twice
    is set aside. ``options`` were settled by :func:`open_sources`.

    Raises:
        DecodeError: bytes that are no text in the source's encoding.
        InputError: the file is damaged.
    """
    met = MetIds() if met is None else met
    if source.kind != "novel":
        yield from read_table(source, met)
        return
    for item in read_epub(source) if source.format == "epub" else read_novel(source):
        if isinstance(item, Rejected) or met.add(item.id):
            yield item
        else:
            reason = f"repeats the id {item.id!r}, which was met before"
            yield Rejected(source.path.as_posix(), None, reason, repeats=True)
