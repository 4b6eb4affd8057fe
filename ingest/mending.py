"""Points that a corpus lost: an ingest compares counts first, a cheap call a shelf, and then trusts no hash blindly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ingest.plan import batched
from ingest.recovery import BATCH, half_written, orphans, remove_orphans
from schemas.errors import StoreDamaged
from schemas.ids import passage_point_id
from schemas.ingest import LEXICAL_SPACES
from schemas.manifest import CorpusManifest
from schemas.spaces import Shelf
from stores.base import Store, collection_name


@dataclass(frozen=True, slots=True)
class Losses:
    """What is not as a corpus's manifest says: shelves that are gone, and whether others hold fewer or more points."""

    passages_gone: bool = False
    documents_gone: bool = False
    passages: bool = False
    documents: bool = False

    @property
    def any(self) -> bool:
        """Whether anything is not as it should be."""
        return self.passages or self.documents


def find_losses(store: Store, manifest: CorpusManifest) -> Losses:
    """Compare the shelves with the manifest.

    Raises ``StoreDamaged`` where the vocabulary is not whole, since what is encoded with half of it is wrong.
    """

    def count(shelf: Shelf) -> int | None:
        name = collection_name(manifest.corpus, manifest.generation, shelf)
        return store.count(name) if store.collection_exists(name) else None

    passages, documents = count(Shelf.PASSAGES), count(Shelf.DOCUMENTS)
    said = manifest.counts
    losses = Losses(
        passages is None,
        documents is None,
        # What an ingest that was cut off has written is nowhere counted.
        passages is None or (manifest.complete and passages != said.passages),
        documents is None or (manifest.complete and documents != said.documents),
    )
    if any(name in manifest.spaces for name in LEXICAL_SPACES):
        terms = count(Shelf.TERMS)
        if terms is None or terms != said.terms:
            raise _without_words(store, manifest, terms or 0, refit=manifest.complete and not losses.any)
    return losses


def _without_words(store: Store, manifest: CorpusManifest, terms: int, *, refit: bool) -> StoreDamaged:
    name = manifest.corpus
    remedy = (
        f"fit it anew with `xunyi refit {name}`, then ingest again"
        if refit
        # A fit reads the passages, which an ingest would make with these words.
        else f"restore a snapshot, or run `xunyi corpora delete {name}` and ingest its files again"
    )
    return StoreDamaged(
        f"{store.location}: the vocabulary of {name!r} holds {terms:,} of {manifest.counts.terms:,} terms; {remedy}."
    )


def short_documents(store: Store, corpus: str, passages: str | None, recorded: Mapping[str, int]) -> set[str]:
    """Which of the documents lack passages, of as many as are ``recorded``; all, where their collection is gone."""
    if passages is None:
        return {name for name, count in recorded.items() if count}
    wanted = {passage_point_id(corpus, name, at): name for name, count in recorded.items() for at in range(count)}
    there = {str(record.id) for record in store.retrieve(passages, list(wanted), payload=False)}
    return {name for point, name in wanted.items() if point not in there}


def settle(
    store: Store, corpus: str, passages: str, documents: str, losses: Losses, expected: int
) -> tuple[bool, list[str]]:
    """Whether the corpus is whole after a run, and sentences on what it lacks.

    What a run that was cut off left of documents which are gone is removed. ``expected`` documents were there.
    """
    missing = _still_missing(store, corpus, passages, documents, losses, expected)
    # What is left of documents whose own points were lost is wanted when these are ingested again.
    if not (missing and losses.documents):
        remove_orphans(store, corpus, passages, documents)
    # Documents of another source than this run's: that one must be ingested again.
    return half_written(store, documents) == 0 and not missing, missing


def _still_missing(
    store: Store, corpus: str, passages: str, documents: str, losses: Losses, expected: int
) -> list[str]:
    """What a run did not bring back, since its files are others."""
    said = []
    if losses.documents:
        gone = max(len(orphans(store, corpus, passages, documents)), expected - store.count(documents))
        if gone > 0:
            said.append(
                f"{gone:,} documents of {corpus!r} are still missing; ingest the files that they came from, too, "
                f"before anything else: the next ingest of others removes what is left of them."
            )
    recorded, sources = 0, set()
    for record in store.scroll(documents, payload=["passages"]):
        recorded += int((record.payload or {})["passages"])
    if store.count(passages) < recorded:
        for batch in batched(store.scroll(documents, payload=["document_id", "passages", "source"]), BATCH):
            payloads = {str((record.payload or {})["document_id"]): record.payload or {} for record in batch}
            counts = {name: int(payload["passages"]) for name, payload in payloads.items()}
            sources |= {str(payloads[name]["source"]) for name in short_documents(store, corpus, passages, counts)}
    if sources:
        said.append(f"Passages of other files are still missing; ingest these too: {', '.join(sorted(sources))}.")
    return said
