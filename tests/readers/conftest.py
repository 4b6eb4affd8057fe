"""A book's text as the chapters that are read of it."""

import pytest

from ingest.readers import ReadOptions, open_sources, read, with_heading


@pytest.fixture
def chapters(tmp_path):
    """Reads a text, and checks that every stretch of its chapters stands in the source where it says."""

    def run(text, name="book.txt", encoding="utf-8", heading=None):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        (source,) = open_sources([path], ReadOptions(heading=heading))
        found = list(read(with_heading(source, heading)))
        decoded = path.read_text(encoding=source.encoding).removeprefix("\ufeff")
        for document in found:
            for piece in document.stretches:
                at = piece.source_start
                assert decoded[at : at + piece.length] == document.text[piece.text_start :][: piece.length]
        return found

    return run
