"""Checksums of an exported file beside those of its pages: of what it says of its corpus, and of its rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_KEY, SEAL_KEY = b"xunyi.rows", b"xunyi.sha256"
_OURS = b"xunyi."


class RowDigest:
    """SHA-256 of the rows in their order, whatever row groups they lie in and batches they are read in."""

    def __init__(self) -> None:
        self._parts: dict[str, Any] = {}

    def add(self, batch: pa.Table | pa.RecordBatch) -> None:
        """Take in the rows that follow."""
        for name in batch.schema.names:
            column = batch.column(name)
            for array in getattr(column, "chunks", [column]):
                self._array(name, array)

    def hexdigest(self) -> str:
        """That of all rows until now."""
        found = "".join(f"{name} {self._parts[name].hexdigest()}\n" for name in sorted(self._parts))
        return hashlib.sha256(found.encode()).hexdigest()

    def _array(self, name: str, array: pa.Array) -> None:
        from pyarrow import compute, types

        if types.is_list(array.type):
            self._feed(f"{name}#", compute.fill_null(compute.list_value_length(array), -1))
            self._array(f"{name}[]", array.flatten())
        elif types.is_string(array.type):
            self._feed(f"{name}#", compute.fill_null(compute.binary_length(array), -1))
            self._feed(name, _characters(array.drop_null()))
        else:
            # A number that is missing is refused elsewhere.
            self._feed(name, array.fill_null(0) if array.null_count else array)

    def _feed(self, part: str, numbers: pa.Array) -> None:
        # What is empty makes no part: batches may be empty in one file and not in another of the same rows.
        if len(numbers):
            digest = self._parts.setdefault(part, hashlib.sha256())
            digest.update(np.ascontiguousarray(numbers.to_numpy(zero_copy_only=False)))


def _characters(texts: pa.Array) -> pa.Array:
    """The bytes of texts one after another."""
    import pyarrow as pa

    if not len(texts):
        return pa.array([], pa.uint8())
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    first, last = int(ends[0]), int(ends[-1])
    return pa.array([], pa.uint8()) if first == last else pa.array(np.frombuffer(data, dtype=np.uint8)[first:last])


def sealed(metadata: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The metadata with its own checksum."""
    return {**metadata, SEAL_KEY: _seal(metadata)}


def check_seal(metadata: Mapping[bytes, bytes]) -> None:
    """Raise ``ValueError`` where the metadata is not what was written; that of an earlier version has no checksum."""
    # A bit of the checksum's own name may be what changed.
    if (SEAL_KEY in metadata or ROWS_KEY in metadata) and metadata.get(SEAL_KEY) != _seal(metadata):
        raise ValueError("what it says of its corpus differs from its checksum")


def _seal(metadata: Mapping[bytes, bytes]) -> bytes:
    digest = hashlib.sha256()
    for key in sorted(metadata):
        # Other programs that rewrite a table put keys of their own beside ours.
        if key.startswith(_OURS) and key != SEAL_KEY:
            for part in (key, metadata[key]):
                digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest().encode()
