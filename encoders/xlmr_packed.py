"""XLM-RoBERTa's forward pass over texts laid end to end: no padding, each text attends to itself alone.

Conneau et al. 2020 (arXiv:1911.02116). The weights are those of a loaded transformers model; on a CPU,
where padding costs as much as text, this is most of the gain over the library's own forward. In bfloat16
the matrices are also laid out once as oneDNN multiplies them, which torch otherwise does at every call,
and GELU runs inside the product it follows. On request the matrices are held and multiplied in 8 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from encoders.int8_products import int8_product

LONGEST_PLAIN_ATTENTION = 1024
"""Tokens of a text up to which its whole attention matrix is held (32 MB in bfloat16 with 16 heads)."""


class PackedXlmRoberta:
    """Runs a loaded ``XLMRobertaModel`` without padding.

    Parameters
    ----------
    model : transformers.XLMRobertaModel
        In evaluation mode, with the activation ``gelu``. Its weights are shared, not copied, but for the
        query, key and value matrices, which are joined into one product. In bfloat16 and int8 they are
        moved: the layers of ``model`` are left without their matrices, so that memory holds them once.
    int8 : bool, default False
        Multiply by the layers' matrices in 8-bit integers; attention, norms and embeddings keep the
        model's own numbers.

    """

    def __init__(self, model: Any, *, int8: bool = False) -> None:
        import torch

        self._torch = torch
        self._int8 = int8
        self._embeddings = model.embeddings
        self._layers = list(model.encoder.layer)
        self._heads = int(model.config.num_attention_heads)
        self._first_position = int(model.config.pad_token_id) + 1
        self._half = self._embeddings.word_embeddings.weight.dtype == torch.bfloat16
        self._products = [self._layer_products(layer) for layer in self._layers]

    @staticmethod
    def fits(model: Any) -> bool:
        """Whether ``model`` is laid out as this pass expects."""
        return bool(model.config.model_type == "xlm-roberta" and model.config.hidden_act == "gelu")

    def states(self, rows: Sequence[Sequence[int]]) -> Any:
        """Last hidden states of all tokens, a tensor of shape ``(tokens of all rows, hidden)``."""
        torch = self._torch
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
        for layer, (join, attend, widen, narrow) in zip(self._layers, self._products, strict=True):
            mixed = join(state).view(len(ids), 3, self._heads, -1)
            for start, stop in pairwise(bounds):
                context[start:stop] = self._attention(mixed[start:stop])
            state = layer.attention.output.LayerNorm(attend(context) + state)
            state = layer.output.LayerNorm(narrow(widen(state)) + state)
        return state

    def _attention(self, mixed: Any) -> Any:
        """Attention of one text: ``(tokens, 3, heads, head size)`` to ``(tokens, hidden)``."""
        torch = self._torch
        query, key, value = mixed.permute(1, 2, 0, 3)
        if self._half and len(mixed) <= LONGEST_PLAIN_ATTENTION:
            # Two batched products: torch's fused attention runs at two thirds of their speed in bfloat16.
            scaled = query.contiguous() * query.shape[-1] ** -0.5
            weights = torch.softmax(torch.bmm(scaled, key.contiguous().transpose(1, 2)), -1)
            found = torch.bmm(weights, value.contiguous())
        else:
            found = torch.nn.functional.scaled_dot_product_attention(query[None], key[None], value[None])[0]
        return found.transpose(0, 1).flatten(1)

    def _layer_products(self, layer: Any) -> tuple[Callable[[Any], Any], ...]:
        """The four products of a layer: query-key-value, attention output, wide with GELU, narrow."""
        parts = [getattr(layer.attention.self, name) for name in ("query", "key", "value")]
        return (
            self._product(parts),
            self._product([layer.attention.output.dense]),
            self._product([layer.intermediate.dense], gelu=True),
            self._product([layer.output.dense]),
        )

    def _product(self, parts: Sequence[Any], *, gelu: bool = False) -> Callable[[Any], Any]:
        torch = self._torch
        with torch.no_grad():
            weight = torch.cat([part.weight for part in parts]) if len(parts) > 1 else parts[0].weight.detach()
            bias = torch.cat([part.bias for part in parts]) if len(parts) > 1 else parts[0].bias.detach()
            if self._int8:
                product = int8_product(weight, bias)
                for part in parts:
                    part.weight = None
                return (lambda state: torch.nn.functional.gelu(product(state))) if gelu else product
            if self._half and _can_pack(torch):
                packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), 1024)
                for part in parts:
                    part.weight = None
                fused = torch.ops.mkldnn._linear_pointwise
                names: tuple[Any, ...] = ("gelu", [], "none") if gelu else ("none", [], "")
                return lambda state: fused(state, packed, bias, *names)
        linear, activation = torch.nn.functional.linear, torch.nn.functional.gelu
        if gelu:
            return lambda state: activation(linear(state, weight, bias))
        return lambda state: linear(state, weight, bias)


def _can_pack(torch: Any) -> bool:
    """Whether this build of torch has the products of prepared matrices that its own compiler calls."""
    ready = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return bool(ready and hasattr(torch.ops.mkldnn, "_linear_pointwise"))
