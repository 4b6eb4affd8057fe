"""Hashes of weights: remembered between processes, and never after a file changed."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from encoders import file_hashes
from encoders.file_hashes import WORTH_REMEMBERING, file_sha256
from encoders.model_files import folder_revision

ROOT = Path(__file__).resolve().parent.parent.parent
HOUR = 3_600_000_000_000


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, and a memory of this process that begins anew."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(file_hashes.platformdirs, "user_cache_dir", lambda *_, **__: str(folder))
    file_hashes._in_process.cache_clear()
    yield folder
    file_hashes._in_process.cache_clear()


@pytest.fixture
def an_hour_later(monkeypatch):
    now = time.time_ns() + HOUR
    monkeypatch.setattr(file_hashes.time, "time_ns", lambda: now)


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "model" / "model.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"\1" * WORTH_REMEMBERING)
    return path


def entry(cache):
    (found,) = (cache / "hashes").iterdir()
    return found


def in_a_new_process(path):
    file_hashes._in_process.cache_clear()
    return file_sha256(path)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.usefixtures("an_hour_later")
def test_a_large_file_is_read_once(cache, weights):
    assert file_sha256(weights) == sha256(weights)
    told = json.loads(entry(cache).read_text())
    entry(cache).write_text(json.dumps(told | {"sha256": "0" * 64}))
    assert in_a_new_process(weights) == "0" * 64


@pytest.mark.usefixtures("an_hour_later")
@pytest.mark.parametrize("size", [WORTH_REMEMBERING, WORTH_REMEMBERING + 1])
@pytest.mark.parametrize("how", ["rewritten", "replaced", "times kept"])
def test_a_changed_file_is_seen(cache, weights, size, how):
    before, stat = file_sha256(weights), weights.stat()
    revision = folder_revision(weights.parent)
    assert entry(cache).is_file()
    time.sleep(0.02)  # two ticks of the clock that stamps files
    if how == "replaced":
        other = weights.with_name("new")
        other.write_bytes(b"\2" * size)
        other.replace(weights)
    else:
        weights.write_bytes(b"\2" * size)
    if how == "times kept":
        os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert file_sha256(weights) == in_a_new_process(weights) == sha256(weights) != before
    assert folder_revision(weights.parent) != revision


@pytest.mark.usefixtures("an_hour_later")
def test_another_file_at_the_same_place_in_a_copied_cache_is_not_believed(cache, weights, tmp_path):
    file_sha256(weights)
    twin = Path(shutil.copytree(weights.parent, tmp_path / "twin")) / weights.name
    twin.write_bytes(b"\3" * WORTH_REMEMBERING)
    shutil.copy(entry(cache), file_hashes._place(twin.resolve()))
    assert in_a_new_process(twin) == sha256(twin)


@pytest.mark.usefixtures("an_hour_later")
@pytest.mark.parametrize("spoilt", [b"", b"{", b"[]", b"\xff", b'{"sha256": 3}'])
def test_a_spoilt_entry_is_hashed_anew_and_mended(cache, weights, spoilt):
    file_sha256(weights)
    entry(cache).write_bytes(spoilt)
    assert in_a_new_process(weights) == sha256(weights)
    assert json.loads(entry(cache).read_text())["sha256"] == sha256(weights)


def test_a_file_that_has_just_changed_and_a_small_one_are_not_remembered(cache, weights, monkeypatch):
    assert file_sha256(weights) == sha256(weights)
    small = weights.with_name("tokenizer.json")
    small.write_bytes(b"{}")
    now = time.time_ns() + HOUR
    monkeypatch.setattr(file_hashes.time, "time_ns", lambda: now)
    assert file_sha256(small) == sha256(small)
    assert not (cache / "hashes").exists()


@pytest.mark.usefixtures("an_hour_later")
def test_a_cache_that_cannot_be_written_is_no_error(cache, weights):
    cache.write_text("a file where the folder should be")
    assert file_sha256(weights) == sha256(weights)


def test_processes_at_the_same_time_leave_one_whole_entry(tmp_path, weights):
    os.utime(weights, (1, 1))
    code = (
        "import sys, time; from pathlib import Path; from encoders import file_hashes; now = time.time_ns() + 10**12;"
        "file_hashes.time.time_ns = lambda: now; print(file_hashes.file_sha256(Path(sys.argv[1])))"
    )
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path / "xdg"),
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    environment["LOCALAPPDATA"] = str(tmp_path)
    command = [sys.executable, "-c", code, str(weights)]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert {process.communicate()[0].strip() for process in running} == {sha256(weights)}
    entries = [path for path in tmp_path.rglob("hashes/*") if path.is_file()]
    assert [path.suffix for path in entries] == [".json"]
    assert json.loads(entries[0].read_text())["sha256"] == sha256(weights)
