"""A copy of a corpus at one moment."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Snapshot(BaseModel):
    """``bytes`` and ``sha256`` are None where the server keeps several files of its own."""

    model_config = ConfigDict(frozen=True)

    corpus: str
    name: str
    generation: int
    documents: int
    passages: int
    bytes: int | None = None
    sha256: str | None = None
