"""A disk that fills up during an ingest: one sentence, no dead process, and everything acknowledged is there."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.errors import StoreFull
from search import Corpus
from stores.disk_room import RESERVE, allocated, require_room
from stores.opening import open_store

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def small_disk(request, tmp_path):
    """A file system of its own, of so many MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={request.param}m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def records(path, count):
    rows = ({"id": str(n), "title": f"Record {n}", "text": f"word{n} water{n % 97} " * 40} for n in range(count))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def ingest(path, store, spaces="tfidf"):
    command = [sys.executable, "-m", "cli", "ingest", str(path), "--corpus", "c", "--store", str(store)]
    return subprocess.run(
        [*command, "--spaces", spaces], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.parametrize("small_disk", [64, 80], indirect=True)
def test_a_disk_that_fills_up_is_a_sentence_and_the_corpus_answers_as_before(tmp_path, small_disk):
    store = small_disk / "store"
    few, many = tmp_path / "few", tmp_path / "many"
    for folder, count in ((few, 5), (many, 4_000)):
        folder.mkdir()
        records(folder / "r.jsonl", count)
    first = ingest(few / "r.jsonl", store)
    assert first.returncode == 0, first.stderr
    full = ingest(many / "r.jsonl", store)
    assert full.returncode == 5, full.stderr
    assert "disk is full" in full.stderr
    assert "Traceback" not in full.stderr
    with open_store(store) as opened, Corpus("c", opened) as corpus:
        assert {hit.document_id for hit in corpus.search("water3", limit=50).hits} >= {"3"}
        assert corpus.manifest.counts.documents == 5


@pytest.mark.parametrize("small_disk", [44], indirect=True)
def test_a_new_corpus_that_finds_no_room_leaves_nothing(tmp_path, small_disk):
    result = ingest(records(tmp_path / "r.jsonl", 4_000), small_disk / "store")
    assert result.returncode == 5, result.stderr
    with open_store(small_disk / "store") as opened:
        # Before its manifest nothing stands; after it, the same command goes on.
        assert opened.list_corpora() or not opened.list_collections()


@pytest.mark.parametrize("small_disk", [58], indirect=True)
def test_a_little_more_room_is_a_sentence_again_or_enough(tmp_path, small_disk):
    # In a file system in memory the engine takes tens of MB as it opens, where a full one ends the process.
    source = records(tmp_path / "r.jsonl", 1_500)
    codes = [ingest(source, small_disk / "store").returncode]
    for size in (60, 62, 96):
        subprocess.run(["mount", "-o", f"remount,size={size}m", str(small_disk)], check=True)
        codes.append(ingest(source, small_disk / "store").returncode)
    assert set(codes) <= {0, 5}


def test_room_is_asked_for_with_a_reserve(tmp_path):
    require_room(tmp_path)
    with pytest.raises(StoreFull, match="disk is full"):
        require_room(tmp_path, 1 << 60)
    assert RESERVE > 0


@pytest.mark.parametrize(
    ("small_disk", "spaces", "left"),
    [(120, "tfidf", 2_000_000), (250, "tfidf,word2vec", 30_000_000)],
    indirect=["small_disk"],
)
def test_a_search_finds_no_room_to_open_a_corpus_in_a_sentence(tmp_path, small_disk, spaces, left):
    assert ingest(records(tmp_path / "r.jsonl", 50), small_disk / "store", spaces).returncode == 0
    free = shutil.disk_usage(small_disk).free
    with (small_disk / "other").open("wb") as file:
        file.write(b"x" * (free - left))
    asked = [sys.executable, "-m", "cli", "search", "water3", "--corpus", "c", "--store", str(small_disk / "store")]
    found = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert found.returncode == 5, found.stderr
    assert "disk is full" in found.stderr


def test_holes_take_no_room(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(50_000_000)
    (tmp_path / "full").write_bytes(b"x" * 100_000)
    assert 100_000 <= allocated(tmp_path) < 1_000_000
