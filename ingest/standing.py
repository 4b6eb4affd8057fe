"""What stands of documents that are written again: vectors of passages that stayed the same are taken over.

A passage is known by the hash of what its vectors are made from, wherever in its document it stood: after
a paragraph that is new in front, all others have moved. Those whose place is written over before their turn comes
are kept in memory until then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from qdrant_client import models

from encoders.base import Encoder
from ingest.blocks import Planned
from ingest.copying import PAGE, encode_the_rest
from ingest.encoding import Vectors, passage_bytes
from ingest.payloads import passage_hash
from ingest.slices import Slice, texts_of
from ingest.stored import payload_of
from schemas.ids import passage_point_id
from stores.base import Store

KEPT_BYTES = 64_000_000
"""The most that is kept in memory of one document; what is more is encoded again."""

TOKENS_KEPT = 64
"""Vectors that a passage of a multi-vector space is reckoned to have."""


@dataclass(slots=True)
class _Old:
    """One document's passages that stand, and come again."""

    planned: Planned
    hashes: list[str]
    """Of the passages as they are to be."""
    places: dict[str, int]
    """Where the text of each hash stands."""
    last: dict[str, int]
    """The last place at which each hash comes again."""
    kept: dict[str, models.Record] = field(default_factory=dict)


class Standing:
    """Gives a batch's vectors: of an encoder, and of the store those that it holds already.

    Batches come in the order of their documents' passages, each before any of it is written.
    ``taken_over`` and ``encoded`` count passages.
    """

    def __init__(
        self, store: Store, corpus: str, passages: str, encoder: Encoder, *, titles: bool, resumed: bool
    ) -> None:
        """``passages``: their collection; ``titles``: encode them as well; ``resumed``: an earlier run was cut off."""
        self._store = store
        self._corpus = corpus
        self._collection = passages
        self._encoder = encoder
        self._titles = titles
        self._resumed = resumed
        self._documents: dict[str, _Old | None] = {}
        self._most_kept = KEPT_BYTES // passage_bytes(encoder, TOKENS_KEPT)
        self.taken_over = 0
        self.encoded = 0

    def begin(self, batch: Sequence[Slice]) -> Vectors:
        """Begin with the passages of ``batch``, which are encoded where nothing of the same stands."""
        texts, found = texts_of(batch, self._titles), self._found(batch)
        self.taken_over += len(found)
        self.encoded += len(texts) - len(found)
        return encode_the_rest(self._encoder, texts, found, self._encoder.spaces)

    def _found(self, batch: Sequence[Slice]) -> dict[int, models.Record]:
        """The rows of the batch whose text stands somewhere, with what stands there."""
        parts = [(part, self._old(part.planned)) for part in batch]
        wanted = {point: digest for part, old in parts if old for point, digest in self._asked(old, part)}
        read: dict[str, models.Record] = {}
        for record in self._retrieve(list(wanted), vectors=True):
            digest = str(payload_of(record).get("hash"))
            # A run that was cut off may have put another text there since.
            if digest == wanted[str(record.id)] and _whole(record, self._encoder):
                read[digest] = record
        found: dict[int, models.Record] = {}
        row = 0
        for part, old in parts:
            places = _places(part)
            if old is not None:
                there = {**old.kept, **read}
                found.update((row + n, there[d]) for n, p in enumerate(places) if (d := old.hashes[p]) in there)
                old.kept = dict(islice(_later(old, there, places.stop), self._most_kept))
            if part.last:
                self._documents.pop(part.planned.document.id, None)
            row += len(places)
        return found

    def _old(self, planned: Planned) -> _Old | None:
        """What stands of a document and comes again; None where nothing does."""
        if planned.document.id in self._documents:
            return self._documents[planned.document.id]
        # Of a run that was cut off, passages may stand that no document's point counts.
        count = max(planned.old_passages or 0, len(planned.passages) if self._resumed else 0)
        if not count:
            return None
        hashes = [passage_hash(planned.document.title, passage.text) for passage in planned.passages]
        last = {digest: place for place, digest in enumerate(hashes)}
        places: dict[str, int] = {}
        points = {self._point(planned, place): place for place in range(count)}
        for record in self._retrieve(list(points), vectors=False):
            digest = str(payload_of(record).get("hash"))
            if digest in last:
                places[digest] = points[str(record.id)]
        old = _Old(planned, hashes, places, last) if places else None
        self._documents[planned.document.id] = old
        return old

    def _asked(self, old: _Old, part: Slice) -> Iterator[tuple[str, str]]:
        """The points to be read now, with their hashes: what comes in this batch, and what it writes over."""
        places = _places(part)
        coming = set(old.hashes[places.start : places.stop])
        for digest, place in old.places.items():
            comes = digest in coming or (place < places.stop and old.last[digest] >= places.stop)
            if comes and place >= places.start and digest not in old.kept:
                yield self._point(old.planned, place), digest

    def _retrieve(self, points: Sequence[str], *, vectors: bool) -> Iterator[models.Record]:
        wanted = list(self._encoder.spaces) if vectors else False
        for start in range(0, len(points), PAGE):
            page = points[start : start + PAGE]
            yield from self._store.retrieve(self._collection, page, payload=["hash"], vectors=wanted)

    def _point(self, planned: Planned, place: int) -> str:
        return passage_point_id(self._corpus, planned.document.id, place)


def _places(part: Slice) -> range:
    """The places that the slice's passages have in their document."""
    first = part.passages[0].position if part.passages else 0
    return range(first, first + len(part.passages))


def _later(old: _Old, there: Mapping[str, models.Record], end: int) -> Iterator[tuple[str, models.Record]]:
    """What comes at ``end`` or after it, and stood before that."""
    for digest, record in there.items():
        if old.places.get(digest, end) < end <= old.last[digest]:
            yield digest, record


def _whole(record: models.Record, encoder: Encoder) -> bool:
    """Whether the point has a vector in every space; one without may have been written before there was one."""
    return isinstance(record.vector, dict) and all(name in record.vector for name in encoder.spaces)
