"""What corpora a store holds, and what made each."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from schemas.manifest import CorpusManifest
from schemas.spaces import Shelf
from search.corpus import Corpus
from stores.opening import open_store


class CorpusInfo(BaseModel):
    """A corpus's manifest and its size; bytes are None where a server does not say."""

    model_config = ConfigDict(frozen=True)

    store: str
    manifest: CorpusManifest
    bytes_on_disk: dict[str, int | None]
    bytes_per_passage: int | None


def list_corpora(store: str | None = None) -> list[CorpusManifest]:
    """The manifests of all corpora in the store, by name."""
    with open_store(store) as opened:
        found = [opened.read_manifest(name) for name in opened.list_corpora()]
        return [manifest for manifest in found if manifest is not None]


def corpus_info(name: str, store: str | None = None) -> CorpusInfo:
    """One corpus; raises ``CorpusNotFound`` where there is none of that name."""
    with Corpus(name, store) as corpus:
        sizes: dict[str, int | None] = {}
        for shelf in Shelf:
            collection = corpus.collection(shelf)
            sizes[str(shelf)] = corpus.store.disk_bytes(collection) if corpus.store.collection_exists(collection) else 0
        known = [size for size in sizes.values() if size is not None]
        passages = corpus.manifest.counts.passages
        per_passage = sum(known) // passages if passages and len(known) == len(sizes) else None
        return CorpusInfo(
            store=corpus.store.location,
            manifest=corpus.manifest,
            bytes_on_disk=sizes,
            bytes_per_passage=per_passage,
        )
