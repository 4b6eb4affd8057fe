"""Which encoder an ingest uses: the one that is asked for, or those that the corpus records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Protocol, runtime_checkable

from encoders.base import Encoder
from encoders.learned import LearnedEncoders
from encoders.model_files import looks_like_path
from encoders.registry import DEFAULT_ENCODER, counter_from_identity, get_encoder
from encoders.token_counts import TokenCounter
from schemas.errors import EncoderMismatch
from schemas.ingest import LEXICAL_SPACES, CorpusOptions
from schemas.manifest import CorpusManifest
from schemas.spaces import SpaceKind, VectorBatch

Vectors = Callable[[], Mapping[str, VectorBatch]]
"""Gives the vectors of a batch's passages in the spaces that are not lexical, waiting for them if it must."""


@runtime_checkable
class EncodesAhead(Protocol):
    """An encoder elsewhere, which works on several batches at a time."""

    @property
    def ahead(self) -> int:
        """Batches that may wait or be worked on besides the one whose vectors are wanted next."""
        ...

    def submit(self, texts: Sequence[str]) -> Vectors:
        """Begin to encode passages; gives what waits for their vectors."""
        ...


@dataclass(frozen=True)
class EncoderRecipe:
    """Loads the encoders of a corpus in whatever process it is called; each must be the one that is recorded.

    ``options`` say where they run, and what one of them is called by now.
    """

    manifest: CorpusManifest
    options: CorpusOptions

    def __call__(self) -> Encoder:
        """The encoders, as one."""
        found = encoders_of(self.manifest, self.options)
        assert found is not None
        return found


@dataclass(frozen=True)
class FillRecipe:
    """Loads what encodes certain spaces of a corpus that stands, in whatever process it is called.

    ``manifest`` records these spaces and their encoders and no others. ``encoder`` names the one that is loaded by
    name, with the ``spaces`` that it is to make and its ``options``; without one all are loaded as they are recorded,
    and ``options`` say where they run.
    """

    manifest: CorpusManifest
    encoder: str | None = None
    spaces: tuple[str, ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, given: Encoder | None = None) -> LearnedEncoders:
        """The encoders, as one; ``given`` is the named one, where it is loaded already."""
        if given is None and self.encoder is not None:
            given = get_encoder(self.encoder, spaces=self.spaces, **self.options)
        found = LearnedEncoders(self.manifest, given=given, options=None if self.encoder else self.options)
        # One that is missing, or is another by now, is met before anything is written.
        found.load()
        return found


@dataclass(frozen=True)
class Fill:
    """What encodes spaces of a corpus that stands: loaded here, and how another process loads it."""

    here: LearnedEncoders
    load: FillRecipe


def passage_bytes(encoder: Encoder, tokens: int) -> int:
    """Bytes that the vectors of a passage take, roughly; it is reckoned to have ``tokens`` in a multi-vector space."""
    numbers = sum(
        (space.dim or 0) * (tokens if space.kind is SpaceKind.MULTI else 1) for space in encoder.spaces.values()
    )
    return max(numbers * 4, 1000)


def begin_encoding(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    """Begin to encode passages where that is done elsewhere; else they are encoded when their vectors are wanted."""
    return encoder.submit(texts) if isinstance(encoder, EncodesAhead) else partial(encoder.encode_passages, texts)


def batches_ahead(encoder: Encoder | None) -> int:
    """Batches that an encoder can have in hand besides the one whose vectors are wanted next."""
    return encoder.ahead if isinstance(encoder, EncodesAhead) else 0


def encodes_beside(encoder: Encoder) -> bool:
    """Whether passages can be encoded in a thread while others are still split by the encoder's tokens.

    Not by an API: what it has been paid for is to be written soon, and not lost with a run that is killed.
    """
    return _counts_beside(encoder) or hasattr(type(encoder), "token_counter")


def counter_beside(encoder: Encoder) -> TokenCounter:
    """What counts tokens while ``encoder`` is at work: its own tokenizer may be in the middle of a text."""
    if _counts_beside(encoder):
        return encoder.count_tokens
    load = cache(lambda: counter_from_identity(encoder.identity))
    return lambda texts: load()(texts)


def _counts_beside(encoder: Encoder) -> bool:
    return bool(getattr(encoder, "counts_beside", False))


def encoder_for(options: CorpusOptions) -> Encoder | None:
    """Load the encoder of a new corpus; None where it is to have lexical spaces only."""
    if options.spaces and all(space in LEXICAL_SPACES for space in options.spaces):
        return None
    return get_encoder(options.encoder or DEFAULT_ENCODER, spaces=options.spaces, **options.encoder_options)


def encoders_of(manifest: CorpusManifest, options: CorpusOptions) -> LearnedEncoders | None:
    """Load the encoders of a corpus that stands; None where it has lexical spaces only.

    ``options`` may name one of them again, as from a folder that has moved, and say where they run.

    Raises
    ------
    EncoderMismatch
        The encoder asked for made no space of the corpus, or one that it records is another by now.

    """
    if not manifest.encoders:
        if options.encoder is not None:
            raise EncoderMismatch(
                f"The corpus {manifest.corpus!r} has no learned space, so --encoder {options.encoder} has nothing to "
                f"fill; add one with: xunyi spaces add {manifest.corpus} {options.encoder}"
            )
        return None
    if options.encoder is None:
        found = LearnedEncoders(manifest, options=options.encoder_options)
    else:
        _check_name(manifest, options.encoder)
        own = [manifest.encoder_spaces.get(space, space) for space in manifest.encoders]
        given = get_encoder(options.encoder, spaces=own, **options.encoder_options)
        found = LearnedEncoders(manifest, given=given)
    found.load()
    return found


def tokens_sent(encoder: Encoder | None) -> int:
    """The tokens that an encoder's API counted; 0 for one that runs here."""
    return int(getattr(encoder, "tokens_sent", 0))


def _check_name(manifest: CorpusManifest, name: str) -> None:
    """Refuse another name before a model is loaded, which may be large or not here; a folder must be looked at."""
    wanted = DEFAULT_ENCODER if name == "bundled" else name
    recorded = {identity.name for identity in manifest.encoders.values()}
    if looks_like_path(name) or any(looks_like_path(other) for other in recorded):
        return
    if wanted.lower() not in {other.lower() for other in recorded}:
        raise EncoderMismatch(
            f"The corpus {manifest.corpus!r} was made with the encoder {' and '.join(sorted(recorded))}, not {name}; "
            f"leave out --encoder, ingest into a new corpus, or add spaces with: "
            f"xunyi spaces add {manifest.corpus} {name}"
        )
