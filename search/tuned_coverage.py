"""What passages hold of judged queries, kept so that every choice of weights can be measured with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from schemas.ids import point_text
from schemas.manifest import CorpusManifest
from search.coverage import COVERED, Coverage, QueryMass, given
from search.weights import coverage_weight


class TunedCoverage:
    """A ``Cover`` of tuning: what a search by those weights would give the best passages for what they hold.

    ``document_of`` names the document of each passage; it may fill while queries become known.
    """

    def __init__(self, manifest: CorpusManifest, document_of: Mapping[str, str]) -> None:
        self._manifest, self._document_of = manifest, document_of
        self._known: dict[str, tuple[Coverage, dict[str, frozenset[int]]]] = {}

    def know(self, query: str, mass: QueryMass, columns: Mapping[int, Sequence[int]]) -> None:
        """Keep what passages with these columns hold of a query."""
        coverage = Coverage(mass)
        held = {point_text(passage): coverage.held(of) for passage, of in columns.items()}
        self._known[query] = coverage, held

    def __call__(
        self,
        query: str,
        names: Sequence[str],
        scores: npt.NDArray[np.float64],
        weights: Mapping[str, float],
        most: float,
    ) -> npt.NDArray[np.float64]:
        """What each of ``names`` is given besides its score; nothing below the best ``COVERED``.

        ``most`` is what the best of ``tfidf`` has at weight 1, and who holds all of the query is given.
        """
        given_besides = np.zeros(len(names))
        weight = most * coverage_weight(self._manifest, weights)
        if weight > 0:
            coverage, held = self._known[query]
            block = [at for at in np.argsort(-scores, kind="stable")[:COVERED].tolist() if scores[at] > -np.inf]
            shares = coverage.of_block(
                [held[names[at]] for at in block], [self._document_of[names[at]] for at in block]
            )
            given_besides[block] = [weight * given(share) for share in shares]
        return given_besides
