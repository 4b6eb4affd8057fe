"""A linear layer in 8-bit integers: each row of the input and each row of the weights has its own scale.

Both are first rotated by a Hadamard matrix in blocks of 32 columns (QuaRot, Ashkboos et al. 2024,
arXiv:2404.00456): the product stays what it was, and a channel far larger than the others, as trained
transformers have some, is spread over its block instead of taking the scale of its whole row. It needs
no sample of texts, and a row depends on nothing but itself, whatever batch it comes in.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import gcd
from typing import Any

ROTATED = 32
"""Columns that are rotated together: larger blocks were no closer on two trained models, and cost more."""

_INPUT_PEAK, _WEIGHT_PEAK = 126, 127
"""Largest codes; bfloat16 may round a scaled input up by half a step, which must not reach 128."""

_ZERO = 128
"""What stands for zero in the input: the quick kernels take it unsigned."""

_TINY = 1e-20


def int8_product(weight: Any, bias: Any) -> Callable[[Any], Any]:
    """Make the function ``x -> x @ weight.T + bias`` with both factors in 8 bits.

    Parameters
    ----------
    weight : torch.Tensor of shape (outputs, inputs)
        Copied as int8; a quarter of float32.
    bias : torch.Tensor of shape (outputs,)
        Kept; its dtype is that of the inputs and of the result.

    Returns
    -------
    callable
        From ``(rows, inputs)`` to ``(rows, outputs)``. Where the processor or this build of torch has no
        exact products of 8-bit integers it multiplies the same codes in float32: the same result, not
        the speed.

    """
    import torch

    outputs, inputs = weight.shape
    block = gcd(inputs, ROTATED)
    rotation = _hadamard(block)
    rotated = (weight.float().view(outputs, -1, block) @ rotation).view(outputs, inputs)
    scale = rotated.abs().amax(1).clamp_min(_TINY) / _WEIGHT_PEAK
    codes = (rotated / scale[:, None]).round().to(torch.int8)
    multiply = (_quick if has_int8_products() else _plain)(codes, scale, bias.dtype)
    rotation = rotation.to(bias.dtype)

    def product(state: Any) -> Any:
        turned = (state.reshape(-1, block) @ rotation).view(state.shape)
        peak = turned.abs().amax(1, keepdim=True).float().clamp_min_(_TINY)
        found = (turned * (_INPUT_PEAK / peak).to(bias.dtype)).round_().to(torch.int8)
        return torch.addcmul(bias, multiply(found), (peak / _INPUT_PEAK).to(bias.dtype))

    return product


@lru_cache(maxsize=1)
def has_int8_products() -> bool:
    """Whether oneDNN multiplies 8-bit integers here without loss; older processors saturate at 16 bits."""
    import torch

    onednn: Any = torch.backends.mkldnn
    if not hasattr(torch.ops.onednn, "qlinear_pointwise") or not onednn.is_available():
        return False
    # The largest codes in a product large enough for the kernel that real ones get.
    largest = torch.full((64, 1024), _WEIGHT_PEAK, dtype=torch.int8)
    try:
        found = _quick(largest, torch.ones(64), torch.float32)(largest)
    except (RuntimeError, NotImplementedError):
        return False
    return bool((found == 1024 * _WEIGHT_PEAK**2).all())


def _quick(codes: Any, scale: Any, dtype: Any) -> Callable[[Any], Any]:
    """The kernel that torch's own quantised models call: the weights are laid out once."""
    import torch

    packed = torch.ops.onednn.qlinear_prepack(codes, None)
    zeros = torch.zeros(len(codes), dtype=torch.int32)
    linear = torch.ops.onednn.qlinear_pointwise

    def multiply(rows: Any) -> Any:
        # Turning the sign bit adds 128, in the one pass over bytes that torch has vectorised.
        unsigned = rows.view(torch.uint8).bitwise_xor(_ZERO)
        return linear(unsigned, 1.0, _ZERO, packed, scale, zeros, None, 1.0, 0, dtype, "none", [], "none")

    return multiply


def _plain(codes: Any, scale: Any, dtype: Any) -> Callable[[Any], Any]:
    import torch

    wide = codes.float()
    return lambda rows: (torch.nn.functional.linear(rows.float(), wide) * scale).to(dtype)


def _hadamard(size: int) -> Any:
    """Sylvester's matrix of that size, a power of two, scaled to be orthogonal; it is its own inverse."""
    import torch

    matrix = torch.ones(1, 1)
    while len(matrix) < size:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix / size**0.5
