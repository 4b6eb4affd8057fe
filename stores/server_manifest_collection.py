"""The collection of manifests on a server: one point a corpus, on more nodes of a cluster than may be gone."""

from __future__ import annotations

import logging
from collections import defaultdict

from qdrant_client import models

from schemas.errors import StoreError
from schemas.storage import StorageSettings
from stores.server_connection import Connection

MANIFESTS = "xunyi.manifests"

COPIES = 5
"""On how many nodes manifests lie where a cluster has so many: no corpus can be read without its manifest, and all
of them together are some kilobytes. As many as the corpus has, where those are more."""

log = logging.getLogger("xunyi.stores")


class ManifestCollection:
    """Makes the collection where it is missing, and keeps enough copies of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._copied = (0, 0)

    def stands(self) -> bool:
        """Whether any manifest was ever written here."""
        return bool(self._connection.call(lambda c: c.collection_exists(MANIFESTS)))

    def make_ready(self, storage: StorageSettings) -> None:
        """Make it stand, as safe as the corpus that is laid out so; raises ``StoreError`` where it cannot be made.

        One made by an earlier version, for fewer replicas or in a smaller cluster is copied to further nodes.
        """
        asked, confirmed = storage.replication_factor or 1, storage.write_consistency_factor or 1
        standing = self.stands()
        if self._connection.emulated:
            if not standing:
                self._connection.call(lambda c: c.create_collection(MANIFESTS, vectors_config={}))
            return
        if standing and self._copied[0] >= asked and self._copied[1] >= confirmed:
            return
        peers = self._peers()
        # Not told how many nodes there are, it asks as for the corpus itself: a server makes no more than it has nodes.
        copies = min(len(peers), max(asked, COPIES)) if peers else asked
        if not standing:
            self._create(copies, confirmed)
        elif peers is not None and len(peers) > 1:
            self._copy(peers, copies, confirmed)
        if peers is not None:
            self._copied = asked, confirmed

    def _create(self, copies: int, confirmed: int) -> None:
        self._connection.change(
            lambda c: c.create_collection(
                MANIFESTS,
                vectors_config={},
                shard_number=1,
                replication_factor=copies,
                write_consistency_factor=confirmed,
            ),
            self.stands,
        )

    def _peers(self) -> list[int] | None:
        """The ids of the cluster's nodes, of which a single server has none; None where it does not say."""
        try:
            # Only REST answers it, which a client of gRPC may not reach: it is not worth waiting for.
            status = self._connection.call(lambda c: c.cluster_status(), tries=1)
        except StoreError:
            return None
        return sorted(map(int, status.peers)) if isinstance(status, models.ClusterStatusOneOf1) else []

    def _copy(self, peers: list[int], copies: int, confirmed: int) -> None:
        """Have each shard copied to nodes that lack it: by itself a server copies none when the factor is raised."""
        call = self._connection.call
        try:
            parameters = call(lambda c: c.get_collection(MANIFESTS)).config.params
            copies = max(copies, parameters.replication_factor or 1)
            confirmed = max(confirmed, parameters.write_consistency_factor or 1)
            wanted = models.CollectionParamsDiff(replication_factor=copies, write_consistency_factor=confirmed)
            if (copies, confirmed) != (parameters.replication_factor, parameters.write_consistency_factor):
                call(lambda c: c.update_collection(MANIFESTS, collection_params=wanted))
            for shard, source, lacking in self._lacking(peers, copies):
                for peer in lacking:
                    one = models.ReplicateShard(shard_id=shard, from_peer_id=source, to_peer_id=peer)
                    step = models.ReplicateShardOperation(replicate_shard=one)
                    call(lambda c, step=step: c.cluster_collection_update(MANIFESTS, step))  # type: ignore[misc]
        except StoreError as error:
            # Another client may copy it at the same time; and the manifest can be written all the same.
            log.warning("The manifests could not be copied to further nodes of the cluster now: %s", error)

    def _lacking(self, peers: list[int], copies: int) -> list[tuple[int, int, list[int]]]:
        """Of each shard that has too few copies its number, a node that has it, and nodes that are to get it."""
        found = self._connection.call(lambda c: c.collection_cluster_info(MANIFESTS))
        holders: defaultdict[int, set[int]] = defaultdict(set)
        sources: dict[int, int] = {}
        places = [(shard.shard_id, found.peer_id, shard.state) for shard in found.local_shards]
        places += [(shard.shard_id, shard.peer_id, shard.state) for shard in found.remote_shards]
        for shard, peer, state in places:
            holders[shard].add(peer)
            if state is models.ReplicaState.ACTIVE:
                sources.setdefault(shard, peer)
        for transfer in found.shard_transfers:
            holders[transfer.shard_id].add(transfer.to)
        return [
            (shard, sources[shard], [peer for peer in peers if peer not in held][: copies - len(held)])
            for shard, held in sorted(holders.items())
            if shard in sources and len(held) < copies
        ]
