"""Spaces of a corpus that stands: another encoder's added, or one taken away; everything else stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from encoders.base import Encoder
from encoders.identity import describe, same_encoder
from encoders.registry import get_encoder
from ingest.building import build
from ingest.encoding import Fill, FillRecipe
from ingest.executors import ExecutorName, make_executor
from ingest.generations import give_up as give_up_rebuild
from ingest.generations import next_rebuild, open_whole
from ingest.run import Progress
from schemas.errors import CorpusError, UsageError
from schemas.ingest import LEXICAL_SPACES
from schemas.manifest import CorpusManifest, EncoderIdentity, Rebuild
from schemas.names import several
from schemas.spaces import Space
from stores.opening import StoreLike

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")


class SpacesReport(BaseModel):
    """What was added to a corpus or taken from it.

    ``added`` maps a new space to what its encoder calls it; ``stood`` are those asked for that were
    there; ``taken_over`` counts the passages that an interrupted run had made already.
    """

    model_config = ConfigDict(frozen=True)

    corpus: str
    store: str
    generation: int
    encoder: str = ""
    added: dict[str, str] = {}
    removed: list[str] = []
    stood: list[str] = []
    passages: int = 0
    taken_over: int = 0
    tokens_sent: int = 0
    tuned: bool = False
    kept_old: bool = False
    seconds: dict[str, float] = {}


def add_spaces(
    corpus: str,
    encoder: str,
    *,
    store: StoreLike = None,
    spaces: str | Iterable[str] | None = None,
    names: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    keep_old: bool = False,
    executor: ExecutorName = "local",
    encoder_workers: int | None = None,
    ray_address: str | None = None,
    progress: Progress | None = None,
) -> SpacesReport:
    """Encode what ``corpus`` holds with another encoder, and add its spaces; all other vectors stay to the bit.

    ``spaces`` are the encoder's (default: all that it fills by itself), ``names`` what the corpus is to
    call them. A name that another encoder's space has already gets the new encoder's appended:
    ``dense`` of ``bge-m3`` becomes ``dense-bge-m3`` beside the ``dense`` that is there.

    A new generation is built beside the one in use, which searches go on using until it is whole.
    Killed and run again, it goes on where it stopped. With ``keep_old`` the one that it replaces can be
    brought back until it is dropped (``ingest.generations``). With ``executor="ray"`` Ray's actors encode, as
    ``ingest.ingest`` says.

    Raises ``CorpusNotFound``, ``UsageError`` for a space or a name that cannot be, and ``CorpusError`` where
    a name is taken by another encoder, or an ingest or another change of spaces is unfinished.
    """
    if encoder in LEXICAL_SPACES:
        raise UsageError(
            f"{encoder!r} is fitted to a corpus while it is ingested; ingest into a new corpus with --spaces."
        )
    spaces = None if spaces is None else several(spaces)
    with ExitStack() as stack:
        opened, manifest = open_whole(stack, corpus, store)
        pool = make_executor(0, executor, encoder_workers=encoder_workers, ray_address=ray_address)
        stack.callback(pool.close)
        loaded = get_encoder(encoder, spaces=spaces, **(options or {}))
        chosen, stood = _chosen(manifest, loaded, spaces, names or {})
        report = SpacesReport(
            corpus=corpus,
            store=opened.location,
            generation=manifest.generation,
            encoder=describe(loaded.identity),
            stood=stood,
            passages=manifest.counts.passages,
        )
        if not chosen:
            return report
        wanted = _with(manifest, loaded, chosen)
        only_new = manifest.model_copy(
            update={
                "spaces": {name: wanted.spaces[name] for name in chosen.values()},
                "encoders": {name: wanted.encoders[name] for name in chosen.values()},
                "encoder_spaces": wanted.encoder_spaces,
            }
        )
        recipe = FillRecipe(only_new, encoder, tuple(spaces) if spaces else None, options or {})
        fill = Fill(recipe(loaded), recipe)
        built = build(opened, manifest, wanted, fill, keep_old=keep_old, progress=progress, pool=pool)
        return report.model_copy(
            update={
                "generation": built.manifest.generation,
                "added": {name: own for own, name in chosen.items()},
                "taken_over": built.taken_over,
                "tokens_sent": built.tokens_sent,
                "tuned": bool(manifest.search.get("weights")),
                "kept_old": keep_old,
                "seconds": built.seconds,
            }
        )


def remove_spaces(
    corpus: str,
    spaces: str | Iterable[str],
    *,
    store: StoreLike = None,
    keep_old: bool = False,
    progress: Progress | None = None,
) -> SpacesReport:
    """Take learned spaces out of a corpus; unless ``keep_old``, their vectors' disk is free afterwards.

    Later documents are split by the tokens of the encoder that made the first space that is left.

    Raises ``CorpusNotFound``, and ``UsageError`` for a space that is not there, a lexical or the last one.
    """
    with ExitStack() as stack:
        opened, manifest = open_whole(stack, corpus, store)
        gone = list(dict.fromkeys(several(spaces)))
        for name in gone:
            if name not in manifest.spaces:
                raise UsageError(f"The corpus {corpus!r} has no space {name!r}; it has {', '.join(manifest.spaces)}.")
            if name in LEXICAL_SPACES:
                raise UsageError(
                    f"The space {name!r} belongs to the fit of {corpus!r}; name the spaces that are to stay with: "
                    f"xunyi rebuild {corpus} --spaces"
                )
        left = {name: space for name, space in manifest.spaces.items() if name not in gone}
        if not left:
            raise UsageError(f"{', '.join(gone)} would leave {corpus!r} without a space; delete the corpus instead.")
        wanted = next_rebuild(
            manifest,
            "spaces remove",
            spaces=left,
            encoders={name: identity for name, identity in manifest.encoders.items() if name in left},
            encoder_spaces={name: own for name, own in manifest.encoder_spaces.items() if name in left},
        )
        built = build(opened, manifest, wanted, None, keep_old=keep_old, progress=progress)
        return SpacesReport(
            corpus=corpus,
            store=opened.location,
            generation=built.manifest.generation,
            removed=gone,
            passages=built.manifest.counts.passages,
            kept_old=keep_old,
            seconds=built.seconds,
        )


def give_up(corpus: str, *, store: StoreLike = None) -> SpacesReport:
    """Drop what an interrupted change of spaces has built; the corpus is as it was before."""
    with ExitStack() as stack:
        opened, manifest = open_whole(stack, corpus, store)
        left = give_up_rebuild(opened, manifest)
        removed = sorted(left.spaces.keys() - manifest.spaces.keys()) if left is not None else []
        return SpacesReport(corpus=corpus, store=opened.location, generation=manifest.generation, removed=removed)


def _chosen(
    manifest: CorpusManifest, encoder: Encoder, spaces: Sequence[str] | None, names: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """The spaces to add, from the encoder's name to the corpus's, and those that stand already."""
    offered = encoder.spaces
    wanted = list(dict.fromkeys(spaces)) if spaces else list(offered)
    for own in (*wanted, *names):
        if own not in offered:
            raise UsageError(
                f"The encoder {encoder.identity.name} fills no space {own!r}; choose among {', '.join(offered)}."
            )
    chosen: dict[str, str] = {}
    stood: list[str] = []
    for own in wanted:
        name = names.get(own) or _free_name(manifest, encoder.identity, own)
        if not _NAME.match(name) or name in LEXICAL_SPACES or name in chosen.values():
            raise UsageError(
                f"{name!r} cannot name the space {own!r}: use letters, digits, '-', '_' and '.', and no other "
                f"space's name; give one with --as {own}=NAME."
            )
        if name not in manifest.spaces:
            chosen[own] = name
        elif _made_by(manifest, name, own, encoder.identity):
            stood.append(name)
        else:
            made = manifest.encoders.get(name)
            raise CorpusError(
                f"The space {name!r} of {manifest.corpus!r} was made with {describe(made) if made else name}, and "
                f"{describe(encoder.identity)} is another; give a new name with --as {own}=NAME, or take the old one "
                f"out with: xunyi spaces remove {manifest.corpus} {name}"
            )
    return chosen, stood


def _free_name(manifest: CorpusManifest, identity: EncoderIdentity, own: str) -> str:
    """What the corpus calls this encoder's space: as it did before, else its own name, else with the encoder's."""
    for name in manifest.encoders:
        if _made_by(manifest, name, own, identity):
            return name
    return own if own not in manifest.spaces else f"{own}-{short_name(identity)}"


def _made_by(manifest: CorpusManifest, name: str, own: str, identity: EncoderIdentity) -> bool:
    made = manifest.encoders.get(name)
    return made is not None and manifest.encoder_spaces.get(name, name) == own and same_encoder(made, identity)


def short_name(identity: EncoderIdentity) -> str:
    """An encoder's name without its folder or organisation, as part of a space's: letters, digits, ``-_.``."""
    last = Path(identity.name.rpartition(":")[2]).name
    return re.sub(r"[^a-z0-9_.]+", "-", last.lower()).strip("-.")[:40] or "other"


def _with(manifest: CorpusManifest, encoder: Encoder, chosen: Mapping[str, str]) -> Rebuild:
    added: dict[str, Space] = {
        name: encoder.spaces[own].model_copy(update={"name": name}) for own, name in chosen.items()
    }
    return next_rebuild(
        manifest,
        "spaces add",
        spaces={**manifest.spaces, **added},
        encoders={**manifest.encoders, **dict.fromkeys(added, encoder.identity)},
        encoder_spaces={**manifest.encoder_spaces, **{name: own for own, name in chosen.items() if name != own}},
    )
