"""How a corpus's collections are laid out by the engine: what is in memory, what is compressed, what is replicated."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.errors import UsageError

SERVER_ONLY = {
    "shard_number": "--shards",
    "replication_factor": "--replicas",
    "write_consistency_factor": "--write-consistency",
    "ordering": "--ordering",
}
"""Settings that only a server has, and what the command line calls them."""


class StorageSettings(BaseModel):
    """Settings of the engine, under Qdrant's own names; None leaves the store's default.

    ``on_disk``: original vectors and graphs are read from disk instead of kept in memory.
    ``datatype``: of dense and multi-vectors (sparse weights stay float32); float16 halves them.
    ``quantization``: int8 (``scalar``, a quarter), one bit (``binary``, for models of 1024 dimensions
    and up), ``product`` (a sixteenth, slow to build), or ``none``; ``rescore`` scores the best again with
    the original vectors, ``oversampling`` says how many times the limit are taken for that.
    ``hnsw_m`` and ``hnsw_ef_construct``: edges a node and candidates while building; m = 0 builds no graph.
    ``max_segment_mb``: the most vectors in one segment; ``indexing_threshold_kb``: the least that get
    an index. ``shard_number``, ``replication_factor``, ``write_consistency_factor`` (replicas that must
    have a write before it is acknowledged) and ``ordering`` of writes are a server's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    on_disk: bool | None = None
    datatype: Literal["float32", "float16"] = "float32"
    quantization: Literal["scalar", "binary", "product", "none"] | None = None
    rescore: bool = True
    oversampling: float | None = Field(default=None, ge=1.0, le=100.0)
    hnsw_m: int | None = Field(default=None, ge=0, le=512)
    hnsw_ef_construct: int | None = Field(default=None, ge=4, le=10_000)
    max_segment_mb: int | None = Field(default=None, ge=1, le=100_000)
    indexing_threshold_kb: int | None = Field(default=None, ge=0)
    shard_number: int | None = Field(default=None, ge=1, le=10_000)
    replication_factor: int | None = Field(default=None, ge=1, le=100)
    write_consistency_factor: int | None = Field(default=None, ge=1, le=100)
    ordering: Literal["weak", "medium", "strong"] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if not self.quantized and (self.oversampling is not None or not self.rescore):
            raise UsageError("Oversampling and rescoring are of quantized vectors; give --quantization too.")
        if self.oversampling is not None and not self.rescore:
            raise UsageError("Oversampling takes more hits to score them again: leave out --no-rescore.")
        replicas = self.replication_factor or 1
        if self.write_consistency_factor is not None and self.write_consistency_factor > replicas:
            raise UsageError(
                f"--write-consistency {self.write_consistency_factor} asks for more copies than the {replicas} that "
                f"--replicas keeps; give at most {replicas}, or more --replicas."
            )
        if self.hnsw_m == 0 and self.hnsw_ef_construct is not None:
            raise UsageError("--hnsw-m 0 builds no graph; leave out --hnsw-ef-construct.")
        return self

    @property
    def quantized(self) -> bool:
        """Whether quantization was asked for."""
        return self.quantization not in (None, "none")

    @property
    def server_only(self) -> list[str]:
        """The options given that only a server has."""
        return [option for name, option in SERVER_ONLY.items() if getattr(self, name) is not None]
