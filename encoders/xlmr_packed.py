"""XLM-RoBERTa's forward pass over texts laid end to end: no padding, each text attends to itself alone.

Conneau et al. 2020 (arXiv:1911.02116). The weights are those of a loaded transformers model; on a CPU,
where padding costs as much as text, this is the whole gain over the library's own forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any


class PackedXlmRoberta:
    """Runs a loaded ``XLMRobertaModel`` without padding.

    Parameters
    ----------
    model : transformers.XLMRobertaModel
        In evaluation mode, with the activation ``gelu``; its weights are shared, not copied, but for
        the query, key and value matrices, which are joined into one product.

    """

    def __init__(self, model: Any) -> None:
        import torch

        self._torch = torch
        self._embeddings = model.embeddings
        self._layers = list(model.encoder.layer)
        self._heads = int(model.config.num_attention_heads)
        self._first_position = int(model.config.pad_token_id) + 1
        self._joined = []
        for layer in self._layers:
            parts = [getattr(layer.attention.self, name) for name in ("query", "key", "value")]
            self._joined.append((torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts])))

    @staticmethod
    def fits(model: Any) -> bool:
        """Whether ``model`` is laid out as this pass expects."""
        return bool(model.config.model_type == "xlm-roberta" and model.config.hidden_act == "gelu")

    def states(self, rows: Sequence[Sequence[int]]) -> Any:
        """Last hidden states of all tokens, a tensor of shape ``(tokens of all rows, hidden)``."""
        torch, function = self._torch, self._torch.nn.functional
        bounds = [0]
        for row in rows:
            bounds.append(bounds[-1] + len(row))
        ids = torch.tensor([token for row in rows for token in row])
        positions = torch.cat([torch.arange(len(row)) for row in rows]) + self._first_position
        table = self._embeddings
        state = (
            table.word_embeddings(ids) + table.token_type_embeddings.weight[0] + table.position_embeddings(positions)
        )
        state = table.LayerNorm(state)
        context = torch.empty_like(state)
        for layer, (weight, bias) in zip(self._layers, self._joined, strict=True):
            mixed = function.linear(state, weight, bias).view(len(ids), 3, self._heads, -1)
            for start, stop in pairwise(bounds):
                query, key, value = mixed[start:stop].permute(1, 2, 0, 3).unsqueeze(1)
                found = function.scaled_dot_product_attention(query, key, value)
                context[start:stop] = found[0].transpose(0, 1).flatten(1)
            attended = layer.attention.output
            state = attended.LayerNorm(attended.dense(context) + state)
            wide = function.gelu(layer.intermediate.dense(state))
            state = layer.output.LayerNorm(layer.output.dense(wide) + state)
        return state
