"""The OpenAPI text against real answers, and the list of corpora where one of them is damaged."""

import shutil

import pytest

pytest.importorskip("fastapi", reason="the extra 'service' is not installed")
jsonschema = pytest.importorskip("jsonschema", reason="comes with Ray")

from fastapi.testclient import TestClient  # noqa: E402

from schemas.errors import EncoderMismatch  # noqa: E402
from schemas.manifest import EncoderIdentity  # noqa: E402
from service import failures  # noqa: E402
from service.app import create_app  # noqa: E402
from stores.opening import open_store  # noqa: E402

CORPUS = "/v1/corpora/{corpus}"


@pytest.fixture(scope="module")
def described(store):
    with TestClient(create_app(store)) as client:
        return client.get("/openapi.json").json()


@pytest.fixture
def damaged(store, tmp_path):
    folder = tmp_path / "store"
    shutil.copytree(store, folder)
    (folder / "broken").mkdir()
    (folder / "broken" / "manifest.json").write_text("{")
    (folder / "no name").mkdir()
    (folder / "no name" / "manifest.json").write_text("{}")
    return str(folder)


def check(described, method, path, answer):
    """The answer is one that the route declares, and of the form that it declares."""
    declared = described["paths"][path][method.lower()]["responses"]
    assert str(answer.status_code) in declared, (path, answer.status_code)
    schema = declared[str(answer.status_code)]["content"]["application/json"]["schema"]
    jsonschema.validate(answer.json(), {**schema, "components": described["components"]})


@pytest.mark.parametrize(
    ("status", "method", "path", "asked"),
    [
        (200, "GET", "/health", {}),
        (200, "GET", "/ready", {}),
        (200, "GET", "/v1/corpora", {}),
        (200, "GET", CORPUS, {}),
        (200, "POST", f"{CORPUS}/search", {"json": {"query": "airport", "explain": True}}),
        (200, "GET", f"{CORPUS}/search", {"params": {"query": "airport"}}),
        (200, "POST", f"{CORPUS}/search/batch", {"json": {"queries": ["airport"]}}),
        (200, "POST", f"{CORPUS}/recommend", {"json": {"like": ["Runway Rest"], "spaces": ["tfidf"]}}),
        (200, "POST", f"{CORPUS}/compare", {"json": {"first": "airport", "second": "sauna"}}),
        (400, "POST", f"{CORPUS}/search", {"json": {"query": " "}}),
        (400, "GET", f"{CORPUS}/words/similar", {"params": {"word": "zzzz"}}),
        (409, "POST", f"{CORPUS}/search", {"json": {"query": "x", "rerank": "colbert"}}),
        (413, "POST", f"{CORPUS}/search", {"content": b" " * (failures.MOST_BYTES + 1)}),
        (422, "POST", f"{CORPUS}/search", {"json": {}}),
        (422, "GET", f"{CORPUS}/words/similarity", {}),
    ],
)  # fmt: skip
def test_what_is_described_is_what_is_answered(client, described, status, method, path, asked):
    answer = client.request(method, path.format(corpus="hotels"), **asked)
    assert answer.status_code == status
    check(described, method, path, answer)


def test_errors_of_the_store_are_described(client, described, store):
    check(described, "GET", CORPUS, client.get("/v1/corpora/motels"))
    body = {"json": {"query": "airport"}}
    with open_store(store) as other:
        other.count("hotels.g1.passages")
        locked = client.post("/v1/corpora/hotels/search", **body)
    assert (locked.status_code, "Retry-After" in locked.headers) == (503, True)
    check(described, "POST", f"{CORPUS}/search", locked)
    responses = described["paths"][f"{CORPUS}/search"]["post"]["responses"]
    assert "Retry-After" in responses["503"]["headers"]


def test_every_error_that_is_described_has_the_one_form(described):
    text = str(described)
    assert "HTTPValidationError" not in text
    assert "securitySchemes" not in described["components"]
    for path in described["paths"].values():
        for route in path.values():
            for status, response in route["responses"].items():
                assert status != "401"
                if status != "200":
                    content = response["content"]["application/json"]
                    assert content["schema"] == {"$ref": "#/components/schemas/ErrorAnswer"}


def test_a_key_is_described_where_there_is_one(store):
    with TestClient(create_app(store, key="s3cret"), headers={"Authorization": "Bearer s3cret"}) as client:
        described = client.get("/openapi.json").json()
        client.headers.clear()
        refused = client.get("/v1/corpora")
    (scheme,) = described["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    wanted = {path for path, to in described["paths"].items() for route in to.values() if route.get("security")}
    assert wanted == {*described["paths"]} - {"/health"}
    check(described, "GET", "/v1/corpora", refused)


def test_a_damaged_corpus_is_named_beside_the_others(damaged, described):
    with TestClient(create_app(damaged), raise_server_exceptions=False) as client:
        answer = client.get("/v1/corpora")
        assert answer.status_code == 200
        check(described, "GET", "/v1/corpora", answer)
        assert damaged not in answer.text
        broken, hotels, nameless = answer.json()["corpora"]
        assert (broken["corpus"], broken["error"]) == ("broken", failures.HIDDEN[failures.StoreDamaged])
        assert (hotels["corpus"], hotels["counts"]["documents"]) == ("hotels", 4)
        assert nameless["corpus"] == "no name"
        assert "cannot name a corpus" in nameless["error"]
        asked = client.get("/v1/corpora/broken")
        assert (asked.status_code, asked.json()["error"]["message"]) == (500, broken["error"])
        assert client.get("/ready").json() == {"status": "ok", "corpora": 3}


def test_the_folder_of_a_model_is_not_told(store, tmp_path, caplog):
    folder = shutil.copytree(store, tmp_path / "store")
    made = EncoderIdentity(name="/srv/secret/e5", revision="1", options={"model": "/srv/secret/e5", "task": "a/b"})
    with open_store(folder) as opened:
        manifest = opened.read_manifest("hotels").model_copy(update={"encoders": {"dense": made}})
        kept = manifest.model_copy(update={"generation": 0})
        opened.write_manifest(manifest.model_copy(update={"kept": [kept]}))
    with TestClient(create_app(str(folder))) as client:
        answer = client.get("/v1/corpora/hotels")
    told = answer.json()["manifest"]
    for one in (told, told["kept"][0]):
        assert one["encoders"]["dense"]["name"] == "e5"
        assert one["encoders"]["dense"]["options"] == {"model": "e5", "task": "a/b"}
    assert "secret" not in answer.text
    assert "/srv" not in failures.told(EncoderMismatch("made with /srv/secret/e5"))
    assert "/srv/secret/e5" in caplog.records[-1].detail
