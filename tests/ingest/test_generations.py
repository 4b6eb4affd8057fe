"""The generation that a rebuild replaced is kept, brought back whole, and dropped; on both stores."""

import json

import pytest

from cli.main import main
from ingest import CorpusOptions, ingest
from ingest.corpus import delete_corpus
from ingest.exchange import export_corpus, import_corpus
from ingest.generations import drop_generations, list_generations, restore_generation
from ingest.rebuild import rebuild
from ingest.refit import refit
from ingest.spaces import give_up, remove_spaces
from schemas.errors import CorpusError, CorpusNotFound, StoreDamaged, UsageError
from schemas.spaces import Shelf
from schemas.storage import StorageSettings
from search import search
from search.catalog import corpus_info
from stores.doctor import check_store
from stores.opening import open_store
from stores.snapshots import snapshots_of
from tests.kept import contents

TFIDF = CorpusOptions(spaces=("tfidf",))
SHORT = CorpusOptions(max_tokens=16)
BM25 = CorpusOptions(weighting="bm25")


def records(path, count, start=0):
    rows = [
        {"id": f"r{n}", "title": f"House {n}", "text": "".join(f"Room {n} has door {k}. " for k in range(2 + n % 5))}
        for n in range(start, start + count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def rows(tmp_path):
    return records(tmp_path / "rows.jsonl", 8)


def standing(store, corpus="c"):
    return sorted({name.split(".")[1] for name in store.list_collections() if name.startswith(f"{corpus}.")})


def test_the_old_generation_comes_back_whole_and_the_new_one_is_kept_instead(store, rows):
    ingest([rows], "c", store=store, options=TFIDF)
    tuned = {"weights": {"tfidf": 0.8}, "fusion": "rrf"}
    store.write_manifest(store.read_manifest("c").model_copy(update={"search": tuned}))
    first, before = contents(store), store.read_manifest("c")
    rebuild("c", CorpusOptions(max_tokens=16, weighting="bm25", titles=False), store=store)
    second, after = contents(store), store.read_manifest("c")
    assert second != first
    assert after.kept == [before]
    report = restore_generation("c", store=store)
    assert (report.generation, report.set_aside, report.missing, report.older, report.removed) == (1, 2, 0, 0, 0)
    assert contents(store) == first
    manifest = store.read_manifest("c")
    assert manifest.model_copy(update={"kept": [], "newest": 0}) == before
    assert manifest.kept == [after.alone]
    assert ingest([rows], "c", store=store).nothing_changed
    restore_generation("c", 2, store=store)
    assert contents(store) == second
    assert [kept.generation for kept in store.read_manifest("c").kept] == [1]
    assert ingest([rows], "c", store=store).nothing_changed


def test_several_are_kept_and_the_one_used_last_comes_back_first(store, rows):
    ingest([rows], "c", store=store, options=TFIDF)
    rebuild("c", SHORT, store=store)
    rebuild("c", BM25, store=store)
    found = list_generations("c", store=store).generations
    assert [(one.generation, one.state) for one in found] == [(3, "in use"), (2, "kept"), (1, "kept")]
    assert [(one.max_tokens, one.weighting) for one in found] == [(16, "bm25"), (16, "tfidf"), (256, "tfidf")]
    assert {one.documents for one in found} == {8}
    assert restore_generation("c", store=store).generation == 2
    assert restore_generation("c", store=store).generation == 3
    with pytest.raises(UsageError, match="1, 2"):
        drop_generations("c", store=store)
    with pytest.raises(UsageError, match="in use"):
        drop_generations("c", 3, store=store)
    with pytest.raises(UsageError, match="7"):
        restore_generation("c", 7, store=store)
    assert drop_generations("c", 2, store=store).dropped == [2]
    assert standing(store) == ["g1", "g3"]
    rebuild("c", CorpusOptions(max_tokens=32), store=store)
    assert drop_generations("c", store=store, every=True).dropped == [1, 3]
    assert standing(store) == ["g4"]
    for nothing in (restore_generation, drop_generations):
        with pytest.raises(CorpusError, match="keeps no other"):
            nothing("c", store=store)
        with pytest.raises(CorpusNotFound):
            nothing("d", store=store)


def test_a_number_is_not_used_twice(store, rows):
    ingest([rows], "c", store=store, options=TFIDF)
    rebuild("c", SHORT, store=store)
    restore_generation("c", store=store)
    drop_generations("c", store=store)
    assert standing(store) == ["g1"]
    assert rebuild("c", SHORT, store=store, drop_old=True).generation == 3
    assert standing(store) == ["g3"]
    assert refit("c", store=store).generation == 4


def test_one_that_an_ingest_has_left_behind_comes_back_only_by_force(store, tmp_path, rows):
    ingest([rows], "c", store=store, options=TFIDF)
    first = contents(store)
    # Hashes of documents depend on whether titles are encoded: that alone is no change of theirs.
    rebuild("c", CorpusOptions(titles=False), store=store)
    assert restore_generation("c", store=store).older == 0
    restore_generation("c", store=store)
    lines = rows.read_text(encoding="utf-8").splitlines()
    changed = json.dumps({**json.loads(lines[0]), "text": "Another room."})
    rows.write_text("\n".join([changed, *lines[1:7], '{"id": "new", "text": "A new house."}']), encoding="utf-8")
    ingest([rows], "c", store=store, prune=True)
    with pytest.raises(CorpusError, match=r"by 3 documents .1 missing, 1 of an older edition, 1 rem.*--force"):
        restore_generation("c", store=store)
    assert store.read_manifest("c").generation == 2
    report = restore_generation("c", store=store, force=True)
    assert (report.missing, report.older, report.removed, report.documents) == (1, 1, 1, 8)
    assert contents(store) == first
    report = ingest([rows], "c", store=store, prune=True)
    assert (report.added, report.changed, report.removed, report.unchanged) == (1, 1, 1, 6)


def test_refits_and_changes_of_spaces_keep_the_old_one_where_asked(store, rows):
    ingest([rows], "c", store=store, options=CorpusOptions(spaces=("dense", "tfidf")))
    first = contents(store)
    refit("c", store=store, keep_old=True)
    assert remove_spaces("c", ["dense"], store=store, keep_old=True).kept_old
    assert standing(store) == ["g1", "g2", "g3"]
    restore_generation("c", 1, store=store)
    assert contents(store) == first
    drop_generations("c", store=store, every=True)
    remove_spaces("c", ["dense"], store=store)
    assert standing(store) == ["g4"]


def test_what_a_stopped_run_built_is_listed_guarded_and_given_up(store, rows):
    ingest([rows], "c", store=store, options=TFIDF)
    rebuild("c", BM25, store=store)

    def stop(stage, _done, _total):
        if stage == "optimize":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild("c", SHORT, store=store, progress=stop)
    found = list_generations("c", store=store).generations
    assert [(one.generation, one.state, one.documents) for one in found] == [
        (2, "in use", 8),
        (1, "kept", 8),
        (3, "unfinished", 8),
    ]
    with pytest.raises(CorpusError, match="unfinished"):
        restore_generation("c", store=store)
    drop_generations("c", 1, store=store)
    assert standing(store) == ["g2", "g3"]
    report = drop_generations("c", store=store, in_the_making=True)
    assert (report.dropped, report.unfinished) == ([3], True)
    assert standing(store) == ["g2"]
    assert drop_generations("c", store=store, in_the_making=True).dropped == []
    assert give_up("c", store=store).removed == []
    assert rebuild("c", SHORT, store=store).generation == 3


def test_shelves_that_are_gone_are_never_put_into_use(store, rows):
    ingest([rows], "c", store=store, options=TFIDF)
    rebuild("c", SHORT, store=store)
    store.drop_collection("c.g1.passages")
    with pytest.raises(StoreDamaged, match="generations drop c 1"):
        restore_generation("c", store=store)
    drop_generations("c", 1, store=store)
    assert standing(store) == ["g2"]


def test_deleting_a_corpus_takes_its_kept_generations_along(store, rows):
    for corpus in ("c", "c.g1"):
        ingest([rows], corpus, store=store, options=TFIDF)
        rebuild(corpus, SHORT, store=store)
    delete_corpus("c", store)
    assert {name.rsplit(".", 2)[0] for name in store.list_collections()} == {"c.g1"}
    assert restore_generation("c.g1", store=store).generation == 1


def test_an_export_is_of_the_generation_in_use_alone(store, tmp_path, rows):
    ingest([rows], "c", store=store, options=TFIDF)
    rebuild("c", SHORT, store=store)
    export_corpus("c", tmp_path / "c.parquet", store=store)
    import_corpus(tmp_path / "c.parquet", name="d", store=store)
    assert standing(store, "d") == ["g1"]
    assert store.read_manifest("d").kept == []
    assert rebuild("d", BM25, store=store).generation == 2


def test_a_snapshot_is_of_the_generation_in_use_alone_and_leaves_the_kept_ones(tmp_path, rows):
    with open_store(str(tmp_path / "store")) as store:
        ingest([rows], "c", store=store, options=TFIDF)
        rebuild("c", SHORT, store=store)
        found = contents(store)
        name = snapshots_of(store).create("c").name
        rebuild("c", BM25, store=store)
        snapshots_of(store).restore("c", name)
        assert contents(store) == found
        # What was in use until now is gone; what was kept stays, and the next number is a new one.
        assert standing(store) == ["g1", "g2", "g4"]
        assert [one.generation for one in store.read_manifest("c").kept] == [1, 2]
        assert ingest([rows], "c", store=store).nothing_changed
        assert rebuild("c", BM25, store=store).generation == 5
        assert restore_generation("c", 2, store=store).set_aside == 5
        assert contents(store) == found


def test_the_doctor_knows_kept_and_unfinished_generations(tmp_path, rows):
    def stop(stage, _done, _total):
        if stage == "optimize":
            raise KeyboardInterrupt

    folder = tmp_path / "store"
    with open_store(str(folder)) as store:
        ingest([rows], "c", store=store, options=TFIDF)
        rebuild("c", SHORT, store=store)
        with pytest.raises(KeyboardInterrupt):
            rebuild("c", BM25, store=store, progress=stop)
        store.drop_collection("c.g1.documents")
    health = check_store(folder)
    assert health.points.keys() == {f"c.g{n}.{shelf}" for n in (1, 2, 3) for shelf in Shelf} - {"c.g1.documents"}
    said = sorted((finding.place.rpartition("/")[2], finding.problem) for finding in health.findings)
    assert [place for place, _ in said] == ["c", "g3.documents", "g3.passages", "g3.terms"]
    assert "documents of generation 1 is missing; xunyi generations drop c 1" in said[0][1]
    assert all("generations drop c --unfinished" in problem for _, problem in said[1:])


def test_storage_settings_hold_in_every_kind_of_change(store, rows):
    storage = StorageSettings(quantization="scalar", on_disk=True, hnsw_m=8)
    ingest([rows], "c", store=store, options=CorpusOptions(spaces=("dense", "tfidf"), storage=storage))
    found = contents(store)
    refit("c", store=store)
    assert contents(store) == found
    remove_spaces("c", ["dense"], store=store)
    assert store.read_manifest("c").storage == storage
    assert search("room", "c", store=store).hits


# -- from the command line -----------------------------------------------------------------------


@pytest.fixture
def xunyi(tmp_path, monkeypatch, capfdbinary):
    monkeypatch.setenv("XUNYI_STORE", str(tmp_path / "store"))

    def run(*args):
        with pytest.raises(SystemExit) as ended:
            main([str(part) for part in args])
        out, err = capfdbinary.readouterr()
        return ended.value.code or 0, out.decode("utf-8"), err.decode("utf-8")

    return run


def test_the_commands_say_what_they_did(xunyi, tmp_path, rows):
    assert xunyi("ingest", rows, "--corpus", "c", "--spaces", "tfidf")[0] == 0
    code, out, err = xunyi("rebuild", "c", "--max-tokens", "16", "--quantization", "scalar", "--json")
    report = json.loads(out)
    assert (code, err, report["generation"], report["kept_old"]) == (0, "", 2, True)
    assert report["changed"] == ["splitting max_tokens=16", "storage quantization=scalar"]
    code, out, _ = xunyi("rebuild", "c", "--weighting", "bm25")
    assert code == 0
    assert "generations restore c" in out
    code, out, _ = xunyi("generations", "list", "c", "--json")
    assert [one["state"] for one in json.loads(out)["generations"]] == ["in use", "kept", "kept"]
    assert "kept" in xunyi("generations", "list", "c")[1]
    info = json.loads(xunyi("corpora", "info", "c", "--json")[1])
    assert info["kept_bytes"].keys() == {"1", "2"}
    assert min(info["kept_bytes"].values()) > 0
    assert corpus_info("c", str(tmp_path / "store")).kept_bytes.keys() == {1, 2}
    assert "generation 1 (8 documents" in xunyi("corpora", "info", "c")[1]
    assert json.loads(xunyi("generations", "restore", "c", "1", "--json")[1])["set_aside"] == 3
    records(rows, 9)
    assert xunyi("ingest", rows, "--corpus", "c")[0] == 0
    code, out, err = xunyi("generations", "restore", "c", "3")
    assert (code, out) == (4, "")
    assert "by 1 documents (1 missing" in err
    code, out, _ = xunyi("generations", "restore", "c", "3", "--force")
    assert "1 missing" in out
    assert json.loads(xunyi("generations", "drop", "c", "--all", "--json")[1])["dropped"] == [2, 1]
    code, out, _ = xunyi("rebuild", "c", "--reset-storage", "--drop-old")
    assert (code, "dropped" in out) == (0, True)
    assert len(json.loads(xunyi("generations", "list", "c", "--json")[1])["generations"]) == 1


ERRORS = [
    (("rebuild", "none", "--max-tokens", "20"), 4, "none"),
    (("rebuild", "c"), 2, "Say what"),
    (("rebuild", "c", "--weighting", "tfidf"), 4, "Nothing"),
    (("rebuild", "c", "--shards", "3"), 2, "--shards"),
    (("rebuild", "c", "--oversampling", "3"), 2, "--quantization"),
    (("rebuild", "c", "--encoder", "nonsense"), 2, "nonsense"),
    (("rebuild", "c", "--device", "cpu", "--weighting", "bm25"), 2, "--encoder"),
    (("rebuild", "c", "--user-dict", "missing.txt"), 3, "missing.txt"),
    (("generations", "list", "none"), 4, "none"),
    (("generations", "restore", "c"), 4, "keeps no other"),
    (("generations", "drop", "c", "1"), 4, "keeps no other"),
    (("generations", "drop", "c", "1", "--all"), 2, "only one"),
]


def test_an_error_is_one_sentence_and_its_code(xunyi, rows):
    assert xunyi("ingest", rows, "--corpus", "c", "--spaces", "tfidf")[0] == 0
    for arguments, code, said in ERRORS:
        ended, out, err = xunyi(*arguments)
        assert (ended, out) == (code, ""), arguments
        assert said in err
        assert "Traceback" not in err
        assert len(err.strip().splitlines()) == 1
