"""Public corpora from a real server on loopback that understands ranges and can break off."""

import gzip
import hashlib
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from ingest import download as module
from ingest.download import CORPORA, PublicCorpus, download
from schemas.errors import InputError, UsageError

DATA = bytes(range(256)) * 2000
NAME = "things"
KNOWN = {NAME: PublicCorpus("http://127.0.0.1:9/things.txt", "things.txt", hashlib.sha256(DATA).hexdigest())}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if server.redirect:
            self.send_response(302)
            self.send_header("Location", server.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if server.status != 200:
            self.send_response(server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.ranges else 0
        if start >= len(server.data):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = server.data[start : start + server.most]
        self.send_response(206 if asked and server.ranges else 200)
        if asked and server.ranges:
            self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{len(server.data)}")
        if server.coded:
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.breaks.pop(0)] if server.breaks else body)
        if server.stalls:
            self.wfile.flush()
            time.sleep(server.stalls.pop(0))
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.001)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.data, running.ranges, running.breaks, running.asked, running.status = DATA, True, [], [], 200
        running.redirect, running.most, running.coded, running.stalls = "", len(DATA), False, []
        running.url = f"http://127.0.0.1:{running.server_address[1]}/things.txt"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def fetch(server, folder):
    return download(NAME, url=server.url, folder=folder, corpora=KNOWN)


def test_a_file_is_fetched_once_and_then_found_in_its_folder(server, tmp_path):
    first = fetch(server, tmp_path)
    assert (tmp_path / "things.txt").read_bytes() == DATA
    assert (first.cached, first.bytes, first.resumed_from) == (False, len(DATA), 0)
    assert fetch(server, tmp_path).cached
    assert len(server.asked) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["things.txt"]


def test_a_connection_that_breaks_is_gone_on_from_where_it_broke(server, tmp_path):
    server.breaks = [100_000, 50_000]
    fetch(server, tmp_path)
    assert (tmp_path / "things.txt").read_bytes() == DATA
    assert server.asked[0] is None
    starts = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in server.asked[1:]]
    assert len(starts) == 2
    assert 0 < starts[0] < starts[1] <= 150_000


def test_what_an_earlier_run_kept_is_gone_on_from(server, tmp_path):
    (tmp_path / "things.txt.part").write_bytes(DATA[:300_000])
    assert fetch(server, tmp_path).resumed_from == 300_000
    assert server.asked == ["bytes=300000-"]


def test_a_whole_part_needs_no_more_bytes(server, tmp_path):
    (tmp_path / "things.txt.part").write_bytes(DATA)
    fetch(server, tmp_path)
    assert (tmp_path / "things.txt").read_bytes() == DATA


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.ranges = False
    (tmp_path / "things.txt.part").write_bytes(DATA[:1000])
    assert fetch(server, tmp_path).resumed_from == 0
    assert (tmp_path / "things.txt").read_bytes() == DATA


def test_a_part_that_was_wrong_is_fetched_from_the_beginning(server, tmp_path):
    (tmp_path / "things.txt.part").write_bytes(b"x" * 1000)
    fetch(server, tmp_path)
    assert (tmp_path / "things.txt").read_bytes() == DATA
    assert server.asked == ["bytes=1000-", None]


def test_a_damaged_file_is_fetched_again(server, tmp_path):
    (tmp_path / "things.txt").write_bytes(b"damaged")
    assert not fetch(server, tmp_path).cached
    assert (tmp_path / "things.txt").read_bytes() == DATA


def test_a_wrong_checksum_keeps_nothing(server, tmp_path):
    server.data = DATA[:-1] + b"!"
    with pytest.raises(InputError, match="something else"):
        fetch(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (503, 4)])
def test_a_refusal_is_a_sentence_and_only_passing_ones_are_tried_again(server, tmp_path, status, requests):
    server.status = status
    with pytest.raises(InputError, match=str(status)):
        fetch(server, tmp_path)
    assert len(server.asked) == requests


def test_an_answer_that_is_for_another_range_is_no_whole_file(server, tmp_path):
    server.status = 416
    with pytest.raises(InputError, match="answers 416; name a copy elsewhere with --url"):
        fetch(server, tmp_path)
    assert len(server.asked) == 1


def test_a_part_that_is_longer_than_the_file_is_fetched_from_the_beginning(server, tmp_path):
    (tmp_path / "things.txt.part").write_bytes(DATA + b"more")
    assert fetch(server, tmp_path).resumed_from == 0
    assert (tmp_path / "things.txt").read_bytes() == DATA
    assert server.asked == [f"bytes={len(DATA) + 4}-", None]


def test_a_server_that_sends_less_than_the_range_is_asked_for_the_rest(server, tmp_path):
    server.most = 200_000
    (tmp_path / "things.txt.part").write_bytes(DATA[:1000])
    assert fetch(server, tmp_path).resumed_from == 1000
    assert server.asked == ["bytes=1000-", "bytes=201000-", "bytes=401000-"]
    assert (tmp_path / "things.txt").read_bytes() == DATA


def test_a_server_that_stalls_is_gone_on_from(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", httpx.Timeout(0.3))
    server.breaks, server.stalls = [100_000], [0.8]
    fetch(server, tmp_path)
    assert (tmp_path / "things.txt").read_bytes() == DATA
    assert server.asked == [None, "bytes=100000-"]


def test_a_range_of_compressed_bytes_is_not_gone_on_from(server, tmp_path):
    server.coded = True
    (tmp_path / "things.txt.part").write_bytes(DATA[:1000])
    assert fetch(server, tmp_path).resumed_from == 0
    assert (tmp_path / "things.txt").read_bytes() == DATA


@pytest.mark.parametrize("place", ["file:///etc/hosts", "ftp://host/x", "http://host:port/", "http://a..b/"])
def test_a_redirect_to_what_is_no_address_is_not_blamed_on_the_option(server, tmp_path, place):
    server.redirect = place
    with pytest.raises(InputError) as error:
        fetch(server, tmp_path)
    assert str(error.value).startswith(f"{server.url} ")
    assert str(error.value).endswith("name a copy elsewhere with --url.")
    assert "kept" not in str(error.value)


def test_redirects_without_end_are_said_at_once(server, tmp_path):
    server.redirect = server.url
    with pytest.raises(InputError, match="redirects without end; name a copy elsewhere with --url"):
        fetch(server, tmp_path)
    # One attempt, of as many steps as the client takes.
    assert len(server.asked) < 30


def test_nobody_there_says_how_to_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.001)
    with pytest.raises(InputError, match=r"check the network, or name a copy elsewhere with --url\.$"):
        download(NAME, folder=tmp_path, corpora=KNOWN)
    (tmp_path / "things.txt.part").write_bytes(b"12345")
    with pytest.raises(InputError, match=r"--url; 5 bytes are kept, and the same command goes on from there\.$"):
        download(NAME, folder=tmp_path, corpora=KNOWN)
    assert (tmp_path / "things.txt.part").exists()


@pytest.mark.parametrize(
    "url",
    ["ftp://host/x", "things.txt", "http://", "http:///x", "https://host:port/", "http://a..b/", "http://\ud800/"],
)
def test_an_address_that_is_none_is_refused(tmp_path, url):
    with pytest.raises(UsageError, match=r"^--url .* is no address; write http://HOST/PATH or https://HOST/PATH\.$"):
        download(NAME, url=url, folder=tmp_path, corpora=KNOWN)


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_folder_that_is_a_file_is_not_a_full_disk(tmp_path, place):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match=f"{place} is no folder and cannot be made one; name another with --folder"):
        download(NAME, folder=tmp_path / place, corpora=KNOWN)


def test_what_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "things.txt.part").mkdir()
    with pytest.raises(
        InputError, match=r"things\.txt\.part cannot be written \(Is a directory\); name another folder"
    ):
        fetch(server, tmp_path)


def test_of_two_runs_at_once_one_fetches_and_the_other_finds_the_file(server, tmp_path):
    server.breaks, server.stalls = [100_000], [0.5]
    with ThreadPoolExecutor(2) as pool:
        first, second = (pool.submit(fetch, server, tmp_path) for _ in range(2))
        assert sorted([first.result().cached, second.result().cached]) == [False, True]
    assert server.asked == [None, "bytes=100000-"]
    assert [path.name for path in tmp_path.iterdir()] == ["things.txt"]
    assert (tmp_path / "things.txt").read_bytes() == DATA


def test_what_a_killed_run_held_is_no_hindrance(server, tmp_path):
    (tmp_path / ".things.txt.lock").touch()
    fetch(server, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["things.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
def test_a_pipe_is_not_replaced_and_a_link_is_followed(server, tmp_path):
    os.mkfifo(tmp_path / "things.txt")
    with pytest.raises(InputError, match=r"things\.txt cannot be written \(Not a regular file\); name another folder"):
        fetch(server, tmp_path)
    (tmp_path / "things.txt").unlink()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "things.txt").symlink_to(tmp_path / "elsewhere" / "things.txt")
    fetch(server, tmp_path)
    assert (tmp_path / "things.txt").is_symlink()
    assert (tmp_path / "elsewhere" / "things.txt").read_bytes() == DATA


def test_an_unknown_name_says_which_there_are(tmp_path):
    with pytest.raises(UsageError, match="seattle-hotels, journey-to-the-west"):
        download("nonsense", folder=tmp_path)
    assert all(len(corpus.sha256) == 64 and corpus.url.isascii() for corpus in CORPORA.values())
