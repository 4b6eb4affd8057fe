"""What every encoder offers to ingest and search."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

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


@dataclass(frozen=True, slots=True)
class TermArrays:
    """The vocabulary's entries for n terms, as columns of shape ``(n,)``.

    ``index`` is -1 for a term that is no feature. ``with_vector`` are the rows of the terms that have
    a Word2Vec vector, and ``vectors`` theirs, of shape ``(len(with_vector), dim)``; ``with_lsa`` and ``lsa``
    likewise of those that have a row of LSA's components.
    """

    index: npt.NDArray[np.int64]
    df: npt.NDArray[np.int64]
    cf: npt.NDArray[np.int64]
    idf: npt.NDArray[np.float64]
    with_vector: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]
    with_lsa: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    lsa: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))


def term_arrays(lookup: TermLookup, terms: Sequence[str]) -> TermArrays:
    """The entries of ``terms`` as columns; from ``lookup.arrays`` where it has that."""
    direct = getattr(lookup, "arrays", None)
    if direct is not None:
        found: TermArrays = direct(terms)
        return found
    entries = lookup(terms)
    known = [entries.get(term) for term in terms]
    vectors = [(row, term.vector) for row, term in enumerate(known) if term is not None and term.vector is not None]
    lsa = [(row, term.lsa) for row, term in enumerate(known) if term is not None and term.lsa is not None]
    return TermArrays(
        index=np.array([-1 if t is None or t.index is None else t.index for t in known], dtype=np.int64),
        df=np.array([0 if t is None else t.df for t in known], dtype=np.int64),
        cf=np.array([0 if t is None else t.cf for t in known], dtype=np.int64),
        idf=np.array([0.0 if t is None else t.idf for t in known], dtype=np.float64),
        with_vector=np.array([row for row, _ in vectors], dtype=np.int64),
        vectors=np.array([vector for _, vector in vectors], dtype=np.float32),
        with_lsa=np.array([row for row, _ in lsa], dtype=np.int64),
        lsa=np.array([vector for _, vector in lsa], dtype=np.float32),
    )
