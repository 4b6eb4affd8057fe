"""What every encoder offers to ingest and search."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, runtime_checkable

from schemas.manifest import EncoderIdentity
from schemas.spaces import Space, Term, VectorBatch


@runtime_checkable
class Encoder(Protocol):
    """Fills one or more spaces from texts; needs no fit."""

    @property
    def identity(self) -> EncoderIdentity:
        """What a corpus records of this encoder, and refuses to differ from."""
        ...

    @property
    def spaces(self) -> Mapping[str, Space]:
        """The spaces that this encoder fills, by name."""
        ...

    @property
    def max_tokens(self) -> int:
        """The most tokens of one text that the encoder reads, special tokens and prompt left out."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens and prompt left out."""
        ...

    def encode_passages(self, texts: Sequence[str]) -> dict[str, VectorBatch]:
        """One vector a text and space; the texts are things to be found."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> dict[str, VectorBatch]:
        """One vector a text and space; the texts are questions."""
        ...


class TermLookup(Protocol):
    """Gives the vocabulary's entries for some terms; unknown terms are left out.

    While ingesting this is the fitted vocabulary in memory, while searching the ``terms`` shelf.
    """

    def __call__(self, terms: Collection[str]) -> Mapping[str, Term]:
        """The known ones of ``terms``, by term."""
        ...
