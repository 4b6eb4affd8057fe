"""Batches by token budget: texts of like length together, so that little is padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def token_batches(lengths: Sequence[int], budget: int, max_texts: int = 256) -> list[list[int]]:
    """Group texts by length so that no batch, padded to its longest text, exceeds ``budget`` tokens.

    Parameters
    ----------
    lengths : sequence of int
        Tokens of each text.
    budget : int
        Most tokens of a batch, padding counted; a single longer text still makes a batch.
    max_texts : int, default 256
        Most texts of a batch.

    Returns
    -------
    list of list of int
        Positions in ``lengths``, each exactly once, longest first; ties keep their order.

    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    batches: list[list[int]] = []
    for position in order:
        full = not batches or len(batches[-1]) >= max_texts
        if full or max(lengths[batches[-1][0]], 1) * (len(batches[-1]) + 1) > budget:
            batches.append([])
        batches[-1].append(position)
    return batches


def windows(tokens: Sequence[T], size: int) -> list[Sequence[T]]:
    """Cut a text's tokens into runs of at most ``size``; an empty text is one empty run."""
    return [tokens[start : start + size] for start in range(0, max(len(tokens), 1), size)]
