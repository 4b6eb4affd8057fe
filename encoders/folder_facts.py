"""What a model's folder says of itself, read from its small files: nothing is loaded and no code of its own runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoders.model_files import WEIGHT_PATTERNS, has_weights
from schemas.errors import EncoderError

POOLINGS = ("mean", "cls", "lasttoken", "max")
"""What ``pooling`` may be, for a folder that states none."""

_UNSET_LENGTH = 1_000_000
"""Above this a tokenizer's ``model_max_length`` is transformers' mark for "not stated"."""

_WIDTHS = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}


@dataclass(frozen=True)
class FolderFacts:
    """Dimension, tokens, pooling and prompts as the files state them; bytes as they lie on disk.

    ``weights`` are the bytes of the weights in float32, whatever they are stored in; 0 and "" mean
    that no file states it.
    """

    dim: int
    max_length: int
    pooling: str
    query: str
    passage: str
    spaces: tuple[str, ...]
    licence: str
    disk: int
    weights: int


def folder_facts(folder: Path) -> FolderFacts:
    """Read a folder in BGE-M3's, sentence-transformers' or bare transformers' layout.

    Raises
    ------
    EncoderError
        It holds no model.

    """
    config = _read(folder / "config.json", dict)
    if not config or not has_weights(folder):
        missing = "no weights (*.safetensors, *.bin, *.pt)" if config else "no config.json"
        raise EncoderError(f"The folder {folder} holds {missing}, so it is no model's; name a model's folder.")
    if (folder / "sparse_linear.pt").is_file():
        spaces: tuple[str, ...] = ("dense", "sparse", "colbert")
        dim, length, pooling = _number(config.get("hidden_size")), positions(config), "cls"
    else:
        spaces = ("dense",)
        dim, length, pooling = _sentence_layout(folder, config)
    prompts = stated_prompts(folder)
    return FolderFacts(
        dim=dim,
        max_length=length,
        pooling=pooling,
        query=prompts["query"],
        passage=prompts["passage"],
        spaces=spaces,
        licence=_licence(folder / "README.md"),
        disk=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        weights=_weight_bytes(folder) * 4 // _WIDTHS.get(str(config.get("dtype") or config.get("torch_dtype")), 4),
    )


def _sentence_layout(folder: Path, config: dict[str, Any]) -> tuple[int, int, str]:
    """Dimension, tokens and pooling; a dense layer after the pooling has the last word on the dimension."""
    dim, pooling = _number(config.get("hidden_size")), ""
    for module in _read(folder / "modules.json", list):
        kind = str(module.get("type", "")).rpartition(".")[2] if isinstance(module, dict) else ""
        own = _read(folder / str(module.get("path", "")) / "config.json", dict) if kind else {}
        if kind == "Pooling":
            pooling = _pooling(own)
        elif kind == "Dense":
            dim = _number(own.get("out_features")) or dim
    stated = _number(_read(folder / "sentence_bert_config.json", dict).get("max_seq_length"))
    read = _number(_read(folder / "tokenizer_config.json", dict).get("model_max_length"))
    own = stated or (read if 0 < read < _UNSET_LENGTH else 0)
    # What a tokenizer states may be more than the transformer has positions for.
    return dim, min(filter(None, (own, positions(config))), default=0), pooling


def check_pooling(folder: Path, asked: str) -> None:
    """Refuse a pooling that there is not, or that is another than a folder's own, which nothing overrides.

    Raises
    ------
    EncoderError
        With what may be asked for.

    """
    if asked not in POOLINGS:
        raise EncoderError(f"There is no pooling {asked!r}; choose one of {', '.join(POOLINGS)}.")
    if not (folder / "modules.json").is_file():
        return
    own = _sentence_layout(folder, {})[2] or "none, but layers of its own"
    if asked != own:
        raise EncoderError(
            f"The folder {folder} states its pooling: {own}; leave out pooling={asked}, which is for folders that "
            f"state none."
        )


def _pooling(config: dict[str, Any]) -> str:
    if mode := config.get("pooling_mode"):
        return "+".join(mode) if isinstance(mode, list) else str(mode)
    modes = [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
    return "+".join(key.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token") for key in modes)


_ROLES = {"query": ("query",), "passage": ("passage", "document", "corpus")}


def stated_prompts(folder: Path) -> dict[str, str]:
    """Give the texts before a query and before a passage that a folder's sentence-transformers file states.

    An empty prompt is a statement too: that role has none. A role without a statement takes the file's
    default prompt, unless that is named for the other role.
    """
    stated = _read(folder / "config_sentence_transformers.json", dict)
    prompts: dict[str, Any] = stated["prompts"] if isinstance(stated.get("prompts"), dict) else {}
    default = stated.get("default_prompt_name")
    shared = prompts.get(default) if all(default not in names for names in _ROLES.values()) else None

    def first(role: str) -> str:
        found = [prompts[name] for name in _ROLES[role] if prompts.get(name) is not None]
        # Where several names are there, those without text are the library's own placeholders.
        return str(next(filter(None, found), "") if found else shared or "")

    return {role: first(role) for role in _ROLES}


def positions(config: Mapping[str, Any]) -> int:
    """Tokens that a transformers configuration has positions for, special ones included; 0 if it states none."""
    found = _number(config.get("max_position_embeddings"))
    # RoBERTa and its kin count positions from behind the padding's id.
    kin = any(name in str(config.get("model_type")) for name in ("roberta", "camembert", "mpnet"))
    return max(0, found - (_number(config.get("pad_token_id")) + 1 if kin else 0))


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _licence(card: Path) -> str:
    """The licence in the head of a model card."""
    try:
        head = card.read_text(encoding="utf-8", errors="replace").split("---")[1]
    except (OSError, IndexError):
        return ""
    lines = (line.partition(":") for line in head.splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == "license"), "")


def _weight_bytes(folder: Path) -> int:
    """Bytes of the weights, once: many folders hold the same ones as safetensors and as bin."""
    for pattern in WEIGHT_PATTERNS:
        if found := sum(path.stat().st_size for path in folder.rglob(pattern)):
            return found
    return 0


def _read(path: Path, kind: type[Any]) -> Any:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return kind()
    return found if isinstance(found, kind) else kind()
