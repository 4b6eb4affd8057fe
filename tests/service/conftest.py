"""A small real corpus, served."""

import pytest

from ingest import ingest
from schemas.ingest import CorpusOptions

HOTELS = """name,address,desc,city,stars
Runway Rest,1 Field Rd,"Five minutes from the airport, with a free shuttle.",Seattle,3
湖畔客栈,湖滨路8号,推窗见湖，可带宠物，早餐自制。,杭州,4
Harbour House,9 Pier,"Rooms over the harbour, and a sauna. The airport is far.",Seattle,5
松间温泉酒店,山路1号,雪后泡温泉，松林环绕。,杭州,5
"""


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    (folder / "hotels.csv").write_text(HOTELS, encoding="utf-8")
    options = CorpusOptions(spaces=["tfidf", "word2vec"])
    ingest([folder / "hotels.csv"], "hotels", store=str(folder / "store"), options=options)
    return str(folder / "store")


@pytest.fixture
def client(store):
    pytest.importorskip("fastapi", reason="the extra 'service' is not installed")
    from fastapi.testclient import TestClient

    from service.app import create_app

    with TestClient(create_app(store), raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def counted(client):
    """The metrics by name and sorted labels' values."""
    from prometheus_client.parser import text_string_to_metric_families

    def read():
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(client.get("/metrics").text)
            for sample in family.samples
        }

    return read
