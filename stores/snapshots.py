"""Copies of a corpus at one moment, on either store."""

from __future__ import annotations

from typing import Protocol

from schemas.errors import StoreError
from schemas.snapshots import Snapshot
from stores.base import Store


class Snapshots(Protocol):
    """What both stores offer; every method raises ``StoreError`` or one of its kinds."""

    def create(self, corpus: str) -> Snapshot:
        """Copy the corpus as it is now."""
        ...

    def list(self, corpus: str | None = None) -> list[Snapshot]:
        """All snapshots, or one corpus's, by corpus and age."""
        ...

    def restore(self, corpus: str, name: str) -> Snapshot:
        """Make the corpus what it was."""
        ...

    def delete(self, corpus: str, name: str) -> Snapshot:
        """Remove a snapshot."""
        ...


def snapshots_of(store: Store) -> Snapshots:
    """The snapshots of an open store."""
    from stores.server import ServerStore

    if isinstance(store, ServerStore):
        from stores.server_snapshots import ServerSnapshots

        if store.location == ":memory:":
            raise StoreError("The emulation in memory keeps no snapshots; use a folder or a server.")
        return ServerSnapshots(store)
    from stores.edge_snapshots import EdgeSnapshots
    from stores.embedded import EdgeStore

    assert isinstance(store, EdgeStore)
    return EdgeSnapshots(store)
