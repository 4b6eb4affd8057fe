"""What corpora a store holds, and what made each."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, computed_field

from schemas.errors import StoreDamaged, UsageError
from schemas.manifest import CorpusManifest
from search.corpus import Corpus
from stores.opening import StoreLike, as_store
from stores.sizes import TIMES, bytes_per_further_passage, shelf_bytes, total_bytes


class CorpusSize(BaseModel):
    """A corpus's manifest and its size; bytes are None where a server does not say.

    ``bytes_per_passage`` is what each further one would take, on average up to ten times as many. ``kept_bytes``
    are those of the generations that stand beside the one in use, by their numbers.
    """

    model_config = ConfigDict(frozen=True)

    manifest: CorpusManifest
    bytes_on_disk: dict[str, int | None]
    bytes_per_passage: int | None
    kept_bytes: dict[int, int | None] = {}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def bytes_at_ten_times(self) -> int | None:
        """What the corpus would take with ten times the passages, by those it has."""
        total, each = total_bytes(self.bytes_on_disk), self.bytes_per_passage
        if total is None or each is None:
            return None
        return total + each * self.manifest.counts.passages * (TIMES - 1)


class CorpusInfo(CorpusSize):
    """The same, and where the corpus lies."""

    store: str


def list_corpora(
    store: StoreLike = None, damaged: Callable[[str, Exception], None] | None = None
) -> list[CorpusManifest]:
    """The manifests of all corpora in the store, by name.

    ``damaged`` is told of each that cannot be read; without it the first such one is raised.
    """
    found = []
    with as_store(store) as opened:
        for name in opened.list_corpora():
            try:
                manifest = opened.read_manifest(name)
            except (StoreDamaged, UsageError, OSError) as error:
                # A folder that cannot be read, or whose name none may have, is no reason to hide the others either.
                if damaged is None:
                    raise
                damaged(name, error)
            else:
                found += [] if manifest is None else [manifest]
    return found


def corpus_info(name: str, store: StoreLike = None) -> CorpusInfo:
    """One corpus; raises ``CorpusNotFound`` where there is none of that name."""
    with Corpus(name, store) as corpus:
        generation, passages = corpus.manifest.generation, corpus.manifest.counts.passages
        sizes = shelf_bytes(corpus.store, name, generation)
        return CorpusInfo(
            store=corpus.store.location,
            manifest=corpus.manifest,
            bytes_on_disk=sizes,
            bytes_per_passage=bytes_per_further_passage(corpus.store, name, generation, passages, sizes),
            kept_bytes={
                kept.generation: total_bytes(shelf_bytes(corpus.store, name, kept.generation))
                for kept in corpus.manifest.kept
            },
        )
