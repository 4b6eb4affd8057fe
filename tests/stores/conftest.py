"""The stores that every behaviour test runs on: embedded, emulated, and a real server where Docker answers."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from uuid import UUID, uuid5

import numpy as np
import pytest
from scipy.sparse import csr_array

from schemas.spaces import PointBatch, Space, SpaceKind
from stores.base import Store
from stores.embedded import EdgeStore
from stores.server import ServerStore

IMAGE = "qdrant/qdrant:v1.19.0"
NAME = "demo.g1.passages"
SPACES = (
    Space(name="dense", kind=SpaceKind.DENSE, dim=4),
    Space(name="sparse", kind=SpaceKind.SPARSE),
    Space(name="colbert", kind=SpaceKind.MULTI, dim=2),
)


def point_id(number: int) -> str:
    return str(uuid5(UUID(int=7), str(number)))


def batch(numbers: list[int], payloads: list[dict] | None = None, **vectors) -> PointBatch:
    """Points named by number, with ``{"n": number}`` as payload unless told."""
    return PointBatch(
        ids=[point_id(n) for n in numbers],
        payloads=payloads if payloads is not None else [{"n": n} for n in numbers],
        vectors=vectors,
    )


def unit(rows) -> np.ndarray:
    matrix = np.asarray(rows, dtype=np.float32)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix / np.where(lengths == 0, 1, lengths)


def sparse(rows: list[dict[int, float]], width: int = 50) -> csr_array:
    indptr = np.cumsum([0, *(len(row) for row in rows)])
    indices = [index for row in rows for index in sorted(row)]
    data = np.array([row[index] for row in rows for index in sorted(row)], dtype=np.float32)
    return csr_array((data, indices, indptr), shape=(len(rows), width))


@lru_cache(maxsize=1)
def no_docker() -> str | None:
    """Why no container can be started here, or None."""
    try:
        import docker
    except ImportError:
        return "the package docker is not installed"
    try:
        client = docker.from_env(timeout=5)
        client.ping()
        client.close()
    except Exception as error:
        kind = type(error).__name__
    else:
        return None
    with warnings.catch_warnings():
        # A client that could not connect leaves its socket to the collector, which warns.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    return f"no Docker engine answers ({kind})"


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    reason = no_docker()
    if reason is not None:
        pytest.skip(reason)
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.waiting_utils import wait_for_logs

    with DockerContainer(IMAGE).with_exposed_ports(6333) as container:
        wait_for_logs(container, "Qdrant HTTP listening", timeout=60)
        yield f"http://{container.get_container_host_ip()}:{container.get_exposed_port(6333)}"


KINDS = ["embedded", "embedded in parts", "emulated", pytest.param("server", marks=pytest.mark.docker)]


@contextmanager
def opened(kind: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    """A store of the kind; what it held is gone afterwards."""
    if kind == "server":
        with ServerStore(request.getfixturevalue("server_url")) as store:
            yield store
            for corpus in store.list_corpora():
                store.delete_corpus(corpus)
            for name in store.list_collections():
                store.drop_collection(name)
        return
    # Parts so small that few points fill several; as large as they are by themselves, one holds all.
    parts = {"part_points": 3} if kind == "embedded in parts" else {}
    with ServerStore(":memory:") if kind == "emulated" else EdgeStore(folder, lock_wait=0.2, **parts) as store:
        yield store


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store with one empty collection, ``NAME``."""
    with opened(request.param, tmp_path / "store", request) as store:
        store.create_collection(NAME, SPACES)
        yield store
