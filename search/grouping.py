"""Passages gathered into their documents, looking deeper where few documents hold many of the best passages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from schemas.ids import document_point_of
from search.fusion import Fused

PASSAGES_SHOWN = 5
"""Passages shown of one document where hits are documents."""

Group: TypeAlias = list[Fused[int]]
"""One document's passages that were found, best first."""

Deeper: TypeAlias = Callable[[Sequence[int], int], Sequence[list[Fused[int]]]]
"""Ranks the queries of the given rows again, so many passages deep; what stood first stays as it was."""


def grouped(rankings: Sequence[list[Fused[int]]], depth: int, reach: int, deeper: Deeper) -> list[list[Group]]:
    """For each query ``reach`` documents, where there are so many, each with all its passages that were looked at.

    ``rankings`` reach ``depth`` passages, where there are so many. Those that hold too few documents are
    asked for again, four times as deep, and only those.
    """
    found = [by_document(ranking) for ranking in rankings]
    complete = [len(ranking) < depth for ranking in rankings]
    while short := [row for row, groups in enumerate(found) if len(groups) < reach and not complete[row]]:
        depth *= 4
        for row, ranking in zip(short, deeper(short, depth), strict=True):
            found[row] = by_document(ranking)
            complete[row] = len(ranking) < depth
    return [groups[:reach] for groups in found]


def by_document(ranking: Sequence[Fused[int]]) -> list[Group]:
    """The ranking's passages by document: documents in the order of their best passage."""
    groups: dict[int, Group] = {}
    for hit in ranking:
        groups.setdefault(document_point_of(hit.id), []).append(hit)
    return list(groups.values())
