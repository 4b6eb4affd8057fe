"""What fitting counts of blocks, wherever they are counted: sums that may be added in any order."""

from __future__ import annotations

from encoders.vocabulary import VocabularyBuilder
from ingest.blocks import Block


class BlockCounts:
    """Counts blocks' terms into a builder; picklable, and merged with what others counted.

    ``unit`` is that of ``TfidfSettings``: whether document frequency is of passages or of documents.
    """

    def __init__(self, unit: str, builder: VocabularyBuilder | None = None) -> None:
        self._unit = unit
        self._builder = builder if builder is not None else VocabularyBuilder()

    def add(self, block: Block) -> None:
        """Count one block."""
        passages = range(block.passages)
        if block.features is not None:
            rows = block.document_rows if self._unit == "documents" else passages
            self._builder.add_bags(block.features.take(rows))
        if block.words is not None:
            self._builder.add_bags(None, block.words.take(passages))

    def empty(self) -> BlockCounts:
        """Such counts, of nothing yet."""
        return BlockCounts(self._unit)

    def merge(self, other: BlockCounts) -> None:
        """Add what another counted."""
        self._builder.merge(other._builder)
