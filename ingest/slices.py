"""Blocks cut into the batches in which passages are encoded and written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.blocks import Block, Planned, indexed_text
from schemas.documents import Passage

BATCH_PASSAGES = 128
"""Passages encoded and written together; a flush to disk each makes smaller batches slower."""

MULTI_BATCH = 16
"""Passages written together where one has a vector for each of its tokens: 256 of 1024 dimensions are a megabyte."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Some consecutive passages of one document; ``last`` when no more of it follow.

    ``row`` and ``document_row`` are the rows of the first passage and of the document in the block,
    ``number`` the document's place among its documents.
    """

    planned: Planned
    passages: Sequence[Passage]
    last: bool
    row: int
    document_row: int
    number: int


def texts_of(batch: Sequence[Slice], titles: bool) -> list[str]:
    """What is encoded of each passage; ``titles``: with the title of its document."""
    found: list[str] = []
    for part in batch:
        title = part.planned.document.title
        found += [indexed_text(title, passage.text, titles) for passage in part.passages]
    return found


def slices(block: Block, size: int = BATCH_PASSAGES) -> Iterator[list[Slice]]:
    """Cut a block into batches of at most ``size`` passages, in order."""
    batch: list[Slice] = []
    room, row = size, 0
    for number, planned in enumerate(block.documents):
        at = 0
        while True:
            part = planned.passages[at : at + room]
            at += len(part)
            room -= len(part)
            done = at >= len(planned.passages)
            batch.append(Slice(planned, part, done, row, block.document_rows[number], number))
            row += len(part)
            if room == 0:
                yield batch
                batch, room = [], size
            if done:
                break
    if batch:
        yield batch
