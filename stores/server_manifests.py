"""The manifests on a server: points of one small collection, ``xunyi.manifests``.

Each is written by one upsert, so a reader sees the old or the new one, on every version of the server and in the
emulation.
"""

from __future__ import annotations

import time
from collections.abc import Hashable

from pydantic import ValidationError
from qdrant_client import models

from schemas.errors import StoreDamaged
from schemas.ids import corpus_namespace
from schemas.manifest import CorpusManifest
from schemas.names import check_corpus_name
from stores.checks import manifest_text
from stores.server_connection import Connection
from stores.server_manifest_collection import MANIFESTS, ManifestCollection

MARK_SECONDS = 1.0
"""For how long what a corpus's manifest is need not be asked again: a question must not cost two requests."""

PAGE = 256
"""Manifests asked for together."""


class Manifests:
    """Reads and writes them, and remembers for a moment which one a corpus has."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._collection = ManifestCollection(connection)
        self._marks: dict[str, tuple[float, Hashable]] = {}

    def corpora(self) -> list[str]:
        """The names of all corpora that have one, sorted."""
        if not self._collection.stands():
            return []
        found: list[str] = []
        offset: models.ExtendedPointId | None = None
        while True:
            records, offset = self._page(offset)
            payloads = [record.payload or {} for record in records]
            found += [str(payload["corpus"]) for payload in payloads if "corpus" in payload]
            if offset is None:
                return sorted(found)

    def read(self, corpus: str) -> CorpusManifest | None:
        """The corpus's current one, or None."""
        text = self._text(corpus)
        if text is None:
            return None
        try:
            return CorpusManifest.model_validate_json(text)
        except ValidationError as error:
            raise StoreDamaged(
                f"{self._connection.location}: the manifest of {corpus!r} cannot be read; ingest anew."
            ) from error

    def mark(self, corpus: str, *, fresh: bool) -> Hashable:
        """What changes whenever it does; others' changes show within ``MARK_SECONDS``, and at once where ``fresh``."""
        known = self._marks.get(corpus)
        if known is None or fresh or time.monotonic() - known[0] > MARK_SECONDS:
            asked = time.monotonic()
            text = self._text(corpus)
            known = self._marks[corpus] = (asked, None if text is None else hash(text))
        return known[1]

    def write(self, manifest: CorpusManifest) -> None:
        """Make it its corpus's current one, in one upsert."""
        check_corpus_name(manifest.corpus)
        self._collection.make_ready(manifest.storage)
        point = models.PointStruct(
            id=str(corpus_namespace(manifest.corpus)),
            vector={},
            payload={"corpus": manifest.corpus, "manifest": manifest_text(manifest)},
        )
        self._connection.call(lambda c: c.upsert(MANIFESTS, [point], wait=True))
        self._marks.pop(manifest.corpus, None)

    def remove(self, corpus: str) -> None:
        """Remove the corpus's; nothing happens where it has none."""
        check_corpus_name(corpus)
        if self._collection.stands():
            point = models.PointIdsList(points=[str(corpus_namespace(corpus))])
            self._connection.call(lambda c: c.delete(MANIFESTS, point, wait=True))
        self._marks.pop(corpus, None)

    def _text(self, corpus: str) -> str | None:
        check_corpus_name(corpus)
        if not self._collection.stands():
            return None
        point = [str(corpus_namespace(corpus))]
        found = self._connection.call(lambda c: c.retrieve(MANIFESTS, point, with_payload=True))
        return str((found[0].payload or {}).get("manifest", "")) if found else None

    def _page(self, offset: models.ExtendedPointId | None) -> tuple[list[models.Record], models.ExtendedPointId | None]:
        return self._connection.call(
            lambda c: c.scroll(MANIFESTS, limit=PAGE, offset=offset, with_payload=["corpus"], with_vectors=False)
        )
