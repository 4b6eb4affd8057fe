"""Python code that comes with a model: found before anything loads, and run only where a person said so."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.errors import EncoderError

VARIABLE = "XUNYI_TRUST_REMOTE_CODE"
"""Set to 1, it trusts the models that are loaded in this environment; no corpus can set it."""


def trusted(option: bool | None) -> bool:
    """The option where it was given, else whether the environment trusts."""
    if option is not None:
        return option
    return os.environ.get(VARIABLE, "").strip().lower() in {"1", "true", "yes"}


def check_trusted(model: str, source: str, trust: bool) -> None:
    """Refuse a model's own code unless ``trust``, and say what running it would mean.

    Raises
    ------
    EncoderError
        It is not trusted.

    """
    if not trust:
        raise EncoderError(
            f"The model {model} comes with Python code of its own, which would run here with all your rights: read "
            f"and change your files, use your keys, reach the network; read it at {source}, then turn it on with "
            f"--trust-remote-code or {VARIABLE}=1, or take another model."
        )


def has_own_code(folder: Path) -> bool:
    """Whether a model's configuration names Python code that is not the libraries' own.

    transformers' ``auto_map`` counts also where the library knows the architecture: it would then
    load that one, whose attention or pooling may differ from what the model was trained with.
    """
    if any(_read(folder / name).get("auto_map") for name in ("config.json", "tokenizer_config.json")):
        return True
    modules = _read(folder / "modules.json", list)
    return any(
        isinstance(module, dict) and not str(module.get("type", "")).startswith("sentence_transformers.")
        for module in modules
    )


def _read(path: Path, kind: type[Any] = dict) -> Any:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return kind()
    empty: Mapping[str, Any] | list[Any] = kind()
    return found if isinstance(found, kind) else empty
