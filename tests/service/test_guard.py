"""What every request passes: counted and logged whatever happens, bounded in size, and bearing the key."""

import asyncio
import json
import logging

import pytest

pytest.importorskip("fastapi", reason="the extra 'service' is not installed")

import anyio.to_thread
import httpx
from fastapi.testclient import TestClient

from service import failures
from service.app import create_app
from stores.opening import open_store

SEARCH = "/v1/corpora/hotels/search"


def test_a_defect_is_counted_and_logged_as_any_other_request(client, counted, caplog):
    def broken():
        raise RuntimeError("a secret place")

    client.app.add_api_route("/broken", broken)
    with caplog.at_level(logging.INFO, logger="xunyi.service"):
        answer = client.get("/broken")
    assert answer.status_code == 500
    assert answer.json() == {"error": {"kind": "Unexpected", "message": "The service failed; its log says how."}}
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    found = counted()
    assert found["xunyi_requests_total", "/broken", "500", "GET"] == 1
    assert found["xunyi_errors_total", "Unexpected"] == 1
    logged = {record.getMessage(): record for record in caplog.records if record.name == "xunyi.service"}
    assert (logged["request"].route, logged["request"].status) == ("/broken", 500)
    assert "a secret place" in logged["error"].trace


def test_invented_methods_are_counted_as_one(client, counted):
    for number in range(3):
        assert client.request(f"FOO{number}", "/health").status_code == 405
    client.request("OPTIONS", "/health")
    found = counted()
    assert found["xunyi_requests_total", "/health", "405", "other"] == 3
    assert found["xunyi_requests_total", "/health", "405", "OPTIONS"] == 1
    assert not any("FOO1" in labels for _, *labels in found)


@pytest.mark.parametrize("in_chunks", [False, True])
def test_a_body_that_is_too_large_is_not_read(client, counted, in_chunks):
    read = []

    def chunks():
        for _ in range(64):
            read.append(1)
            yield b" " * (failures.MOST_BYTES // 16)

    body = chunks() if in_chunks else b" " * (failures.MOST_BYTES + 1)
    answer = client.post(SEARCH, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["kind"]) == (413, "RequestTooLarge")
    assert "8 MB" in answer.json()["error"]["message"]
    assert counted()["xunyi_errors_total", "RequestTooLarge"] == 1


def posted(store, receive):
    """What is sent in answer to a request whose body ``receive`` gives."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": SEARCH, "raw_path": SEARCH.encode(), "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"transfer-encoding", b"chunked")], "root_path": "",
        "http_version": "1.1", "scheme": "http", "server": ("x", 80), "client": ("x", 1),
    }  # fmt: skip
    asyncio.run(create_app(store)(scope, receive, send))
    return sent


def test_a_body_of_chunks_is_read_no_further_than_the_limit(store):
    read = []

    async def receive():
        read.append(1)
        return {"type": "http.request", "body": b" " * (failures.MOST_BYTES // 4), "more_body": True}

    assert posted(store, receive)[0]["status"] == 413
    assert len(read) == 5


def test_a_request_that_has_not_ended_when_the_service_stops_is_told_to_come_again(store):
    async def receive():
        asyncio.current_task().cancel()
        await asyncio.sleep(60)

    begin, body = posted(store, receive)
    assert (begin["status"], dict(begin["headers"])[b"retry-after"]) == (503, b"5")
    assert json.loads(body["body"])["error"]["kind"] == "Stopping"


def many(body, **more):
    return {"query": "x", **body, **more}


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("search", many({"where": ["city=Seattle"] * 100_000}), "where"),
        ("search", many({"where": ["title~" + "a" * 1_000_000]}), "where.0"),
        ("search", many({"spaces": ["tfidf"] * 1_000}), "spaces"),
        ("search", many({"spaces": ["s" * 1_000]}), "spaces.0"),
        ("search", many({"weights": {"w" * 1_000_000: 1}}), "weights"),
        ("search", many({"x" * 1_000_000: 1}), "xxx"),
        ("search", many({f"x{n}": n for n in range(100_000)}), "99,995 more"),
        ("search", many({"rerank": "r" * 1_000_000}), "rerank"),
        ("search/batch", {"queries": ["x"] * 21, "limit": 1_000}, "21,000 hits"),
        ("recommend", {"like": ["l" * 1_000_000]}, "like.0"),
        ("recommend", {"like": ["l"], "where": ["a=b"] * 1_000}, "where"),
    ],
)  # fmt: skip
def test_lists_and_values_without_end_are_refused_in_few_words(client, path, body, said):
    answer = client.post(f"/v1/corpora/hotels/{path}", json=body)
    assert answer.status_code == 422
    assert said in answer.json()["error"]["message"]
    assert len(answer.content) < 2_500


@pytest.mark.parametrize("value", ["a" * 9_000, "'\"" * 4_500, "b\\" * 4_000])
def test_an_error_quotes_the_beginning_of_a_long_value(client, value):
    for condition in (f"stars={value}", value):
        answer = client.post(SEARCH, json={"query": "airport", "where": [condition]})
        assert answer.status_code == 400
        assert len(answer.json()["error"]["message"]) < 2_100
    message = client.post(SEARCH, json={"query": "x", "where": ["stars=" + "a" * 9_000]}).json()["error"]["message"]
    assert message == f"where 'stars={'a' * 194}…': the field holds numbers, and '{'a' * 200}…' is none."


def test_a_key_of_any_script_is_borne(store):
    with TestClient(create_app(store, key="密钥 ")) as client:
        right = client.get("/v1/corpora", headers={"Authorization": "Bearer 密钥".encode()})
        wrong = client.get("/v1/corpora", headers={"Authorization": "Bearer 密钥匙".encode()})
    assert (right.status_code, wrong.status_code) == (200, 401)


def test_one_wait_for_a_locked_corpus_is_enough_for_all_and_health_does_not_wait(store):
    requests = 60

    async def ask(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x", timeout=60) as client:
            anyio.to_thread.current_default_thread_limiter().total_tokens = 5
            asked = [asyncio.create_task(client.post(SEARCH, json={"query": "x"})) for _ in range(requests)]
            while app.state.holder._attempts._order < requests:
                await asyncio.sleep(0.01)
            for path in ("/health", "/metrics", "/"):
                assert (await client.get(path)).status_code == 200
            assert not any(one.done() for one in asked)
            return await asyncio.gather(*asked)

    with open_store(store) as other:
        other.count("hotels.g1.passages")
        app = create_app(store)
        answers = asyncio.run(ask(app))
    assert {(answer.status_code, answer.headers["Retry-After"]) for answer in answers} == {(503, "5")}
    assert {json.loads(answer.content)["error"]["kind"] for answer in answers} == {"StoreLocked"}
    # The next number after those of all requests: the only attempt that failed.
    assert app.state.holder._attempts._failed["hotels"][0] == requests + 1
