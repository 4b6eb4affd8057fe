"""BGE-M3: dense, learned sparse and multi-vector views of a text in one pass.

Chen et al. 2024, "M3-Embedding" (arXiv:2402.03216), https://huggingface.co/BAAI/bge-m3: an XLM-RoBERTa of
1024 dimensions and 8192 positions; dense is the first token, sparse ``relu(W h)`` by token with the
maximum over its occurrences, ColBERT ``W h`` of every token after the first. Licence MIT.
The figures are those of FlagEmbedding's ``BGEM3FlagModel.encode``; the pass is our own, so that batches
follow a token budget, hold no padding on a CPU, and only the heads that are asked for are computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from encoders.batching import token_batches, windows
from encoders.interruption import checkpoint
from encoders.model_files import Hub, folder_revision, loading, model_folder
from encoders.token_counts import TokenCounter, check_length, check_tokenizer, folder_counter, token_counts, token_ids
from encoders.torch_device import INT8, choose_device, choose_precision, one_thread_each, require_torch
from encoders.unit_rows import unit_rows
from encoders.xlmr_packed import PackedXlmRoberta
from schemas.errors import EncoderError
from schemas.manifest import EncoderIdentity
from schemas.spaces import MultiBatch, Space, SpaceKind, SparseBatch, VectorBatch

HEADS = ("dense", "sparse", "colbert")
"""The spaces that the model can fill."""

DEFAULT_MODEL = "BAAI/bge-m3"
"""Its id on Hugging Face and on ModelScope."""

DEFAULT_LENGTH = 8192
"""Tokens of one window; less in a folder with fewer positions."""


class BgeM3Encoder:
    """Fills ``dense``, ``sparse`` and, when asked, ``colbert``.

    Parameters
    ----------
    model : str, default "BAAI/bge-m3"
        A folder in BGE-M3's layout, or a hub id whose files are on this machine.
    heads : sequence of str, default ("dense", "sparse")
        Which of ``dense``, ``sparse`` and ``colbert`` to compute.
    hub : {"huggingface", "modelscope"}, default "huggingface"
        Whose cache a hub id is looked up in.
    max_length : int, default 8192
        Tokens of one window, the two special ones included. A longer text is read in windows: dense
        is their mean by length, sparse their maximum, ColBERT their rows in order.
    device : str, optional
        ``cuda``, ``mps`` or ``cpu``; the best that is there by default.
    precision : {"auto", "float32", "bfloat16", "float16", "int8"}, default "auto"
        CUDA float16, CPU bfloat16 where the processor has the instructions, else float32. ``int8`` runs
        on a CPU, is the fastest there and makes a space of its own (``encoders.int8_products``).
    token_budget : int, optional
        Tokens of one batch with its padding; 1024 on a CPU and 65536 elsewhere by default.
    name : str, default "bge-m3"
        What a corpus records.

    Raises
    ------
    EncoderError
        The extra ``models``, the files or a head are missing, or an option cannot be meant.

    """

    def __init__(
        self,
        *,
        model: str = DEFAULT_MODEL,
        heads: Sequence[str] = ("dense", "sparse"),
        hub: Hub = "huggingface",
        max_length: int = DEFAULT_LENGTH,
        device: str | None = None,
        precision: str = "auto",
        token_budget: int | None = None,
        name: str = "bge-m3",
    ) -> None:
        heads = [head.strip() for head in heads.split(",")] if isinstance(heads, str) else heads
        if not heads or set(heads) - set(HEADS):
            raise EncoderError(f"BGE-M3 has the heads {', '.join(HEADS)}; {', '.join(heads) or 'none'} was asked for.")
        self._torch = require_torch()
        self._heads = [head for head in HEADS if head in heads]
        self._device, self._precision = _place(device, precision)
        self._budget = token_budget or (1024 if self._device == "cpu" else 65536)
        folder = model_folder(model, hub)
        with loading(model):
            self._load(folder)
        most = int(self._model.config.max_position_embeddings) - self._pad - 1
        # The default stands in corpora of folders with fewer positions, and means all that there are.
        if max_length != DEFAULT_LENGTH:
            check_length(max_length, model, most)
        self._max_length = min(max_length, most)
        if self._max_length < 3:
            raise EncoderError(f"A max_length of {max_length} leaves no room for text; take 512 to 8192.")
        options: dict[str, Any] = {"heads": self._heads, "max_length": max_length}
        if model != DEFAULT_MODEL:
            options["model"] = str(folder) if Path(model).expanduser().is_dir() else model
        if hub != "huggingface":
            options["hub"] = hub
        self._identity = EncoderIdentity(
            name=name, revision=folder_revision(folder), precision=self._precision, options=options
        )

    def _load(self, folder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        torch = self._torch
        int8 = self._precision == INT8
        dtype = getattr(torch, choose_precision("auto", "cpu") if int8 else self._precision)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        check_tokenizer(self._tokenizer, folder)
        model: Any = AutoModel.from_pretrained(folder, dtype=dtype, local_files_only=True, add_pooling_layer=False)
        self._model: Any = model.to(self._device).eval()
        fits = PackedXlmRoberta.fits(model)
        if int8 and not fits:
            raise EncoderError(f"The folder {folder} holds no XLM-RoBERTa, which int8 is for; leave out the precision.")
        self._packed = PackedXlmRoberta(model, int8=int8) if self._device == "cpu" and fits else None
        self._pad = int(self._tokenizer.pad_token_id)
        tokenizer = self._tokenizer
        self._silent = {
            tokenizer.cls_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id
        }  # fmt: skip
        self._linear = {head: self._head(folder, head, dtype) for head in self._heads if head != "dense"}

    def _head(self, folder: Path, head: str, dtype: Any) -> Any:
        path = folder / f"{head}_linear.pt"
        if not path.is_file():
            raise EncoderError(f"The folder {folder} has no {path.name}; fetch the whole model, or leave out {head}.")
        weights = self._torch.load(path, map_location="cpu", weights_only=True)
        rows, columns = weights["weight"].shape
        if columns != self._model.config.hidden_size:
            raise EncoderError(
                f"{path} is of another model: it takes {columns} dimensions, where this one has "
                f"{self._model.config.hidden_size}; fetch the whole model again."
            )
        linear = self._torch.nn.Linear(columns, rows)
        linear.load_state_dict(weights)
        return linear.to(self._device, dtype).eval()

    @property
    def identity(self) -> EncoderIdentity:
        """Name, commit or hash of the weights, precision, heads and window."""
        return self._identity

    @property
    def spaces(self) -> Mapping[str, Space]:
        """The heads that were asked for."""
        hidden = int(self._model.config.hidden_size)
        sizes = {"dense": hidden, "sparse": None}
        if "colbert" in self._linear:
            sizes["colbert"] = int(self._linear["colbert"].out_features)
        kinds = {"dense": SpaceKind.DENSE, "sparse": SpaceKind.SPARSE, "colbert": SpaceKind.MULTI}
        return {head: Space(name=head, kind=kinds[head], dim=sizes[head]) for head in self._heads}

    @property
    def max_tokens(self) -> int:
        """Tokens of one window less the two special ones."""
        return self._max_length - 2

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens left out."""
        return token_counts(self._tokenizer, texts)

    @staticmethod
    def token_counter(*, model: str = DEFAULT_MODEL, hub: Hub = "huggingface", **_: Any) -> TokenCounter:
        """What counts as ``count_tokens`` does for these options, without the weights."""
        require_torch()
        return folder_counter(model_folder(model, hub))

    def encode_passages(self, texts: Sequence[str]) -> dict[str, VectorBatch]:
        """Arrays ``dense`` (n, 1024), ``sparse`` CSR (n, vocabulary), ``colbert`` n of (tokens, 1024)."""
        return self._encode(texts)

    def encode_queries(self, texts: Sequence[str]) -> dict[str, VectorBatch]:
        """As ``encode_passages``: the model takes no prompt (its model card)."""
        return self._encode(texts)

    def _encode(self, texts: Sequence[str]) -> dict[str, VectorBatch]:
        parts: list[Sequence[int]] = []
        owner: list[int] = []
        for index, ids in enumerate(token_ids(self._tokenizer, texts)):
            for part in windows(ids, self.max_tokens):
                parts.append(part)
                owner.append(index)
        found: list[dict[str, Any]] = [{} for _ in parts]
        batches = token_batches([len(part) + 2 for part in parts], self._budget)
        todo = [[parts[i] for i in batch] for batch in batches]
        forward = one_thread_each(self._torch, self._forward) if self._packed and len(todo) > 1 else None
        for batch, done in zip(batches, forward(todo) if forward else map(self._forward, todo), strict=True):
            checkpoint()
            for position, views in zip(batch, done, strict=True):
                found[position] = views
        return self._assembled(len(texts), parts, owner, found)

    def _forward(self, batch: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
        with self._torch.inference_mode():
            return self._views([[self._tokenizer.cls_token_id, *ids, self._tokenizer.eos_token_id] for ids in batch])

    def _views(self, rows: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
        torch = self._torch
        state = self._packed.states(rows) if self._packed else self._padded_states(rows)
        bounds = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).tolist()
        views: list[dict[str, Any]] = [{} for _ in rows]
        if "dense" in self._heads:
            for view, vector in zip(views, _unit(torch, state[bounds[:-1]]), strict=True):
                view["dense"] = vector
        if "sparse" in self._heads:
            weights = torch.relu(self._linear["sparse"](state)).float().cpu().numpy()[:, 0]
            for view, row, start in zip(views, rows, bounds, strict=False):
                view["sparse"] = self._token_weights(row, weights[start : start + len(row)])
        if "colbert" in self._heads:
            vectors = _unit(torch, self._linear["colbert"](state))
            for view, row, start in zip(views, rows, bounds, strict=False):
                view["colbert"] = vectors[start + 1 : start + len(row)].copy()
        return views

    def _padded_states(self, rows: Sequence[Sequence[int]]) -> Any:
        torch = self._torch
        width = max(map(len, rows))
        padded = torch.tensor([[*row, *[self._pad] * (width - len(row))] for row in rows], device=self._device)
        lengths = torch.tensor([len(row) for row in rows], device=self._device)
        mask = torch.arange(width, device=self._device) < lengths[:, None]
        return self._model(input_ids=padded, attention_mask=mask.long()).last_hidden_state[mask]

    def _token_weights(self, row: Sequence[int], weights: npt.NDArray[np.float32]) -> dict[int, float]:
        best: dict[int, float] = {}
        for token, weight in zip(row, weights.tolist(), strict=True):
            if weight > best.get(token, 0.0) and token not in self._silent:
                best[token] = weight
        return best

    def _assembled(
        self, count: int, parts: Sequence[Sequence[int]], owner: Sequence[int], found: Sequence[Mapping[str, Any]]
    ) -> dict[str, VectorBatch]:
        result: dict[str, VectorBatch] = {}
        if "dense" in self._heads:
            dense = np.zeros((count, int(self._model.config.hidden_size)), dtype=np.float32)
            for index, part, view in zip(owner, parts, found, strict=True):
                dense[index] += view["dense"] * np.float32(max(len(part), 1))
            result["dense"] = unit_rows(dense)
        if "sparse" in self._heads:
            weights: list[dict[int, float]] = [{} for _ in range(count)]
            for index, view in zip(owner, found, strict=True):
                for token, weight in view["sparse"].items():
                    weights[index][token] = max(weight, weights[index].get(token, 0.0))
            result["sparse"] = _sparse_rows(weights, int(self._model.config.vocab_size))
        if "colbert" in self._heads:
            blocks: list[list[npt.NDArray[np.float32]]] = [[] for _ in range(count)]
            for index, view in zip(owner, found, strict=True):
                blocks[index].append(view["colbert"])
            multi: MultiBatch = [np.concatenate(rows) for rows in blocks]
            result["colbert"] = multi
        return result


def _place(device: str | None, precision: str) -> tuple[str, str]:
    """Resolve device and precision; int8 alone decides the device."""
    if precision != INT8:
        device = choose_device(device)
        return device, choose_precision(precision, device)
    if device not in {None, "cpu"}:
        raise EncoderError(f"int8 runs on a CPU only, not on {device}; leave out the device or the precision.")
    return "cpu", INT8


def _unit(torch: Any, vectors: Any) -> npt.NDArray[np.float32]:
    result: npt.NDArray[np.float32] = torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()
    return result


def _sparse_rows(weights: Sequence[Mapping[int, float]], vocabulary: int) -> SparseBatch:
    rows = [sorted(row.items()) for row in weights]
    bounds = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    indices = np.array([token for row in rows for token, _ in row], dtype=np.int64)
    values = np.array([weight for row in rows for _, weight in row], dtype=np.float32)
    return csr_array((values, indices, bounds), shape=(len(rows), vocabulary))
