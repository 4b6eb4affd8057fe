"""Point ids, derived from names so that a second run writes the same points (RFC 9562, versions 5 and 8)."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from uuid import UUID, uuid5

_NAMESPACE = UUID("6f1c8e0a-5f0b-5c56-9a53-3d1f0a6b7c21")
_DOCUMENT = (1 << 128) - (1 << 32)


@lru_cache(maxsize=64)
def corpus_namespace(corpus: str) -> UUID:
    """The namespace that all ids of one corpus derive from."""
    return uuid5(_NAMESPACE, corpus)


@lru_cache(maxsize=64)
def _namespace_bytes(corpus: str) -> bytes:
    return corpus_namespace(corpus).bytes


def document_point_id(corpus: str, document_id: str) -> str:
    """The id of a document's point in the ``documents`` shelf: a digest whose last eight digits are 0."""
    return f"{_uuid(corpus, f'document:{document_id}', version=8)[:-8]}00000000"


def passage_point_id(corpus: str, document_id: str, position: int) -> str:
    """The id of a passage's point in the ``passages`` shelf; ``position`` counts from 0.

    It is its document's with ``position + 1`` in the last eight digits. So a search knows which
    passages belong together without fetching anything.
    """
    return f"{document_point_id(corpus, document_id)[:-8]}{position + 1:08x}"


def document_point_of(passage: int) -> int:
    """The id of its document's point, of a passage's id, both as numbers (``UUID.int``)."""
    return passage & _DOCUMENT


def point_number(point: object) -> int:
    """A point's id as a number, of the id as a store gives it."""
    return UUID(str(point)).int


def point_text(point: int) -> str:
    """A point's id as it is written, of its number (``UUID.int``)."""
    # A UUID made only to be written costs five times as much, and a search writes a hundred.
    digits = f"{point:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def term_point_id(corpus: str, term: str) -> str:
    """The id of a term's point in the ``terms`` shelf (version 5)."""
    return _uuid(corpus, f"term:{term}", version=5)


def _uuid(corpus: str, name: str, version: int) -> str:
    """The digest of a name within a corpus, as ``uuid5`` makes it, as a UUID of this version."""
    # A UUID made only to be written takes as long again, and a misspelt word asks for a thousand.
    found = hashlib.sha1(_namespace_bytes(corpus) + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(found[16], 16) & 3]
    return f"{found[:8]}-{found[8:12]}-{version}{found[13:16]}-{variant}{found[17:20]}-{found[20:32]}"


def content_hash(*parts: str) -> str:
    """A 128-bit BLAKE2b digest of the parts, each with its length, as hexadecimal."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()
