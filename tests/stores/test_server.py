"""The server store against a server that misbehaves, on loopback."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from schemas.errors import StoreError, StoreUnavailable, UsageError
from schemas.spaces import PointBatch
from stores.opening import open_store
from stores.server import ServerStore
from stores.server_points import REQUEST_BYTES, requests_of
from tests.stores.conftest import point_id

LISTED = json.dumps({"result": {"exists": True, "collections": []}, "status": "ok", "time": 0}).encode()


@contextmanager
def answering(*answers: tuple[int, dict[str, str]], body: bytes = LISTED) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these statuses and headers in turn, the last one for ever; and the keys that it saw."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers = answers[min(len(seen), len(answers) - 1)]
            seen.append(self.headers.get("api-key", ""))
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_busy_server_is_asked_again():
    with answering((503, {}), (429, {"Retry-After": "0"}), (200, {})) as (url, seen), open_store(url) as store:
        assert store.list_collections() == []
        assert len(seen) == 3


def test_a_server_that_stays_away_is_named_with_the_remedy_and_without_the_key():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open_store(f"http://user:secret@127.0.0.1:{port}", api_key="s3cr3t") as store:
        with pytest.raises(StoreUnavailable) as error:
            store.list_collections()
        assert f"http://127.0.0.1:{port}" in str(error.value)
        assert "--store" in str(error.value)
        for shown in (str(error.value), store.location, repr(store)):
            assert "secret" not in shown
            assert "s3cr3t" not in shown


def test_a_server_that_hangs_is_given_up_within_about_its_timeout():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with open_store(url, timeout=1) as store, pytest.raises(StoreUnavailable):
            store.list_collections()
        assert time.monotonic() - began < 4


def test_a_wrong_key_is_said_at_once(monkeypatch):
    monkeypatch.setenv("XUNYI_API_KEY", "wrong-one")
    with answering((401, {})) as (url, seen), open_store(url) as store:
        with pytest.raises(StoreError, match="XUNYI_API_KEY") as error:
            store.list_collections()
        assert seen == ["wrong-one"]
        assert "wrong-one" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host",
        "http://",
        "http://host:99999",
        "http://host:0",
        "http://[::1",
        "http://exa mple:1",
        "http://1.2.3.999:1",
        "http://h\ud800st",
    ],
)
def test_a_url_that_cannot_be_a_server_is_a_usage_error(url):
    with pytest.raises(UsageError, match=r"^--store (http|ftp)://"):
        open_store(url)


def test_the_environment_names_the_store(monkeypatch):
    monkeypatch.setenv("XUNYI_STORE", ":memory:")
    with open_store() as store:
        assert isinstance(store, ServerStore)
    monkeypatch.setenv("XUNYI_TIMEOUT", "soon")
    with pytest.raises(UsageError, match="XUNYI_TIMEOUT"):
        open_store()


def test_requests_are_cut_by_points_and_by_bytes():
    count = 2500
    small = PointBatch([point_id(n) for n in range(count)], [{}] * count, {"dense": np.ones((count, 4), np.float32)})
    assert [len(rows) for rows in requests_of(small)] == [1000, 1000, 500]
    large = PointBatch([point_id(n) for n in range(5)], [{"text": "x" * (REQUEST_BYTES // 2 - 5000)}] * 5, {})
    assert [len(rows) for rows in requests_of(large)] == [2, 2, 1]
