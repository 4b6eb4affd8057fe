"""The manifest of a corpus's next generation, as it is before anything of that one is built."""

from __future__ import annotations

from schemas.ingest import LEXICAL_SPACES
from schemas.manifest import CorpusManifest, Counts, FitStats, Rebuild


def next_manifest(old: CorpusManifest, plan: Rebuild) -> CorpusManifest:
    """``old`` with the plan's settings, without the tuned weights of spaces that go.

    Fit and counts are the old ones until the new are known; without lexical spaces there are none.
    """
    gone = old.spaces.keys() - plan.spaces.keys()
    weights = {name: weight for name, weight in old.search.get("weights", {}).items() if name not in gone}
    lexical = any(name in plan.spaces for name in LEXICAL_SPACES)
    return old.model_copy(
        update={
            **plan.settings,
            "generation": plan.generation,
            "newest": max(plan.generation, old.newest),
            "search": {**old.search, "weights": weights} if "weights" in old.search else old.search,
            "rebuild": None,
            "fit": old.fit if lexical else FitStats(),
            "counts": old.counts if lexical else Counts(),
        }
    )
