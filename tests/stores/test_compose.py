"""The Compose files keep what a server must not lose."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from stores.server_snapshots import SERVER_FOLDER

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("file", ["docker-compose.yml", "docker-compose.cluster.yml"])
def test_snapshots_lie_in_a_volume_and_outlive_the_container(file):
    composed = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
    mounted = [volume for service in composed["services"].values() for volume in service["volumes"]]
    for folder in ("/qdrant/storage", SERVER_FOLDER):
        names = [name for name, _, at in (one.partition(":") for one in mounted) if at == folder]
        assert len(set(names)) == len(composed["services"])
        assert set(names) <= set(composed["volumes"])
