"""Writes an ONNX model: the few messages of its protobuf schema that a plain forward pass needs.

Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Writing them
here spares the core install the package ``onnx``, and a start the time to import it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

MICROSOFT = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""

_TYPES = {np.dtype(np.float32): 1, np.dtype(np.uint8): 2, np.dtype(np.int64): 7}


class GraphWriter:
    """Collects nodes and weights of one graph; float32 in, float32 out."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._weights: list[bytes] = []
        self._count = 0

    def weight(self, values: npt.NDArray[Any]) -> str:
        """Add a constant tensor and return its name."""
        name = self._name("w")
        dims = b"".join(_int(1, size) for size in values.shape)
        kind = _TYPES[values.dtype]
        self._weights.append(dims + _int(2, kind) + _text(8, name) + _bytes(9, np.ascontiguousarray(values).tobytes()))
        return name

    def node(
        self, operator: str, inputs: Sequence[str], *, outputs: int = 1, domain: str = "", **attributes: int | float
    ) -> list[str]:
        """Add an operator and return the names of its outputs; an empty input name leaves one out."""
        names = [self._name("x") for _ in range(outputs)]
        self._nodes.append(
            b"".join(_text(1, name) for name in inputs)
            + b"".join(_text(2, name) for name in names)
            + _text(4, operator)
            + b"".join(_bytes(5, _attribute(key, value)) for key, value in attributes.items())
            + _text(7, domain)
        )
        return names

    def model(self, inputs: Mapping[str, Sequence[int | str]], outputs: Mapping[str, Sequence[int | str]]) -> bytes:
        """Return the serialised model; a shape's text stands for a size that varies."""
        graph = (
            b"".join(_bytes(1, node) for node in self._nodes)
            + _text(2, "graph")
            + b"".join(_bytes(5, weight) for weight in self._weights)
            + b"".join(_bytes(11, _value(name, shape)) for name, shape in inputs.items())
            + b"".join(_bytes(12, _value(name, shape)) for name, shape in outputs.items())
        )
        opsets = _bytes(8, _text(1, "") + _int(2, 18)) + _bytes(8, _text(1, MICROSOFT) + _int(2, 1))
        return _int(1, 8) + _bytes(7, graph) + opsets

    def _name(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _int(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _attribute(name: str, value: int | float) -> bytes:
    if isinstance(value, float):
        return _text(1, name) + _varint(2 << 3 | 5) + struct.pack("<f", value) + _int(20, 1)
    return _text(1, name) + _int(3, value) + _int(20, 2)


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    sizes = [_text(2, size) if isinstance(size, str) else _int(1, size) for size in shape]
    tensor = _int(1, 1) + _bytes(2, b"".join(_bytes(1, size) for size in sizes))
    return _text(1, name) + _bytes(2, _bytes(1, tensor))
