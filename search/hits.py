"""Hits as they are shown: passages with their payloads, snippets, and what every space says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.payload_paths import META
from schemas.search import Hit, SpaceScore
from search.fusion import Fused, Standing
from search.snippets import Snippets


@dataclass(frozen=True)
class HitMaker:
    """Makes hits of one answer.

    ``payloads`` are those of all passages shown, by point id. ``alone`` says that one space was asked: its
    own similarity then says more than a score scaled between first and last. ``by_document`` hits list their
    passages, the one that shows them among them.
    """

    payloads: Mapping[str, Mapping[str, Any]]
    alone: bool
    by_document: bool = False

    def hit(self, snippets: Snippets, rank: int, group: Sequence[Fused]) -> Hit:
        """A hit of a document's passages, best first, shown by the first."""
        each = [self._passage(snippets, n, fused) for n, fused in enumerate(group, 1)]
        return each[0].model_copy(update={"rank": rank, "passages": each if self.by_document else []})

    def _passage(self, snippets: Snippets, rank: int, fused: Fused) -> Hit:
        payload = self.payloads[fused.id]
        text = str(payload["text"])
        return Hit(
            rank=rank,
            score=round(next(iter(fused.spaces.values())).score if self.alone else fused.score, 6),
            document_id=str(payload["document_id"]),
            passage_id=fused.id,
            title=str(payload["title"]),
            chapter=payload.get("chapter"),
            text=text,
            start=int(payload["start"]),
            end=int(payload["end"]),
            payload=dict(payload.get(META) or {}),
            spaces=space_scores(fused.spaces),
            snippet=snippets.of(text),
        )


def space_scores(standings: Mapping[str, Standing]) -> dict[str, SpaceScore]:
    """Standings as a hit shows them, rounded."""
    return {
        space: SpaceScore(rank=rank, score=round(score, 6), share=round(share, 4))
        for space, (rank, score, share) in standings.items()
    }
