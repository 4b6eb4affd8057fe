"""Rebuilding a corpus from what it holds itself: another encoder, splitting, analysis or storage, without downtime."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from encoders.analyzer_options import options_of, recommended_tfidf
from encoders.base import Encoder
from encoders.identity import same_encoder
from encoders.lsa import DIM
from encoders.registry import get_encoder
from ingest.building import build
from ingest.differences import differences, needs_fit, spaces_to_encode
from ingest.encoding import Fill, FillRecipe
from ingest.executors import ExecutorName, make_executor
from ingest.generations import drop_other_generations, next_rebuild, open_whole
from ingest.run import Progress
from schemas.errors import CorpusError, UsageError
from schemas.ingest import LEXICAL_SPACES, CorpusOptions, checked_options
from schemas.manifest import (
    AnalyzerSettings,
    CorpusManifest,
    EncoderIdentity,
    Rebuild,
    SplitterSettings,
    TfidfSettings,
)
from schemas.spaces import Space, SpaceKind
from schemas.storage import StorageSettings
from stores.opening import StoreLike

Settings = TypeVar("Settings", bound=BaseModel)


class RebuildReport(BaseModel):
    """What a rebuild did.

    ``changed`` says in words what is otherwise than before. ``encoded`` are the spaces that an encoder filled,
    ``refitted`` those that were fitted again, ``copied`` those whose vectors stayed. ``resplit``: passages were
    cut anew. ``old_generation`` can be brought back if ``kept_old``. ``taken_over`` counts passages that an
    interrupted run had encoded; ``tuned``: the corpus has weights that were tuned before.
    """

    model_config = ConfigDict(frozen=True)

    corpus: str
    store: str
    generation: int
    old_generation: int
    kept_old: bool
    changed: list[str]
    encoded: list[str]
    refitted: list[str]
    copied: list[str]
    resplit: bool
    documents: int
    passages: int
    passages_before: int
    terms: int
    taken_over: int
    tokens_sent: int
    tuned: bool
    seconds: dict[str, float]


def rebuild(
    corpus: str,
    options: CorpusOptions,
    *,
    store: StoreLike = None,
    reset_storage: bool = False,
    drop_old: bool = False,
    workers: int = 0,
    executor: ExecutorName = "local",
    encoder_workers: int | None = None,
    ray_address: str | None = None,
    progress: Progress | None = None,
) -> RebuildReport:
    """Make the corpus's next generation with what ``options`` name, and all else as it is recorded.

    The documents are read from the corpus itself. The points are those of an ingest with the new settings;
    what does not change is copied: with another storage all vectors, with another encoder the lexical ones
    and the passages. Those are cut anew where ``max_tokens`` is named and differs, or an other encoder counts
    than before. What an analyser brings along by default (TF-IDF's settings, titles) follows a new one.

    ``encoder`` takes the place of the corpus's own; with several there, or where some spaces are to go or to
    come, ``spaces`` names all that there shall be. ``word2vec``, ``tfidf`` and ``storage`` change the fields that
    were set; ``reset_storage`` begins with the defaults. ``workers`` processes cut and count, and
    ``executor="ray"`` has Ray do that and encode, as ``ingest.ingest`` says.

    Searches go on with the old generation meanwhile; then the manifest moves in one step. Killed and run
    again, it goes on where it stopped. The old generation can be brought back (``ingest.generations``) until
    it is dropped; with ``drop_old`` it is dropped at once.

    Raises ``CorpusNotFound``; ``UsageError`` for options that cannot be meant; ``CorpusError`` where nothing
    would change, or an ingest or another change is unfinished.
    """
    options = checked_options(options)
    with ExitStack() as stack:
        opened, old = open_whole(stack, corpus, store)
        pool = make_executor(workers, executor, encoder_workers=encoder_workers, ray_address=ray_address)
        stack.callback(pool.close)
        if options == CorpusOptions() and not reset_storage:
            raise UsageError(f"Say what of {corpus!r} is to change, such as --encoder, --max-tokens or --quantization.")
        encoder = _load(old, options)
        wanted = _wanted(old, options, encoder, reset_storage)
        changed = differences(old, wanted)
        if not changed and not wanted.resplit:
            # What a run that was killed in its last step had still to do.
            drop_other_generations(opened, old, *([old.rebuild.generation] if old.rebuild else []))
            raise CorpusError(f"Nothing of {corpus!r} would change: it was made with these settings.")
        opened.check_storage(wanted.storage)
        encoded = spaces_to_encode(old, wanted)
        fill = _fill(old, wanted, options, encoder, encoded)
        built = build(opened, old, wanted, fill, keep_old=not drop_old, progress=progress, pool=pool)
        fitted = [name for name in LEXICAL_SPACES if name in wanted.spaces and wanted.refit]
        counts = built.manifest.counts
        return RebuildReport(
            corpus=corpus,
            store=opened.location,
            generation=built.manifest.generation,
            old_generation=old.generation,
            kept_old=not drop_old,
            changed=changed or ["passages cut by another encoder's tokens"],
            encoded=encoded,
            refitted=fitted,
            copied=[name for name in wanted.spaces if name not in encoded and name not in fitted],
            resplit=wanted.resplit,
            documents=counts.documents,
            passages=counts.passages,
            passages_before=old.counts.passages,
            terms=counts.terms,
            taken_over=built.taken_over,
            tokens_sent=built.tokens_sent,
            tuned=bool(built.manifest.search.get("weights")),
            seconds=built.seconds,
        )


def _load(old: CorpusManifest, options: CorpusOptions) -> Encoder | None:
    """The encoder that is named, with the heads that are wanted."""
    if options.encoder is None:
        return None
    learned = _learned(options)
    if options.spaces and not learned:
        raise UsageError(f"--spaces {','.join(options.spaces)}: none is left for --encoder {options.encoder} to fill.")
    distinct: list[EncoderIdentity] = []
    for identity in old.encoders.values():
        if not any(same_encoder(identity, other) for other in distinct):
            distinct.append(identity)
    if len(distinct) > 1 and options.spaces is None:
        raise UsageError(
            f"{old.corpus!r} has spaces of {len(distinct)} encoders: say with --spaces which spaces it is to have, of "
            f"{options.encoder} or of those that stand ({', '.join(old.spaces)})."
        )
    return get_encoder(options.encoder, spaces=learned, **options.encoder_options)


def _learned(options: CorpusOptions) -> tuple[str, ...] | None:
    """The learned ones of the spaces that are named; None where there are none."""
    return tuple(name for name in options.spaces or () if name not in LEXICAL_SPACES) or None


def _wanted(old: CorpusManifest, options: CorpusOptions, encoder: Encoder | None, reset_storage: bool) -> Rebuild:
    analyzer = _analyzer(old, options)
    tfidf, titles = _tfidf(old, options, analyzer), _titles(old, options, analyzer)
    word2vec = _merged(old.word2vec, options.word2vec)
    spaces, encoders, renamed = _spaces(old, options, encoder, word2vec.dim)
    lexical = any(name in spaces for name in LEXICAL_SPACES)
    splitter, resplit = _splitter(old, options, encoders)
    storage = _merged(StorageSettings() if reset_storage else old.storage, options.storage)
    wanted = next_rebuild(
        old,
        "rebuild",
        spaces=spaces,
        encoders=encoders,
        encoder_spaces=renamed,
        # What has no part in the points must not look like a change of them.
        analyzer=analyzer if lexical else old.analyzer,
        tfidf=tfidf if "tfidf" in spaces else old.tfidf,
        word2vec=word2vec if "word2vec" in spaces else old.word2vec,
        splitter=splitter,
        titles=titles,
        storage=storage,
        resplit=resplit,
    )
    return wanted.model_copy(update={"refit": needs_fit(old, wanted, resplit=resplit)})


def _spaces(
    old: CorpusManifest, options: CorpusOptions, encoder: Encoder | None, words_dim: int
) -> tuple[dict[str, Space], dict[str, EncoderIdentity], dict[str, str]]:
    """The spaces wanted, what makes the learned ones, and what its encoder calls a space that is called otherwise."""
    offered = dict(encoder.spaces) if encoder is not None else {}
    lexical = {
        "tfidf": Space(name="tfidf", kind=SpaceKind.SPARSE),
        "word2vec": Space(name="word2vec", kind=SpaceKind.DENSE, dim=words_dim),
        "lsa": old.spaces.get("lsa", Space(name="lsa", kind=SpaceKind.DENSE, dim=DIM)),
    }
    stand = [name for name in old.spaces if name in LEXICAL_SPACES or encoder is None]
    spaces: dict[str, Space] = {}
    encoders: dict[str, EncoderIdentity] = {}
    renamed: dict[str, str] = {}
    for name in options.spaces or (*offered, *stand):
        if name in lexical:
            spaces[name] = lexical[name]
        elif encoder is not None and name in offered:
            spaces[name], encoders[name] = offered[name], encoder.identity
        elif name in old.encoders:
            spaces[name], encoders[name] = old.spaces[name], old.encoders[name]
            if name in old.encoder_spaces:
                renamed[name] = old.encoder_spaces[name]
        else:
            there = ", ".join(sorted({*offered, *lexical, *old.encoders}))
            raise UsageError(f"--spaces: nothing fills {name!r}; choose among {there}, or name an --encoder for it.")
    if encoder is not None and not any(name in offered for name in encoders):
        raise UsageError(f"--spaces: {encoder.identity.name} fills none of them, but {', '.join(offered)}.")
    if "lsa" in spaces and "tfidf" not in spaces:
        raise UsageError("--spaces: lsa is made of TF-IDF; add tfidf to the spaces.")
    return spaces, encoders, renamed


def _splitter(
    old: CorpusManifest, options: CorpusOptions, encoders: dict[str, EncoderIdentity]
) -> tuple[SplitterSettings, bool]:
    """How passages are cut, and whether they are cut anew: only a named budget touches those that stand."""
    if options.max_tokens is None:
        return old.splitter, False
    wanted = SplitterSettings(max_tokens=options.max_tokens, counter="encoder" if encoders else "estimate")
    before, after = (next(iter(found.values()), None) for found in (old.encoders, encoders))
    same_counter = before is after or (before is not None and after is not None and same_encoder(before, after))
    return wanted, wanted != old.splitter or (wanted.counter == "encoder" and not same_counter)


def _fill(
    old: CorpusManifest, wanted: Rebuild, options: CorpusOptions, encoder: Encoder | None, encoded: Sequence[str]
) -> Fill | None:
    """What encodes these spaces, loaded; None where there are none."""
    if not encoded:
        if options.encoder_options and encoder is None:
            raise UsageError("No vector is encoded with these settings of an encoder; name it too, with --encoder.")
        return None
    only: dict[str, Any] = {
        "spaces": {name: wanted.spaces[name] for name in encoded},
        "encoders": {name: wanted.encoders[name] for name in encoded},
        "encoder_spaces": wanted.encoder_spaces,
    }
    manifest = old.model_copy(update=only)
    if encoder is None:
        recipe = FillRecipe(manifest, options=options.encoder_options)
    elif any(name in encoder.spaces for name in encoded):
        recipe = FillRecipe(manifest, options.encoder, _learned(options), options.encoder_options)
    else:
        recipe = FillRecipe(manifest)
    fill = recipe(encoder if recipe.encoder is not None else None)
    if wanted.resplit and wanted.splitter.max_tokens > fill.max_tokens:
        raise UsageError(
            f"--max-tokens {wanted.splitter.max_tokens}: the encoder {fill.identity.name} reads {fill.max_tokens} "
            f"tokens; give at most that."
        )
    return Fill(fill, recipe)


def _analyzer(old: CorpusManifest, options: CorpusOptions) -> AnalyzerSettings:
    """A preset that is named replaces the analyser whole; options without one change those recorded."""
    asked = options.analyzer
    if asked is None:
        return old.analyzer
    if isinstance(asked, str):
        asked = AnalyzerSettings(preset=asked)
    if "preset" not in asked.model_fields_set:
        asked = AnalyzerSettings(preset=old.analyzer.preset, options={**old.analyzer.options, **asked.options})
    options_of(asked)  # refuses what cannot be meant
    return asked


def _tfidf(old: CorpusManifest, options: CorpusOptions, analyzer: AnalyzerSettings) -> TfidfSettings:
    found, keep = old.tfidf, {"weighting": old.tfidf.weighting}
    if found == recommended_tfidf(old.analyzer.preset).model_copy(update=keep):
        found = recommended_tfidf(analyzer.preset).model_copy(update=keep)
    found = _merged(found, options.tfidf)
    return found.model_copy(update={"weighting": options.weighting}) if options.weighting else found


def _titles(old: CorpusManifest, options: CorpusOptions, analyzer: AnalyzerSettings) -> bool:
    if options.titles is not None:
        return options.titles
    by_default = old.titles == (old.analyzer.preset != "article")
    return analyzer.preset != "article" if by_default else old.titles


def _merged(recorded: Settings, given: Settings | None) -> Settings:
    """``recorded`` with the fields that were set in ``given``."""
    if given is None:
        return recorded
    changes = {name: getattr(given, name) for name in given.model_fields_set}
    return type(recorded).model_validate({**recorded.model_dump(), **changes})
