"""What is said of a server that refuses, or that is none: a reason and a remedy, and neither key nor password."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from schemas.errors import StoreError, StoreUnavailable, UsageError
from stores.opening import open_store
from stores.server import ServerStore
from tests.stores.conftest import NAME, SPACES
from tests.stores.fake_qdrant import fake_qdrant
from tests.stores.test_server import answering

KEY = 's3cr3t "key" <&> 100%'


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("stores.server_connection.FIRST_PAUSE", 0.001)


def refusal(status, body=b"", headers=None, key=None):
    """What a request to a server ends with that answers so for ever, and how often it was asked."""
    with answering((status, headers or {}), body=body) as (url, seen), open_store(url, api_key=key) as store:
        with pytest.raises(StoreError) as error:
            store.list_collections()
        return str(error.value).replace(url, "URL"), len(seen)


# -- keys and passwords ------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["XUNYI_API_KEY", "QDRANT_API_KEY"])
def test_blanks_around_a_key_as_a_file_ends_with_are_not_sent(monkeypatch, variable):
    monkeypatch.setenv("XUNYI_API_KEY", " \n")
    monkeypatch.setenv(variable, " SECRETKEY123\r\n")
    with answering((200, {})) as (url, seen), open_store(url) as store:
        store.list_collections()
        assert seen == ["SECRETKEY123"]


@pytest.mark.parametrize("key", ["SECRET\nKEY", "SECRET\rKEY", "SECRET\0KEY", "SECRET密钥KEY", "SECRET\udcffKEY"])
@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_key_that_no_request_can_carry_is_refused_without_showing_it(key, scheme):
    with pytest.raises(UsageError, match="XUNYI_API_KEY") as error:
        open_store(f"{scheme}://127.0.0.1:1", api_key=key)
    assert "SECRET" not in str(error.value)


@pytest.mark.parametrize("padding", [0, 290])
@pytest.mark.parametrize("status", [400, 404, 422, 503])
def test_a_key_that_the_server_repeats_is_not_shown_whole_or_in_part(status, padding):
    said = " " * 3 + "x" * padding + f"no {KEY} here"
    sentence, _ = refusal(status, json.dumps({"status": {"error": said}}).encode(), key=KEY)
    assert "s3cr3t" not in sentence
    assert "***" in sentence


@pytest.mark.parametrize(
    "shown",
    [KEY, json.dumps(KEY), "s3cr3t%20%22key%22%20%3C%26%3E%20100%25", "s3cr3t &quot;key&quot; &lt;&amp;&gt; 100%"],
)
def test_a_key_that_a_proxy_sends_on_in_an_address_is_not_shown(shown):
    sentence, _ = refusal(302, headers={"Location": f"https://login/?key={shown}"}, key=KEY)
    assert "https://login/?key=" in sentence
    assert "s3cr3t" not in sentence


@pytest.mark.parametrize(
    "url",
    [
        "http://user:SECRET/PW@host",
        "http://user:SECRET?PW@host:1",
        "http://user:SECRET#PW@host:1",
        "http://SECRET/PW@host",
        "http://user:SECRET@host:port",
        "http://user:SECRET@[::1",
        "https://user:SECRET@exa mple",
        "ftp://user:SECRET/PW@host",
    ],
)
def test_a_password_in_an_address_that_is_none_is_not_shown(url):
    with pytest.raises(UsageError) as error:
        open_store(url)
    assert "SECRET" not in str(error.value)
    assert "PW" not in str(error.value)
    assert "://" in str(error.value)


# -- servers that ask to wait ------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "asked", ["0", "0.01", "soon", "-3", "nan", "\xb2", "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 99"]
)
def test_a_busy_server_is_asked_again_whatever_it_says_of_when(status, asked):
    with answering((status, {"Retry-After": asked}), (200, {})) as (url, seen), open_store(url) as store:
        assert store.list_collections() == []
        assert len(seen) == 2


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("1.5", 1.5, 1.5),
        ("9999", 30, 30),
        ("inf", 30, 30),
        (format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True), 30, 30),
    ],
)
def test_a_server_is_waited_for_as_it_asks_but_not_for_ever(monkeypatch, status, asked, least, most):
    waits = []
    monkeypatch.setattr("stores.server_connection.time.sleep", waits.append)
    with answering((status, {"Retry-After": asked}), (200, {})) as (url, _), open_store(url) as store:
        store.list_collections()
    # The little server's own thread sleeps too.
    assert any(least <= wait <= most for wait in waits)


# -- what is no Qdrant server ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "headers", "what"),
    [
        (301, b"", {"Location": "https://elsewhere/"}, "answers 301 (Moved Permanently) and names https://elsewhere/"),
        (200, b"<html>Welcome</html>", {}, "answers with something else than Qdrant's JSON"),
        (200, b"\xff\xfe", {}, "answers with something else than Qdrant's JSON"),
        (200, b"{}", {}, "answers with something else than Qdrant's JSON"),
        (200, b"[1]", {}, "answers with something else than Qdrant's JSON"),
        (404, b"not found", {}, "answers 404 (Not Found)"),
        (404, b'{"detail": "Not Found"}', {}, "answers 404 (Not Found)"),
        (404, b"", {}, "answers 404 (Not Found)"),
    ],
)
def test_what_is_no_qdrant_server_is_said_at_once_with_the_option_that_names_it(status, body, headers, what):
    sentence, asked = refusal(status, body, headers)
    assert sentence == (
        f"URL {what}, which is no answer of a Qdrant server of today; see that --store names one, "
        "and what stands before it."
    )
    assert asked == 1


def test_what_a_server_refuses_is_told_with_its_reason():
    sentence, asked = refusal(422, b'{"status": {"error": "Limit is too large."}}')
    assert (sentence, asked) == ("URL refuses the request: Limit is too large.", 1)


def test_a_server_that_fails_again_and_again_is_told_with_its_reason():
    sentence, asked = refusal(500, b'{"status": {"error": "No space left"}}')
    assert sentence.startswith("URL answers 500 again and again (No space left); see that the server runs")
    assert asked == 5


@pytest.mark.parametrize("emulated", [False, True])
def test_a_collection_that_another_command_removed_meanwhile_is_named_with_the_remedy(emulated):
    with fake_qdrant() as server, open_store(":memory:" if emulated else server.url) as store:
        store.create_collection(NAME, SPACES)
        store._connection.call(lambda c: c.delete_collection(NAME))
        with pytest.raises(
            StoreError, match=f"has no collection {NAME}: another command .*; run the same command again"
        ):
            store.count(NAME)


# -- servers that hang -------------------------------------------------------------------------


class Hanging:
    """A server that takes connections and answers nothing, from when it is told to."""

    def __enter__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen()
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        return self

    def __exit__(self, *_):
        self.socket.close()


def test_cleaning_up_after_a_server_that_hung_does_not_wait_for_it_as_long_again():
    with Hanging() as server, open_store(server.url, timeout=4) as store:
        with pytest.raises(StoreUnavailable):
            store.list_collections()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="does not answer"):
            store.drop_collection(NAME)
        assert time.monotonic() - began < 3.5


def test_cleaning_up_after_an_interrupt_does_not_wait_for_a_server_that_hangs():
    with Hanging() as server, open_store(server.url, timeout=20) as store:
        threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            store.list_collections()
        with pytest.raises(StoreUnavailable):
            store.drop_collection(NAME)
        assert time.monotonic() - began < 6


@pytest.mark.parametrize("emulated", [False, True])
def test_cleaning_up_after_an_interrupt_goes_on_where_the_server_answers(emulated):
    def interrupted(_):
        raise KeyboardInterrupt

    with answering((200, {})) as (url, _), ServerStore(":memory:" if emulated else url) as store:
        with pytest.raises(KeyboardInterrupt):
            store.call(interrupted)
        assert store.list_collections() == []


def test_a_server_that_failed_and_answers_again_is_used_as_before():
    with answering(*[(503, {})] * 5, (200, {})) as (url, seen), open_store(url) as store:
        with pytest.raises(StoreUnavailable):
            store.list_collections()
        for _ in range(2):
            assert store.list_collections() == []
        # Once it has been seen to answer, it is not asked whether it does.
        assert len(seen) == 5 + 3
