"""A server on loopback that keeps collections and snapshots by name, refuses what stands, and loses answers."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class FakeQdrant:
    """What the server holds, and what it was asked: method and path, with the body where there is one.

    The first answer to each request in ``losing`` is a 503, after the server has done what was asked.
    """

    url: str = ""
    peers: tuple[int, ...] = ()
    collections: dict[str, dict[str, Any]] = field(default_factory=dict)
    replicas: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    snapshots: dict[str, list[str]] = field(default_factory=dict)
    points: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    losing: set[tuple[str, str]] = field(default_factory=set)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)

    def bodies(self, method: str, path: str) -> list[Any]:
        return [body for one, at, body in self.asked if (one, at) == (method, path)]

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        parts = path.strip("/").split("/")
        if path == "/cluster":
            return 200, self._status()
        if path == "/collections":
            return 200, {"collections": [{"name": name} for name in self.collections]}
        name, rest = parts[1], "/".join(parts[2:])
        if rest == "exists":
            return 200, {"exists": name in self.collections}
        if method == "PUT" and not rest:
            if name in self.collections:
                return 409, f"Wrong input: Collection `{name}` already exists!"
            self.collections[name] = body
            copies = min(len(self.peers), body.get("replication_factor") or 1)
            shards = body.get("shard_number") or max(1, len(self.peers))
            self.replicas[name] = {shard: list(self.peers[:copies]) for shard in range(shards)}
            return 200, True
        if name not in self.collections:
            return 404, f"Not found: Collection `{name}` doesn't exist!"
        return self._of_collection(method, name, rest, body)

    def _of_collection(self, method: str, name: str, rest: str, body: Any) -> tuple[int, Any]:
        given = self.collections[name]
        if method == "DELETE" and not rest:
            del self.collections[name]
            return 200, True
        if method == "PATCH":
            given.update(body.get("params") or {})
            return 200, True
        if rest == "cluster" and method == "POST":
            wanted = body["replicate_shard"]
            self.replicas[name][wanted["shard_id"]].append(wanted["to_peer_id"])
            return 200, True
        if rest == "cluster":
            return 200, self._places(name)
        if rest.startswith("snapshots"):
            return self._of_snapshots(method, name, rest.partition("/")[2])
        if rest.startswith("points"):
            return self._of_points(method, name, rest, body)
        return 200, self._described(given)

    def _of_snapshots(self, method: str, name: str, file: str) -> tuple[int, Any]:
        if method == "DELETE" and file not in self.snapshots.get(name, []):
            return 404, f"Not found: Snapshot {file} not found"
        if method == "DELETE":
            self.snapshots[name].remove(file)
            return 200, True
        return 200, [{"name": one, "size": 1} for one in self.snapshots.get(name, [])]

    def _of_points(self, method: str, name: str, rest: str, body: Any) -> tuple[int, Any]:
        held = self.points.setdefault(name, {})
        if method == "PUT":
            held.update({one["id"]: one["payload"] for one in body["points"]})
        elif rest == "points":
            return 200, [{"id": one, "payload": held[one]} for one in body["ids"] if one in held]
        else:
            for one in body["points"]:
                held.pop(one, None)
        return 200, {"operation_id": 1, "status": "completed"}

    def _status(self) -> dict[str, Any]:
        if not self.peers:
            return {"status": "disabled"}
        raft = {"term": 1, "commit": 1, "pending_operations": 0, "is_voter": True}
        return {
            "status": "enabled",
            "peer_id": self.peers[0],
            "peers": {str(peer): {"uri": f"http://node{peer}:6335"} for peer in self.peers},
            "raft_info": raft,
            "consensus_thread_status": {"consensus_thread_status": "working", "last_update": "2026-01-01T00:00:00Z"},
            "message_send_failures": {},
        }

    def _places(self, name: str) -> dict[str, Any]:
        here = self.peers[0]
        places = [(shard, peer) for shard, held in self.replicas[name].items() for peer in held]
        return {
            "peer_id": here,
            "shard_count": len(self.replicas[name]),
            "local_shards": [
                {"shard_id": shard, "points_count": 0, "state": "Active"} for shard, peer in places if peer == here
            ],
            "remote_shards": [
                {"shard_id": shard, "peer_id": peer, "state": "Active"} for shard, peer in places if peer != here
            ],
            "shard_transfers": [],
        }

    def _described(self, given: dict[str, Any]) -> dict[str, Any]:
        names = ("vectors", "sparse_vectors", "shard_number", "replication_factor", "write_consistency_factor")
        return {
            "status": "green",
            "optimizer_status": "ok",
            "segments_count": 1,
            "payload_schema": {},
            "config": {
                "params": {key: given[key] for key in names if given.get(key) is not None},
                "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000},
                "optimizer_config": {
                    "deleted_threshold": 0.2,
                    "vacuum_min_vector_number": 1000,
                    "default_segment_number": 0,
                    "flush_interval_sec": 5,
                },
                "metadata": given.get("metadata"),
            },
        }


@contextmanager
def fake_qdrant(**state: Any) -> Iterator[FakeQdrant]:
    """The server while this is entered, without waits between tries."""
    fake = FakeQdrant(**state)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = re.sub(r"\?.*", "", self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(text) if text else None
            fake.asked.append((self.command, path, body))
            status, result = fake.answer(self.command, path, body)
            if (self.command, path) in fake.losing:
                fake.losing.discard((self.command, path))
                status, result = 503, "the answer is lost"
            found = {"status": "ok", "result": result} if status == 200 else {"status": {"error": result}}
            answer = json.dumps({**found, "time": 0}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_PUT = do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
