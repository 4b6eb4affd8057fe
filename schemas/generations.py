"""What there is of a corpus besides the generation in use, and what was done with it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Generation(BaseModel):
    """One generation of a corpus, and what makes it what it is.

    ``encoders`` names what made each learned space; ``storage`` holds the settings that differ from the
    default; ``bytes`` on disk are None where a server does not say.
    """

    model_config = ConfigDict(frozen=True)

    generation: int
    state: Literal["in use", "kept", "unfinished"]
    documents: int
    passages: int
    terms: int
    spaces: list[str]
    encoders: dict[str, str]
    max_tokens: int
    analyzer: str
    weighting: str
    storage: dict[str, Any]
    updated: str
    bytes: int | None


class GenerationsReport(BaseModel):
    """All generations of a corpus: the one in use, the kept ones, and what a killed run left unfinished."""

    model_config = ConfigDict(frozen=True)

    corpus: str
    store: str
    generations: list[Generation]


class RestoreReport(BaseModel):
    """Which generation is in use now, and which was set aside for it.

    Of the generation brought back ``missing`` documents are not in it, ``older`` are there as they were
    before, ``removed`` are there although they were removed since.
    """

    model_config = ConfigDict(frozen=True)

    corpus: str
    store: str
    generation: int
    set_aside: int
    missing: int
    older: int
    removed: int
    documents: int


class DropReport(BaseModel):
    """Which generations are gone; ``unfinished`` if it was one in the making. ``bytes`` is what they took on disk."""

    model_config = ConfigDict(frozen=True)

    corpus: str
    store: str
    dropped: list[int]
    unfinished: bool
    bytes: int | None
