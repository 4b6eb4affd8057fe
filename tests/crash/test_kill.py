"""kill -9 at random moments of a real ingest, then the same command again: the corpus of an undisturbed run."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas.spaces import Shelf
from stores.base import collection_name
from stores.embedded import EdgeStore

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")

ROOT = Path(__file__).resolve().parent.parent.parent
KILLS = int(os.environ.get("XUNYI_KILLS", "8"))
SEED = int(os.environ.get("XUNYI_KILL_SEED", "20131116"))
CORPUS = "killed"


def _records(path: Path, edition: int) -> None:
    words = ["river", "mountain", "lantern", "bridge", "temple", "winter", "山水", "古寺", "灯笼", "石桥"]
    pick = random.Random(7)
    lines = []
    for number in range(150):
        text = ". ".join(" ".join(pick.choices(words, k=9)) for _ in range(pick.randint(1, 16)))
        # The second edition has a third of its records longer or shorter, and fifty that the first has not.
        if edition == 2 and number % 3 == 0:
            text = text[: len(text) // 2] if number % 2 else f"{text}. {text[::-1]}"
        if edition == 2 or number < 100:
            row = {"_id": f"r{number}", "title": f"Record {number}", "text": text, "price": number % 7}
            lines.append(json.dumps(row, ensure_ascii=False))
    path.write_text("\n".join(lines), encoding="utf-8")


def _start(source: Path, store: Path, temporary: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "cli", "ingest", str(source), "--corpus", CORPUS, "--as", "records"]
    temporary.mkdir(exist_ok=True)
    return subprocess.Popen(
        [*command, "--spaces", "tfidf,word2vec", "--store", str(store)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "random"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(source: Path, store: Path, temporary: Path) -> float:
    """Run to the end; the seconds since the first stage began."""
    with _start(source, store, temporary) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        began = time.monotonic()
        said += process.stderr.read()
    assert process.returncode == 0, said
    return time.monotonic() - began


def _kill(source: Path, store: Path, temporary: Path, delay: float) -> bool:
    """Kill the run ``delay`` seconds after its first stage began; whether it was still at work."""
    with _start(source, store, temporary) as process:
        assert process.stderr is not None
        process.stderr.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
    return process.returncode == -signal.SIGKILL


def _contents(folder: Path) -> dict[str, list[str]]:
    """Every point of every shelf: id, payload and vectors, exact to the bit."""
    with EdgeStore(folder) as store:
        manifest = store.read_manifest(CORPUS)
        assert manifest is not None
        assert manifest.complete
        found: dict[str, list[str]] = {
            "manifest": [manifest.model_copy(update={"created": "", "updated": ""}).model_dump_json()]
        }
        for shelf in Shelf:
            name = collection_name(CORPUS, manifest.generation, shelf)
            found[shelf] = [
                repr(
                    (
                        record.id,
                        json.dumps(record.payload, sort_keys=True),
                        sorted((record.vector or {}).items(), key=str),
                    )
                )
                for record in store.scroll(name, vectors=True)
            ]
            assert len(found[shelf]) == store.count(name)
        return found


def _leftovers(folder: Path) -> list[str]:
    """What a finished store has no use for."""
    hidden = [str(path.relative_to(folder)) for path in folder.rglob(".*") if "shard" not in path.parts]
    generations = sorted(path.name for path in (folder / CORPUS).iterdir() if path.is_dir())
    assert generations == ["g1.documents", "g1.passages", "g1.terms"]
    return hidden


@pytest.mark.parametrize("earlier", [False, True], ids=["into an empty store", "over an earlier edition"])
def test_killed_at_random_moments_and_run_again_a_corpus_equals_the_undisturbed_one(
    tmp_path: Path, earlier: bool
) -> None:
    first, second = tmp_path / "first" / "r.jsonl", tmp_path / "second" / "r.jsonl"
    for path, edition in ((first, 1), (second, 2)):
        path.parent.mkdir()
        _records(path, edition)
    temporary = tmp_path / "tmp"
    before = tmp_path / "before"
    if earlier:
        _finish(first, before, temporary)
    undisturbed = tmp_path / "undisturbed"
    if earlier:
        shutil.copytree(before, undisturbed)
    seconds = _finish(second, undisturbed, temporary)
    expected = _contents(undisturbed)
    assert len(expected[Shelf.DOCUMENTS]) == 150

    moments = random.Random(SEED + earlier)
    left = KILLS // 2 if earlier else KILLS - KILLS // 2
    hit = 0
    whole = span = seconds * 1.05
    while left > 0 or (not hit and left > -10):
        store = tmp_path / "store"
        shutil.rmtree(store, ignore_errors=True)
        if earlier:
            shutil.copytree(before, store)
        delays = []
        # Sometimes the second and third run are killed too: recovery must itself be killable.
        for _ in range(min(max(left, 1), moments.choice((1, 2, 3)))):
            delays.append(moments.uniform(0.0, span))
            struck = _kill(second, store, temporary, delays[-1])
            # The machine may be quicker now than when the undisturbed run was timed.
            span = whole if struck else span / 2
            hit += struck
            left -= 1
        _finish(second, store, temporary)
        found = _contents(store)
        assert found.keys() == expected.keys()
        for part in expected:
            assert found[part] == expected[part], f"{part} differs after kills at {delays} s of {seconds:.2f} s"
        assert _leftovers(store) == []
    assert hit, "no kill hit a run at work"
