"""The generations of a corpus: the one in use, those kept beside it, and one that may be in the making."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Literal

from encoders.identity import describe
from ingest.corpus import open_corpus
from ingest.differences import differences
from ingest.stored import document_hashes
from schemas.errors import CorpusError, StoreDamaged, UsageError
from schemas.generations import DropReport, Generation, GenerationsReport, RestoreReport
from schemas.manifest import CorpusManifest, Rebuild
from schemas.spaces import Shelf
from stores.base import Store, collection_name
from stores.opening import StoreLike
from stores.sizes import shelf_bytes, total_bytes


def list_generations(corpus: str, *, store: StoreLike = None) -> GenerationsReport:
    """The corpus's generations: the one in use first, then the kept ones, the one used last before the others.

    Raises ``CorpusNotFound``.
    """
    with ExitStack() as stack:
        opened, manifest = open_corpus(stack, corpus, store, hold=False)
        found = [_described(opened, manifest, "in use")]
        found += [_described(opened, kept, "kept") for kept in reversed(manifest.kept)]
        left = unfinished(opened, manifest)
        if left is not None:
            making = CorpusManifest(**left.settings, corpus=corpus, generation=left.generation)
            counts = {shelf: opened.count(name) for shelf, name in _collections(opened, making).items()}
            found.append(_described(opened, making, "unfinished").model_copy(update=counts))
        return GenerationsReport(corpus=corpus, store=opened.location, generations=found)


def restore_generation(
    corpus: str, generation: int | None = None, *, store: StoreLike = None, force: bool = False
) -> RestoreReport:
    """Make a kept generation the one in use, in one step; the one that was is kept instead.

    Without a number it is the one used last. Everything comes back as it was: encoders, passages, storage,
    fit, counts and tuned weights. A kept generation takes no part in later ingests: one that lacks documents
    which the generation in use has, or has them in another edition, is brought back only with ``force``, and
    an ingest of the same files then makes good what it lacks.

    Raises ``CorpusNotFound``, ``UsageError`` for a number that is not kept, ``CorpusError`` where nothing is
    kept, a change is unfinished, or documents are behind; ``StoreDamaged`` where collections are gone.
    """
    with ExitStack() as stack:
        opened, manifest = open_corpus(stack, corpus, store)
        left = unfinished(opened, manifest)
        if left is not None:
            raise other_unfinished(manifest, left)
        wanted = _kept(manifest, generation)
        there = _collections(opened, wanted)
        if not {str(Shelf.PASSAGES), str(Shelf.DOCUMENTS)} <= there.keys():
            raise StoreDamaged(
                f"{opened.location}: the shelves of generation {wanted.generation} of {corpus!r} are gone; "
                f"forget it with: xunyi generations drop {corpus} {wanted.generation}"
            )
        missing, older, removed = _behind(opened, manifest, wanted)
        if (missing or older or removed) and not force:
            raise CorpusError(
                f"Generation {wanted.generation} of {corpus!r} is behind the one in use by "
                f"{missing + older + removed:,} documents ({missing:,} missing, {older:,} of an older edition, "
                f"{removed:,} removed since); bring it back with --force, and ingest the same files again."
            )
        kept = [one for one in manifest.kept if one.generation != wanted.generation]
        update = {"kept": [*kept, manifest.alone], "newest": manifest.next_generation - 1}
        opened.write_manifest(wanted.model_copy(update=update))
        return RestoreReport(
            corpus=corpus,
            store=opened.location,
            generation=wanted.generation,
            set_aside=manifest.generation,
            missing=missing,
            older=older,
            removed=removed,
            documents=wanted.counts.documents,
        )


def drop_generations(
    corpus: str,
    generation: int | None = None,
    *,
    store: StoreLike = None,
    every: bool = False,
    in_the_making: bool = False,
) -> DropReport:
    """Remove a kept generation, with ``every`` all of them, or with ``in_the_making`` what a killed run has built.

    Without a number there must be no more than one to choose from. The one in use is never removed.

    Raises ``CorpusNotFound``, ``UsageError`` for a number that is not kept, ``CorpusError`` where nothing is.
    """
    with ExitStack() as stack:
        opened, manifest = open_corpus(stack, corpus, store)
        if in_the_making:
            left = unfinished(opened, manifest)
            size = None if left is None else total_bytes(shelf_bytes(opened, corpus, left.generation))
            give_up(opened, manifest)
            dropped = [] if left is None else [left.generation]
            return DropReport(corpus=corpus, store=opened.location, dropped=dropped, unfinished=True, bytes=size)
        if generation is None and not every and len(manifest.kept) > 1:
            raise UsageError(f"{corpus!r} keeps the generations {_numbers(manifest)}; name one, or give --all.")
        going = [_kept(manifest, generation)] if not every or not manifest.kept else manifest.kept
        numbers = [one.generation for one in going]
        sizes = [total_bytes(shelf_bytes(opened, corpus, number)) for number in numbers]
        kept = [one for one in manifest.kept if one.generation not in numbers]
        manifest = manifest.model_copy(update={"kept": kept, "newest": manifest.next_generation - 1})
        # The manifest first: what it names stands whole.
        opened.write_manifest(manifest)
        drop_other_generations(opened, manifest, *([manifest.rebuild.generation] if manifest.rebuild else []))
        known = None if None in sizes else sum(size or 0 for size in sizes)
        return DropReport(corpus=corpus, store=opened.location, dropped=numbers, unfinished=False, bytes=known)


def open_whole(stack: ExitStack, corpus: str, store: StoreLike) -> tuple[Store, CorpusManifest]:
    """As ``open_corpus``; raises ``CorpusError`` where an ingest is unfinished."""
    opened, manifest = open_corpus(stack, corpus, store)
    if not manifest.complete:
        raise CorpusError(f"The ingest of {corpus!r} is unfinished; run it again first.")
    return opened, manifest


def next_rebuild(manifest: CorpusManifest, command: str, **changes: Any) -> Rebuild:
    """The corpus's next generation, with its settings but for ``changes``."""
    return Rebuild(**{**manifest.settings, **changes, "generation": manifest.next_generation, "command": command})


def unfinished(store: Store, manifest: CorpusManifest) -> Rebuild | None:
    """What a killed run left unfinished, if its collections stand."""
    left = manifest.rebuild
    if left is None:
        return None
    stands = store.collection_exists(collection_name(manifest.corpus, left.generation, Shelf.PASSAGES))
    return left if stands else None


def other_unfinished(manifest: CorpusManifest, left: Rebuild) -> CorpusError:
    """The error of a corpus of which another generation is in the making."""
    what = "; ".join(differences(manifest, left))
    return CorpusError(
        f"`xunyi {left.command}` of {manifest.corpus!r}{f' ({what})' if what else ''} is unfinished: run that command "
        f"again as it was, or give it up with: xunyi generations drop {manifest.corpus} --unfinished"
    )


def drop_other_generations(store: Store, manifest: CorpusManifest, *also_kept: int) -> None:
    """Remove the corpus's collections of every generation but the one in use, those kept and ``also_kept``."""
    numbers = (manifest.generation, *(one.generation for one in manifest.kept), *also_kept)
    kept = {f"g{number}" for number in numbers}
    for name in store.list_collections():
        owner, generation, _ = name.rsplit(".", 2)
        if owner == manifest.corpus and generation not in kept:
            store.drop_collection(name)


def give_up(store: Store, manifest: CorpusManifest) -> Rebuild | None:
    """Drop what a killed run has built, and give it; the corpus is as it was before."""
    left = unfinished(store, manifest)
    if manifest.rebuild is not None:
        manifest = manifest.model_copy(update={"rebuild": None})
        store.write_manifest(manifest)
    if left is not None:
        drop_other_generations(store, manifest)
    return left


def _kept(manifest: CorpusManifest, generation: int | None) -> CorpusManifest:
    if not manifest.kept:
        raise CorpusError(
            f"{manifest.corpus!r} keeps no other generation than {manifest.generation}, which is in use; "
            f"`xunyi rebuild`, or `refit --keep-old`, leaves one."
        )
    if generation is None:
        return manifest.kept[-1]
    for kept in manifest.kept:
        if kept.generation == generation:
            return kept
    if generation == manifest.generation:
        raise UsageError(f"Generation {generation} of {manifest.corpus!r} is in use; it keeps {_numbers(manifest)}.")
    raise UsageError(f"{manifest.corpus!r} has no generation {generation}; it keeps {_numbers(manifest)}.")


def _numbers(manifest: CorpusManifest) -> str:
    return ", ".join(str(kept.generation) for kept in manifest.kept)


def _behind(store: Store, current: CorpusManifest, kept: CorpusManifest) -> tuple[int, int, int]:
    """How many documents of ``current`` ``kept`` lacks, has in another edition, and how many only it has."""
    missing = older = removed = 0
    here = document_hashes(store, current, titles=kept.titles)
    there = document_hashes(store, kept, titles=kept.titles)
    one, other = next(here, None), next(there, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            missing += 1
            one = next(here, None)
        elif one is None or other[0] < one[0]:
            removed += 1
            other = next(there, None)
        else:
            older += one[1] != other[1]
            one, other = next(here, None), next(there, None)
    return missing, older, removed


def _collections(store: Store, manifest: CorpusManifest) -> dict[str, str]:
    names = {str(shelf): collection_name(manifest.corpus, manifest.generation, shelf) for shelf in Shelf}
    return {shelf: name for shelf, name in names.items() if store.collection_exists(name)}


def _described(store: Store, manifest: CorpusManifest, state: Literal["in use", "kept", "unfinished"]) -> Generation:
    return Generation(
        generation=manifest.generation,
        state=state,
        **manifest.counts.model_dump(),
        spaces=list(manifest.spaces),
        encoders={space: describe(identity) for space, identity in manifest.encoders.items()},
        max_tokens=manifest.splitter.max_tokens,
        analyzer=manifest.analyzer.preset,
        weighting=manifest.tfidf.weighting,
        storage=manifest.storage.model_dump(mode="json", exclude_defaults=True),
        updated=manifest.updated,
        bytes=total_bytes(shelf_bytes(store, manifest.corpus, manifest.generation)),
    )
