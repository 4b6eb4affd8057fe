"""The HTTP service over a real embedded store: what is asked by address or by body, and what is refused."""

import pytest

from search import Corpus

fastapi = pytest.importorskip("fastapi", reason="the extra 'service' is not installed")

from fastapi.testclient import TestClient  # noqa: E402

from service.app import create_app  # noqa: E402


def test_a_search_gives_what_python_gives(client, store):
    found = client.post("/v1/corpora/hotels/search", json={"query": "airport shuttle", "limit": 2, "explain": True})
    assert found.status_code == 200
    client.app.state.holder.close()
    with Corpus("hotels", store) as corpus:
        expected = corpus.search("airport shuttle", limit=2, explain=True).model_dump(mode="json")
    assert {**found.json(), "took_ms": None} == {**expected, "took_ms": None}
    assert found.json()["hits"][0]["title"] == "Runway Rest"


def test_a_link_asks_the_same_as_a_body(client):
    asked = {"query": "airport", "limit": 1, "where": ["city=Seattle", "stars>=4"], "by": "document"}
    by_body = client.post("/v1/corpora/hotels/search", json=asked).json()
    by_link = client.get("/v1/corpora/hotels/search", params=asked).json()
    assert by_link["hits"] == by_body["hits"]
    assert [hit["title"] for hit in by_link["hits"]] == ["Harbour House"]


def test_a_batch_answers_each_query_in_order(client):
    answers = client.post("/v1/corpora/hotels/search/batch", json={"queries": ["温泉", "shuttle"], "limit": 1}).json()
    assert [answer["query"] for answer in answers["answers"]] == ["温泉", "shuttle"]
    assert [answer["hits"][0]["title"] for answer in answers["answers"]] == ["松间温泉酒店", "Runway Rest"]


def test_recommendations_comparisons_and_corpora(client):
    alike = client.post("/v1/corpora/hotels/recommend", json={"like": ["Runway Rest"], "spaces": ["tfidf"]}).json()
    assert alike["hits"][0]["title"] == "Harbour House"
    same = client.post("/v1/corpora/hotels/compare", json={"first": "airport", "second": "airport"}).json()
    assert same["similarities"]["tfidf"] == pytest.approx(1.0)
    asked = {"first": "airport/inn", "second": "airport inn", "split": True, "ngram": 2}
    assert client.post("/v1/corpora/hotels/compare", json=asked).json()["similarities"]["char_2grams"] == 1
    weighed = client.post("/v1/corpora/hotels/recommend", json={"like": ["Runway Rest"], "weights": {"tfidf": 3}})
    assert weighed.json()["weights"]["tfidf"] == 3
    (listed,) = client.get("/v1/corpora").json()["corpora"]
    assert listed["corpus"] == "hotels"
    assert listed["counts"]["documents"] == 4
    info = client.get("/v1/corpora/hotels").json()
    assert info["manifest"]["corpus"] == "hotels"
    assert info["bytes_per_passage"] > 0
    assert "store" not in info


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("search", {"query": "x", "spaces": ["--where"]}, "spaces: the corpus 'hotels' has no space '--where'"),
        ("search", {"query": "x", "where": ["--limit=1"]}, "where '--limit=1': the corpus has no field '--limit'"),
        ("search", {"query": "x", "where": ["it's --by=1"]}, """where "it's --by=1": the corpus has no field"""),
        ("search", {"query": "x", "where": ["city"]}, "write FIELD=VALUE, for example where city=Seattle."),
        ("search", {"query": "x", "rrf_k": 3}, "rrf_k 3: it belongs to fusion rrf"),
        ("search", {"query": "x", "limit": 1, "offset": 10**9}, "limit 1 with offset 1000000000: at most"),
    ],
)
def test_a_refusal_names_what_the_request_named_and_no_option_of_a_command(client, path, body, said):
    answer = client.post(f"/v1/corpora/hotels/{path}", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind", "said"),
    [
        ("POST", "hotels/search", {"query": " "}, 400, "UsageError", "empty"),
        ("POST", "hotels/search", {"query": "x", "limit": 0}, 422, "RequestInvalid", "limit"),
        ("POST", "hotels/search", {"query": "x", "limt": 3}, 422, "RequestInvalid", "limt"),
        ("POST", "hotels/search", {"query": "x", "spaces": ["nope"]}, 400, "UsageError", "nope"),
        ("POST", "hotels/search", {"query": "x", "where": ["nope=1"]}, 400, "UsageError", "nope"),
        ("POST", "hotels/search", {"query": "x", "rerank": "cross-encoder:/etc"}, 400, "UsageError", "colbert"),
        ("POST", "hotels/search", {}, 422, "RequestInvalid", "query"),
        ("POST", "motels/search", {"query": "x"}, 404, "CorpusNotFound", "/v1/corpora"),
        ("POST", "..%2Fup/search", {"query": "x"}, 404, "Http", "Not Found"),
        ("POST", "hotels/search/batch", {"queries": []}, 422, "RequestInvalid", "queries"),
        ("POST", "hotels/recommend", {"like": ["Runway Rust"]}, 400, "UsageError", "Runway Rest"),
        ("GET", "hotels/words/similar?word=airpot", None, 400, "UsageError", "airpot"),
        ("GET", "hotels/nothing", None, 404, "Http", "Not Found"),
        ("DELETE", "hotels", None, 405, "Http", "Not Allowed"),
    ],
)  # fmt: skip
def test_a_bad_request_is_one_sentence(client, store, method, path, body, status, kind, said):
    answer = client.request(method, f"/v1/corpora/{path}", json=body)
    assert (answer.status_code, answer.json()["error"]["kind"]) == (status, kind)
    assert said in answer.json()["error"]["message"]
    assert store not in answer.text


def test_a_body_that_is_no_json_is_refused(client):
    answer = client.post("/v1/corpora/hotels/search", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["kind"]) == (422, "RequestInvalid")


def test_every_request_and_stage_is_counted_for_prometheus(client, counted):
    for _ in range(3):
        client.post("/v1/corpora/hotels/search", json={"query": "airport"})
    client.post("/v1/corpora/hotels/search", json={"query": "zzz", "spaces": ["tfidf"]})
    client.get("/v1/corpora/motels")
    client.get("/made/up/path")
    found = counted()
    assert found["xunyi_queries_total", "hotels"] == 4
    assert found["xunyi_empty_answers_total", "hotels"] == 1
    assert found["xunyi_stage_seconds_count", "hotels", "search"] == 4
    assert found["xunyi_stage_seconds_count", "encode", "hotels"] == 4
    assert found["xunyi_requests_total", "/v1/corpora/{corpus}/search", "200", "POST"] == 4
    assert found["xunyi_requests_total", "/v1/corpora/{corpus}", "404", "GET"] == 1
    assert found["xunyi_requests_total", "404", "GET", "other"] == 1
    assert found["xunyi_errors_total", "CorpusNotFound"] == 1
    assert found["xunyi_open_corpora",] == 1


def test_with_a_key_only_the_page_and_health_are_open(store):
    with TestClient(create_app(store, key="s3cret")) as client:
        for path in ("/health", "/", "/page.js"):
            assert client.get(path).status_code == 200
        for path in ("/v1/corpora", "/metrics", "/ready", "/openapi.json"):
            refused = client.get(path)
            assert refused.status_code == 401
            assert "s3cret" not in refused.text
            assert client.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
            assert client.get(path, headers={"Authorization": "Bearer s3cret"}).status_code == 200


def test_the_page_brings_all_that_it_needs_from_here(client):
    page = client.get("/")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert '<script src="page.js"' in page.text
    for path, kind in (("/page.js", "text/javascript"), ("/page.css", "text/css"), ("/favicon.svg", "image/svg+xml")):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert "//" not in answer.text.replace("// ", "").replace("http://www.w3.org/2000/svg", "")


def test_the_interface_describes_itself(client):
    described = client.get("/openapi.json").json()
    assert "/v1/corpora/{corpus}/search" in described["paths"]
    assert all(route.get("description") for path in described["paths"].values() for route in path.values())


def test_misspelt_words_are_taken_as_known_ones_unless_it_is_said_not_to(client):
    by_body = client.post("/v1/corpora/hotels/search", json={"query": "airprot", "spaces": ["tfidf"]}).json()
    assert by_body["spelled"] == {"airprot": "airport"}
    assert by_body["hits"]
    asked = {"query": "airprot", "spaces": "tfidf", "spelling": "false"}
    as_written = client.get("/v1/corpora/hotels/search", params=asked).json()
    assert (as_written["spelled"], as_written["hits"]) == ({}, [])
