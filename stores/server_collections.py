"""The collections of corpora on a server: made, described and removed."""

from __future__ import annotations

from collections.abc import Sequence

from qdrant_client import models

from schemas.names import check_corpus_name
from schemas.spaces import Space
from schemas.storage import StorageSettings
from stores.base import PayloadIndexType
from stores.checks import require_same_spaces
from stores.server_config import index_of, parameters_of, spaces_of, storage_of
from stores.server_connection import Connection
from stores.server_manifest_collection import MANIFESTS


class Collections:
    """All of them. What one is like is asked once, since it does not change while it stands."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, tuple[dict[str, Space], StorageSettings]] = {}

    def create(self, name: str, spaces: Sequence[Space], storage: StorageSettings) -> None:
        """Create an empty one; nothing happens where it stands already with these spaces."""
        check_corpus_name(name.rsplit(".", 2)[0])
        wanted = {space.name: space for space in spaces}
        if self.stands(name):
            require_same_spaces(name, self.described(name)[0], wanted)
            return
        found = parameters_of(spaces, storage)
        self._connection.change(lambda c: c.create_collection(name, **found), lambda: self.stands(name))
        self._known.pop(name, None)
        require_same_spaces(name, self.described(name)[0], wanted)

    def stands(self, name: str) -> bool:
        """Whether there is one of this name."""
        return bool(self._connection.call(lambda c: c.collection_exists(name)))

    def names(self) -> list[str]:
        """Those of corpora, sorted."""
        found = self._connection.call(lambda c: c.get_collections()).collections
        return sorted(item.name for item in found if item.name != MANIFESTS and item.name.count(".") >= 2)

    def drop(self, name: str) -> None:
        """Remove it if it stands."""
        self._known.pop(name, None)
        if self.stands(name):
            self._connection.change(lambda c: c.delete_collection(name), lambda: not self.stands(name))

    def index(self, name: str, field: str, kind: PayloadIndexType) -> None:
        """Index a payload field; the server passes over one that stands. The emulation has none."""
        if self._connection.emulated:
            return
        schema = index_of(kind, self.described(name)[1])
        self._connection.call(lambda c: c.create_payload_index(name, field, schema, wait=True))

    def recover(self, name: str, location: str) -> None:
        """Put a snapshot in its place, or make it of the snapshot."""
        self._known.pop(name, None)
        first = models.SnapshotPriority.SNAPSHOT
        self._connection.call(lambda c: c.recover_snapshot(name, location, priority=first, wait=True))

    def described(self, name: str) -> tuple[dict[str, Space], StorageSettings]:
        """Its spaces and how it is stored; raises ``StoreError`` where it does not stand."""
        if name not in self._known:
            if not self.stands(name):
                raise self._connection.gone(name)
            config = self._connection.call(lambda c: c.get_collection(name)).config
            self._known[name] = spaces_of(config), storage_of(config)
        return self._known[name]
