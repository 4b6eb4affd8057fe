"""A new corpus is encoded while the rest of it is read and fitted, in bounded memory; the points stay the same."""

import json
import threading
import time

import numpy as np
import pytest

from encoders.bundled import BundledEncoder
from encoders.interruption import checkpoint
from encoders.openai_compatible import OpenAICompatibleEncoder
from ingest import CorpusOptions, ahead, ingest, stages
from ingest.ahead import EncodingAhead, begin_ahead
from ingest.blocks import Block, Planned
from ingest.executors import InProcess
from ingest.ray_executor import RayExecutor
from ingest.slices import slices, texts_of
from ingest.spool import Spool
from schemas.documents import Document, Passage
from schemas.errors import EncoderError
from schemas.spaces import Space, SpaceKind
from stores.opening import open_store
from tests.kept import contents

DENSE = CorpusOptions(spaces=["dense", "tfidf"])


class Letters:
    """An encoder whose vectors tell the text; it remembers what it was given."""

    def __init__(self):
        self.given = []
        self.spaces = {"dense": Space(name="dense", kind=SpaceKind.DENSE, dim=250)}

    def encode_passages(self, texts):
        self.given += texts
        return {"dense": np.array([[ord(text[0])] * 250 for text in texts], dtype=np.float32)}


class Slow(BundledEncoder):
    """The bundled encoder; every batch waits until it may ``go``."""

    go = threading.Event()

    def encode_passages(self, texts):
        self.go.wait(60)
        return super().encode_passages(texts)


class Endless(Letters):
    """An encoder that would not come to the end of a batch."""

    began = threading.Event()

    def encode_passages(self, texts):
        self.began.set()
        while True:
            checkpoint()
            time.sleep(0.001)


class Failing(BundledEncoder):
    """Counts tokens, and cannot encode."""

    def encode_passages(self, texts):
        raise EncoderError("The model is gone; bring it back.")


@pytest.fixture
def spool():
    made = Spool()
    yield made
    made.close()


def block(name, passages):
    pieces = [Passage(name, at, 0, 1, chr(65 + at)) for at in range(passages)]
    return Block([Planned(Document(name, "", "x", "records", "s"), pieces, "h")], None, None, [0], [])


def rows(folder, count, name="rows.jsonl"):
    path = folder / name
    made = ({"id": str(n), "title": f"Row {n}", "text": f"word{n} water{n % 97} 山水 {n}"} for n in range(count))
    path.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
    return path


def encoder_threads():
    return [thread for thread in threading.enumerate() if thread.name == "xunyi-encoder"]


def test_who_follows_a_spool_gets_its_blocks_as_they_come_until_its_end(spool):
    seen = []
    arrived = threading.Semaphore(0)

    def follow():
        for found in spool.follow():
            seen.append(found.documents[0].document.id)
            arrived.release()

    thread = threading.Thread(target=follow)
    thread.start()
    for name in "abc":
        spool.append(block(name, 3))
        assert arrived.acquire(timeout=30)
        assert seen[-1] == name
    assert thread.is_alive()
    spool.end()
    thread.join(30)
    assert not thread.is_alive()
    assert [found.documents[0].document.id for found in spool] == seen == ["a", "b", "c"]


def test_an_encoder_that_is_quicker_than_the_rest_waits_and_none_is_lost(spool, monkeypatch):
    # Two batches of three passages of 250 numbers.
    monkeypatch.setattr(ahead, "AHEAD_BYTES", 6000)
    encoder = Letters()
    for name in "abcdef":
        spool.append(block(name, 7))
    spool.end()
    working = EncodingAhead(spool, encoder, titles=False, size=3)
    deadline = time.monotonic() + 30
    while len(encoder.given) < 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(encoder.given) == 6
    for found in spool:
        for batch in slices(found, 3):
            texts = texts_of(batch, False)
            got = working.begin(batch)()["dense"]
            assert got[:, 0].tolist() == [ord(text) for text in texts]
    assert working.encoded == len(encoder.given) == 42
    working.close()
    assert not encoder_threads()


@pytest.mark.parametrize("workers", [0, 2])
def test_the_points_are_those_of_an_ingest_that_encodes_after_it_has_read(tmp_path, samples, monkeypatch, workers):
    source = samples / "tale.txt"
    ingest(source, "c", store=tmp_path / "beside", options=DENSE, workers=workers)
    monkeypatch.setattr(stages, "begin_ahead", lambda *_, **__: None)
    ingest(source, "c", store=tmp_path / "after", options=DENSE)
    with open_store(tmp_path / "beside") as beside, open_store(tmp_path / "after") as after:
        assert contents(beside) == contents(after)


def test_reading_goes_on_to_its_end_beside_an_encoder_that_has_not_given_a_vector(store, tmp_path, monkeypatch):
    Slow.go.clear()
    monkeypatch.setattr(stages, "encoder_for", lambda _: Slow())
    seen = []

    def progress(stage, done, _total):
        seen.append(stage)
        if stage == "encode" and done == 0:
            Slow.go.set()

    report = ingest(rows(tmp_path, 30), "c", store=store, options=DENSE, progress=progress)
    assert list(dict.fromkeys(seen)) == ["read", "fit", "encode", "optimize"]
    assert (report.passages, report.encoded, report.taken_over) == (30, 30, 0)
    assert not encoder_threads()


def test_what_keeps_the_encoder_from_its_work_ends_the_reading_and_nothing_is_written(store, tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "encoder_for", lambda _: Failing())
    read = []
    with pytest.raises(EncoderError, match="bring it back"):
        ingest(
            rows(tmp_path, 20_000), "c", store=store, options=DENSE,
            progress=lambda stage, done, _: read.append((stage, done)),
        )  # fmt: skip
    assert {stage for stage, _ in read} == {"read"}
    assert max(done for _, done in read) < 20_000
    assert store.list_corpora() == []
    assert not encoder_threads()


def test_a_run_that_is_stopped_while_it_reads_ends_its_encoder(store, tmp_path):
    def progress(stage, done, _total):
        if done > 600:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(rows(tmp_path, 2000), "c", store=store, options=DENSE, progress=progress)
    assert store.list_corpora() == []
    assert not encoder_threads()


def test_a_batch_is_not_waited_for_by_who_stops(spool):
    spool.append(block("a", 7))
    working = EncodingAhead(spool, Endless(), titles=False)
    assert Endless.began.wait(30)
    working.close()
    assert not encoder_threads()


def test_only_a_new_corpus_is_encoded_so_and_never_a_dry_run(store, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(stages, "begin_ahead", lambda *_, **__: asked.append(True))
    ingest(rows(tmp_path, 3), "c", store=store, options=DENSE, dry_run=True)
    assert asked == []
    ingest(rows(tmp_path, 3), "c", store=store, options=DENSE)
    assert asked == [True]
    ingest(rows(tmp_path, 5), "c", store=store, options=DENSE)
    assert asked == [True]


def test_what_an_api_is_paid_for_is_not_made_long_before_it_is_written(spool):
    api = OpenAICompatibleEncoder("some-model", dimensions=8, base_url="http://127.0.0.1:9/v1")
    assert begin_ahead(spool, api, InProcess(), titles=True) is None


def test_where_ray_encodes_nothing_is_encoded_here(spool):
    assert begin_ahead(spool, BundledEncoder(), RayExecutor(1), titles=True) is None
