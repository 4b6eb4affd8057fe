"""``xunyi serve`` as a process: it says where it listens, answers, and ends."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

pytest.importorskip("fastapi", reason="the extra 'service' is not installed")

ROOT = Path(__file__).resolve().parent.parent.parent


@contextlib.contextmanager
def serving(tmp_path, *options, **environment):
    program = "import cli.main, cli.serve; cli.serve.GRACE = 1; cli.main.main()"
    command = [sys.executable, "-c", program, "serve", "--store", str(tmp_path / "store"), *options]
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(tmp_path, *options):
    with serving(tmp_path, *options) as process:
        said = process.communicate(timeout=60)[1]
    return process.returncode, said


def test_it_says_where_it_listens_and_ctrl_c_ends_it(tmp_path):
    with serving(tmp_path, "--port", "0", "--log-format", "json", XUNYI_SERVICE_KEY="s3cret") as process:
        address = json.loads(process.stderr.readline())["event"].split()[2]
        health = httpx.get(f"{address}/health", timeout=30)
        assert health.json()["status"] == "ok"
        assert httpx.get(f"{address}/v1/corpora").status_code == 401
        listed = httpx.get(f"{address}/v1/corpora", headers={"Authorization": "Bearer s3cret"})
        assert listed.json() == {"corpora": []}
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]
    assert process.returncode == 0
    assert '"event": "request", "route": "/v1/corpora", "method": "GET", "status": 200' in said
    assert '"status": 401' in said
    assert [json.loads(line)["level"] for line in said.splitlines()][-1] == "info"
    assert "Traceback" not in said
    assert "s3cret" not in said


def test_an_error_is_in_the_log_and_half_a_request_does_not_keep_it_from_stopping(tmp_path):
    (tmp_path / "store" / "broken").mkdir(parents=True)
    (tmp_path / "store" / "broken" / "manifest.json").write_text("{")
    (tmp_path / "store" / "xunyi-store.json").write_text("{}")
    with serving(tmp_path, "--port", "0") as process:
        address = process.stderr.readline().split()[2]
        assert httpx.get(f"{address}/v1/corpora/broken", timeout=30).status_code == 500
        host, _, port = address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as half:
            half.sendall(b"POST /v1/corpora/c/search HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
            httpx.get(f"{address}/health", timeout=30)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=30)[1]
            assert half.recv(20).startswith(b"HTTP/1.1 503")
    assert process.returncode == 0
    assert "kind=StoreDamaged" in said
    assert "is no manifest of a corpus" in said
    assert "Traceback" not in said


def test_ctrl_c_twice_ends_it_as_once(tmp_path):
    with serving(tmp_path, "--port", "0") as process:
        address = process.stderr.readline().split()[2]
        host, _, port = address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as half:
            half.sendall(b"POST /v1/corpora/c/search HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
            httpx.get(f"{address}/health", timeout=30)
            process.send_signal(signal.SIGINT)
            for _ in range(3):
                time.sleep(0.1)
                process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=30)[1]
            assert half.recv(20).startswith(b"HTTP/1.1 503")
    assert process.returncode == 0
    assert "Traceback" not in said


def test_an_address_that_others_reach_needs_a_key(tmp_path):
    code, said = run(tmp_path, "--host", "0.0.0.0")
    assert code == 2
    assert "XUNYI_SERVICE_KEY" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("store", "code"), [("ftp://x", 2), (__file__, 5)])
def test_a_store_that_can_be_none_is_told_before_it_listens(tmp_path, store, code):
    ended, said = run(tmp_path, "--store", store)
    assert ended == code
    assert store in said
    assert "Listening" not in said


def test_a_port_that_is_taken_is_one_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, said = run(tmp_path, "--port", str(taken.getsockname()[1]))
    assert code == 1
    assert "--port" in said
    assert "Traceback" not in said
