"""Containers of the pinned Qdrant; without a Docker engine these tests are skipped, and say so."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from stores.server import ServerStore
from tests.stores.conftest import IMAGE, no_docker


def free_port() -> int:
    """A port that was free a moment ago; a fixed one survives a restart, Docker's random one does not."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_until_ready(url: str, seconds: float = 90.0) -> None:
    give_up = time.monotonic() + seconds
    while True:
        try:
            with urlopen(f"{url}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            if time.monotonic() > give_up:
                raise
        time.sleep(0.2)


@pytest.fixture(scope="session", autouse=True)
def _docker() -> None:
    reason = no_docker()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture
def server() -> Iterator[tuple[str, Any]]:
    """One server's URL and its container, of docker-py."""
    from testcontainers.core.container import DockerContainer

    port = free_port()
    with DockerContainer(IMAGE).with_bind_ports(6333, port) as container:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url)
        yield url, container.get_wrapped_container()


@pytest.fixture
def cluster() -> Iterator[tuple[list[str], list[Any]]]:
    """Three nodes' URLs and containers, all in one cluster."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.network import Network

    with Network() as network:
        started = []
        urls = []
        try:
            for number in (1, 2, 3):
                command = f"./qdrant --uri http://node{number}:6335"
                if number > 1:
                    command += " --bootstrap http://node1:6335"
                port = free_port()
                node = (
                    DockerContainer(IMAGE)
                    .with_env("QDRANT__CLUSTER__ENABLED", "true")
                    .with_network(network)
                    .with_network_aliases(f"node{number}")
                    .with_bind_ports(6333, port)
                    .with_command(command)
                )
                node.start()
                started.append(node)
                urls.append(f"http://127.0.0.1:{port}")
                wait_until_ready(urls[-1])
            yield urls, [node.get_wrapped_container() for node in started]
        finally:
            for node in started:
                node.stop()


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """A file of 3,000 records, enough that an ingest takes seconds."""
    path = tmp_path / "records.csv"
    rows = (f"{n},Record {n},The word{n % 500} stands beside word{n * 7 % 900} in sentence {n}." for n in range(3000))
    path.write_text("id,title,text\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def points(url: str, corpus: str) -> dict[str, list]:
    """Every shelf of a corpus, whole."""
    with ServerStore(url) as store:
        manifest = store.read_manifest(corpus)
        assert manifest is not None
        assert manifest.complete
        found: dict[str, list] = {}
        for shelf in ("terms", "passages", "documents"):
            name = f"{corpus}.g{manifest.generation}.{shelf}"
            found[shelf] = [(r.id, r.payload, str(r.vector)) for r in store.scroll(name, vectors=True)]
        return found
