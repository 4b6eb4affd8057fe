"""What the payloads of the three shelves hold, by name and type, checked where they come from elsewhere."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.spaces import Shelf

Count = Annotated[int, Field(ge=0)]


class _Shape(BaseModel):
    """Fields that must be there; others may, since a payload gets more than it had once."""

    model_config = ConfigDict(strict=True, extra="allow")


class _Passage(_Shape):
    document_id: str
    title: str
    chapter: str | None
    # The point's id has 32 bits for it, of which 0 is the document's.
    position: Annotated[int, Field(ge=0, lt=2**32 - 1)]
    start: Count
    end: Count
    text: str
    hash: str
    meta: dict[str, Any]


class _SinceFit(_Shape):
    terms: Count
    unknown: Count


class _Document(_Shape):
    document_id: str
    title: str
    chapter: str | None
    text: str
    kind: str
    source: str
    position: Count
    stretches: list[Annotated[list[Count], Field(min_length=3, max_length=3)]]
    passages: Count
    hash: str
    meta: dict[str, Any]
    since_fit: _SinceFit = _SinceFit(terms=0, unknown=0)


class _Term(_Shape):
    term: str
    index: Count | None
    # A vocabulary is of terms that occur.
    df: Annotated[int, Field(ge=1)]
    cf: Annotated[int, Field(ge=1)]
    idf: float


_SHAPES: dict[Shelf, type[_Shape]] = {Shelf.PASSAGES: _Passage, Shelf.DOCUMENTS: _Document, Shelf.TERMS: _Term}


def check_shape(shelf: Shelf, payload: Any, where: str) -> None:
    """Raise ``ValueError`` naming the first field that no point of the shelf can have so."""
    try:
        _SHAPES[shelf].model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise ValueError(f"{field} in the payload of {where}: {first['msg']}") from None
