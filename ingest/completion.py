"""The end of an ingest: what was written is indexed and counted, and a corpus that is whole recorded as such."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.mending import Losses, settle
from ingest.staleness import with_staleness
from schemas.errors import StoreFull
from schemas.manifest import CorpusManifest, Counts
from stores.base import Store


def index(store: Store, shelves: Sequence[str]) -> None:
    """Index what was written to these collections."""
    try:
        for shelf in shelves:
            store.optimize(shelf)
    except StoreFull as error:
        raise StoreFull(f"All is written and can be searched, only indexing is left. {error}") from error


def completed(
    store: Store,
    manifest: CorpusManifest,
    shelves: tuple[str, str],
    *,
    fitted_before: bool,
    losses: Losses | None,
    removed: int,
) -> tuple[CorpusManifest, list[str]]:
    """The manifest with what the corpus holds by now, and sentences on what it still lacks.

    ``shelves`` are its passages and its documents, ``removed`` how many of these a prune took away. ``losses``: those
    that an earlier run that was cut off, or damage, had left; None where there was neither.
    """
    passages, documents = shelves
    if fitted_before:
        manifest = manifest.model_copy(update={"fit": with_staleness(manifest.fit, store, documents)})
    complete, missing = True, list[str]()
    if losses is not None:
        expected = manifest.counts.documents - removed
        complete, missing = settle(store, manifest.corpus, passages, documents, losses, expected)
    counts = Counts(documents=store.count(documents), passages=store.count(passages), terms=manifest.counts.terms)
    return manifest.model_copy(update={"complete": complete, "counts": counts}), missing
