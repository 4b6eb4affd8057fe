"""Any sentence-transformers model, with its own pooling, prompts and limits.

Reimers & Gurevych 2019 (arXiv:1908.10084), https://sbert.net.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from encoders.batching import token_batches
from encoders.folder_facts import POOLINGS, check_pooling, positions, stated_prompts
from encoders.interruption import checkpoint
from encoders.model_files import Hub, folder_revision, loading, model_folder
from encoders.presets import Preset, preset_for, preset_of
from encoders.remote_code import check_trusted, has_own_code, trusted
from encoders.token_counts import TokenCounter, check_length, check_tokenizer, encodable, folder_counter, token_counts
from encoders.torch_device import choose_device, choose_precision, require_torch
from encoders.unit_rows import unit_rows
from schemas.errors import EncoderError
from schemas.manifest import EncoderIdentity
from schemas.spaces import DenseBatch, Space, SpaceKind, VectorBatch

_LEAST_ROOM = 8
"""Tokens of text that a window must hold."""


class SentenceTransformerEncoder:
    """Fills ``dense`` with unit vectors.

    Parameters
    ----------
    name : str
        What a corpus records; a preset's name brings that preset.
    model : str, optional
        A folder or hub id; the preset's by default.
    task : str, optional
        What the query asks for, in the person's own words, where the model takes an instruction.
    dimensions : int, optional
        A shorter vector: the first ``dimensions`` components, normalised again (Matryoshka, arXiv:2205.13147).
        For a preset one of its trained sizes.
    query_prompt, passage_prompt : str, optional
        Text before a query and a passage, instead of the preset's or of the model's own.
    pooling : {"mean", "cls", "lasttoken", "max"}, optional
        For a folder that states none.
    max_length : int, optional
        Tokens of one window; the model's own by default, more than it can take is refused. A longer
        text, a query too, is read in windows whose vectors are averaged by their lengths.
    hub, device, precision, token_budget
        As for ``encoders.bge_m3.BgeM3Encoder``.
    trust_remote_code : bool, optional
        Run the Python code that comes with the model; off unless ``XUNYI_TRUST_REMOTE_CODE`` says 1. No
        corpus records it: whoever made a corpus must not choose what runs where it is searched.

    Raises
    ------
    EncoderError
        The extra ``models`` or the files are missing, or an option does not fit the model.

    """

    def __init__(
        self,
        name: str,
        *,
        model: str | None = None,
        task: str | None = None,
        dimensions: int | None = None,
        query_prompt: str | None = None,
        passage_prompt: str | None = None,
        pooling: str | None = None,
        max_length: int | None = None,
        hub: Hub = "huggingface",
        device: str | None = None,
        precision: str = "auto",
        token_budget: int | None = None,
        trust_remote_code: bool | None = None,
    ) -> None:
        preset = preset_for(name) or preset_of(model or name)
        wanted = _model_of(name, model)
        trust = trusted(trust_remote_code)
        if preset and preset.remote_code:
            check_trusted(preset.model, preset.source, trust)
        require_torch()
        self._device = choose_device(device)
        self._precision = choose_precision(precision, self._device)
        self._budget = token_budget or (4096 if self._device == "cpu" else 65536)
        folder = model_folder(wanted, hub)
        if has_own_code(folder):
            check_trusted(wanted, str(folder), trust)
        if pooling is not None:
            check_pooling(folder, pooling)
        with loading(wanted):
            self._model = self._load(folder, pooling or (preset.pooling if preset else None), trust)
        self._tokenizer: Any = self._model.tokenizer
        if not callable(self._tokenizer):
            raise EncoderError(f"The model {wanted} has no tokenizer of transformers, so it cannot be run here.")
        check_tokenizer(self._tokenizer, folder)
        self._length = self._choose_length(max_length, preset, wanted)
        self._model.max_seq_length = self._length
        self._tasks = self._choose_tasks(preset)
        self._prompts = self._choose_prompts(folder, preset, task, query_prompt, passage_prompt)
        self._room = self._length - max(self._overhead(prompt) for prompt in self._prompts.values())
        if self._room < _LEAST_ROOM:
            raise EncoderError(
                f"A max_length of {self._length} leaves {max(0, self._room)} tokens for text beside the prompt and the "
                f"special tokens; take {self._length - self._room + _LEAST_ROOM} or more, or a shorter prompt."
            )
        self._dim = self._choose_dim(dimensions, preset, wanted)
        self._spaces = {"dense": Space(name="dense", kind=SpaceKind.DENSE, dim=self._dim)}
        given = {
            "model": str(folder) if Path(wanted).expanduser().is_dir() else model,
            "task": task, "dimensions": dimensions, "query_prompt": query_prompt, "passage_prompt": passage_prompt,
            "pooling": pooling, "max_length": max_length, "hub": hub if hub != "huggingface" else None,
        }  # fmt: skip
        self._identity = EncoderIdentity(
            name=name,
            revision=folder_revision(folder),
            prompts=self._prompts,
            precision=self._precision,
            options={key: value for key, value in given.items() if value is not None},
        )

    def _load(self, folder: Path, pooling: str | None, trust_remote_code: bool) -> Any:
        import torch
        from sentence_transformers import SentenceTransformer

        dtype = getattr(torch, self._precision)
        settings: dict[str, Any] = {"dtype": dtype}
        if (folder / "modules.json").is_file():
            return SentenceTransformer(
                str(folder), device=self._device, trust_remote_code=trust_remote_code, local_files_only=True,
                model_kwargs=settings,
            ).to(dtype).eval()  # fmt: skip
        if pooling is None:
            raise EncoderError(f"The folder {folder} does not state its pooling; name it: {', '.join(POOLINGS)}.")
        settings |= {"trust_remote_code": trust_remote_code, "local_files_only": True}
        modules = _modules()
        transformer = modules.Transformer(str(folder), model_kwargs=settings)
        pooler = modules.Pooling(transformer.auto_model.config.hidden_size, pooling)
        return SentenceTransformer(modules=[transformer, pooler], device=self._device).eval()

    def _choose_length(self, max_length: int | None, preset: Preset | None, model: str) -> int:
        """Tokens of one window: as asked, else the model's own, but no more than it has positions for."""
        own = self._model.max_seq_length or (preset.max_length if preset else None) or 512
        config = getattr(getattr(self._model[0], "auto_model", None), "config", None)
        limits = [preset.max_length if preset else 0, positions(config.to_dict()) if config else 0]
        most = min((limit for limit in limits if limit > 0), default=None)
        if max_length is None:
            return int(own if most is None else min(own, most))
        check_length(max_length, model, most)
        return max_length

    def _choose_tasks(self, preset: Preset | None) -> dict[str, str | None]:
        """What ``encode`` is told a text is for: an adapter of the preset, or a route of a two-sided model."""
        if preset and preset.query_task:
            return {"query": preset.query_task, "passage": preset.passage_task}
        routed = any(type(module).__name__ == "Router" for module in self._model)
        return {"query": "query", "passage": "document"} if routed else {}

    def _choose_prompts(
        self, folder: Path, preset: Preset | None, task: str | None, query: str | None, passage: str | None
    ) -> dict[str, str]:
        if task is not None and preset is None:
            raise EncoderError(
                "This model has no preset, so where its task goes is unknown; give query_prompt instead."
            )
        prompts = preset.prompts(task) if preset else stated_prompts(folder)
        return {
            "query": prompts["query"] if query is None else query,
            "passage": prompts["passage"] if passage is None else passage,
        }

    def _choose_dim(self, dim: int | None, preset: Preset | None, model: str) -> int:
        size = getattr(self._model, "get_embedding_dimension", None) or self._model.get_sentence_embedding_dimension
        full = int(size())
        if preset and full != preset.dim:
            raise EncoderError(
                f"The folder of {model} gives {full} dimensions, where {preset.model} has {preset.dim}: it holds "
                f"another model, or lacks a layer; fetch the whole model in sentence-transformers' layout."
            )
        if dim is None or dim == full:
            return full
        if preset and not preset.gives(dim):
            raise EncoderError(
                f"The model {model} gives {full} dimensions and was trained for {preset.sizes}; not {dim}."
            )
        if not 0 < dim < full:
            raise EncoderError(f"The model {model} gives {full} dimensions; {dim} cannot be had.")
        return dim

    @property
    def identity(self) -> EncoderIdentity:
        """Name, commit or hash of the weights, prompts, precision and options."""
        return self._identity

    @property
    def spaces(self) -> Mapping[str, Space]:
        """``dense`` alone."""
        return self._spaces

    @property
    def max_tokens(self) -> int:
        """Tokens of one window less the special ones and the longer prompt."""
        return self._room

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens and prompt left out."""
        return token_counts(self._tokenizer, texts)

    @staticmethod
    def token_counter(
        name: str,
        *,
        model: str | None = None,
        hub: Hub = "huggingface",
        trust_remote_code: bool | None = None,
        **_: Any,
    ) -> TokenCounter:
        """What counts as ``count_tokens`` does for these options, without the weights."""
        require_torch()
        folder = model_folder(_model_of(name, model), hub)
        trust = trusted(trust_remote_code)
        if has_own_code(folder):
            check_trusted(name, str(folder), trust)
        return folder_counter(folder, trust_remote_code=trust)

    def encode_passages(self, texts: Sequence[str]) -> dict[str, VectorBatch]:
        """``{"dense": float32 array of shape (n, dim)}`` for texts to be found."""
        return {"dense": self._encode(texts, "passage")}

    def encode_queries(self, texts: Sequence[str]) -> dict[str, VectorBatch]:
        """``{"dense": float32 array of shape (n, dim)}`` for questions."""
        return {"dense": self._encode(texts, "query")}

    def _overhead(self, prompt: str) -> int:
        return len(self._tokenizer(prompt)["input_ids"])

    def _encode(self, texts: Sequence[str], kind: str) -> DenseBatch:
        prompt, task = self._prompts[kind], self._tasks.get(kind)
        parts: list[str] = []
        owner: list[int] = []
        for index, (text, length) in enumerate(zip(texts, self.count_tokens(texts), strict=True)):
            # Text and prompt may share a token where they meet, so only a clear distance is believed.
            found = [encodable(text)] if length < self._room - 4 else self._windows(encodable(text), prompt)
            parts += found
            owner += [index] * len(found)
        lengths = self.count_tokens(parts)
        overhead = self._overhead(prompt)
        extra = {"task": task} if task else {}
        total = np.zeros((len(texts), self._dim), dtype=np.float32)
        for batch in token_batches([length + overhead for length in lengths], self._budget):
            checkpoint()
            vectors = self._model.encode(
                [parts[i] for i in batch], prompt=prompt, batch_size=len(batch),
                convert_to_numpy=True, show_progress_bar=False, **extra,
            )  # fmt: skip
            rows = unit_rows(np.asarray(vectors, dtype=np.float32)[:, : self._dim])
            for position, row in zip(batch, rows, strict=True):
                total[owner[position]] += row * np.float32(max(lengths[position], 1))
        return unit_rows(total)

    def _windows(self, text: str, prompt: str) -> list[str]:
        """Cut a text into pieces that fit behind the prompt as the tokenizer reads them alone; none is lost."""
        if len(self._tokenizer(prompt + text, verbose=False)["input_ids"]) <= self._length or len(text) < 2:
            return [text]
        if not getattr(self._tokenizer, "is_fast", False):
            raise EncoderError(
                f"A text of {len(text)} characters is beyond the model's {self.max_tokens} tokens; split it first."
            )
        spans = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        # Two tokens less than there is room for: a piece alone may begin with a blank of its own.
        starts = [start for start, _ in spans["offset_mapping"]][:: self._room - 2]
        cuts = sorted({start for start in starts if 0 < start < len(text)}) or [len(text) // 2]
        return [part for a, b in pairwise([0, *cuts, len(text)]) for part in self._windows(text[a:b], prompt)]


def _modules() -> Any:
    # Version 6 moved the building blocks.
    try:
        return import_module("sentence_transformers.sentence_transformer.modules")
    except ImportError:
        return import_module("sentence_transformers.models")


def _model_of(name: str, model: str | None) -> str:
    """The folder or hub id: as given, else the preset's."""
    preset = preset_for(name) or preset_of(name)
    return model or (preset.model if preset else name)
