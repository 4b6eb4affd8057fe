"""Rejected rows, dry runs, pruning, refits, export and import, on both stores."""

import json

import pytest

from ingest import CorpusOptions, ReadOptions, ingest
from ingest.exchange import export_corpus, import_corpus
from ingest.generations import drop_generations
from ingest.refit import refit
from ingest.staleness import stale_share
from schemas.errors import CorpusError, CorpusNotFound, InputError, StoreError, UsageError
from schemas.spaces import Shelf
from search import search
from stores.base import collection_name
from stores.opening import open_store
from tests.kept import contents, opened_store, points

LEXICAL = CorpusOptions(spaces=("tfidf", "word2vec"))
ALL = CorpusOptions(spaces=("dense", "tfidf", "word2vec"))

ROWS = [
    {"id": "a", "title": "Lake lodge", "text": "A quiet lodge on the lake. Dogs are welcome.", "stars": 3},
    {"id": "b", "title": "机场酒店", "text": "酒店距离机场五分钟，提供免费班车。安静的客房。", "stars": 4},
    {"id": "c", "title": "Ski house", "text": "Ski in, ski out. A hot tub waits after the slopes.", "stars": 5},
]
MORE = [
    {"id": f"n{n}", "title": f"Zeppelin {n}", "text": f"Zeppelins moor at mast {n}; helium flows, gondolas sway."}
    for n in range(12)
]


def write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def rows(tmp_path):
    return write(tmp_path / "rows.jsonl", ROWS)


# -- rejected rows -----------------------------------------------------------------------------


def test_every_rejected_row_is_written_with_its_line_and_reason(store, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n" + "{broken\n" * 1200, encoding="utf-8")
    report = ingest([path], "c", store=store, options=LEXICAL, rejected=tmp_path / "bad.jsonl")
    assert report.rejected_file == str(tmp_path / "bad.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == report.rejected == 1200
    assert len(report.rejected_rows) == 1000
    assert [line["line"] for line in lines] == list(range(2, 1202))
    assert all(set(line) == {"source", "line", "reason", "row"} for line in lines)
    assert lines[0]["row"].startswith("{broken")


def test_rejected_rows_are_written_even_where_no_document_could_be_read(store, tmp_path):
    path = tmp_path / "rows.jsonl"
    write(path, [{"id": "x", "text": ""}, {"id": "y", "text": " "}])
    with pytest.raises(InputError):
        ingest([path], "c", store=store, options=LEXICAL, rejected=tmp_path / "bad.jsonl")
    assert len((tmp_path / "bad.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_the_rejected_file_may_not_be_the_source(store, rows):
    before = rows.read_bytes()
    with pytest.raises(UsageError, match=r"rows\.jsonl"):
        ingest([rows], "c", store=store, options=LEXICAL, rejected=rows)
    assert rows.read_bytes() == before


# -- dry run and prune -------------------------------------------------------------------------


def test_a_dry_run_of_a_new_corpus_counts_and_writes_nothing(tmp_path, rows):
    folder = tmp_path / "store"
    report = ingest([rows], "c", store=str(folder), options=LEXICAL, dry_run=True)
    assert (report.added, report.changed, report.unchanged, report.removed) == (3, 0, 0, 0)
    assert report.dry_run
    assert report.documents == 3
    assert not folder.exists()


def test_a_dry_run_says_what_would_happen_and_leaves_every_point(store, tmp_path, rows):
    ingest([rows], "c", store=store, options=LEXICAL)
    before, manifest = contents(store, "c"), store.read_manifest("c")
    write(rows, [ROWS[0], {**ROWS[1], "stars": 5}, MORE[0]])
    report = ingest([rows], "c", store=store, prune=True, dry_run=True)
    assert (report.added, report.changed, report.unchanged, report.removed) == (1, 1, 1, 1)
    assert contents(store, "c") == before
    assert store.read_manifest("c") == manifest
    assert report.documents == ingest([rows], "c", store=store, prune=True).documents == 3


def test_prune_removes_what_is_gone_and_nothing_else(store, rows):
    ingest([rows], "c", store=store, options=LEXICAL)
    write(rows, ROWS[:2])
    assert ingest([rows], "c", store=store).unchanged == 2
    assert len(points(store, "c", Shelf.DOCUMENTS)) == 3
    report = ingest([rows], "c", store=store, prune=True)
    assert (report.removed, report.unchanged, report.documents, report.passages) == (1, 2, 2, 2)
    assert not report.nothing_changed
    for shelf in (Shelf.DOCUMENTS, Shelf.PASSAGES):
        assert {payload["document_id"] for payload, _ in points(store, "c", shelf).values()} == {"a", "b"}
    assert ingest([rows], "c", store=store, prune=True).nothing_changed


def test_prune_removes_only_what_came_from_the_paths_it_is_given(store, tmp_path, rows):
    folder = tmp_path / "folder"
    folder.mkdir()
    for n in range(3):
        write(folder / f"part{n}.jsonl", [MORE[n]])
    ingest([rows, folder], "c", store=store, options=LEXICAL)
    write(rows, ROWS[:2])
    (folder / "part0.jsonl").unlink()
    assert ingest([rows], "c", store=store, prune=True).removed == 1
    kept = {payload["document_id"] for payload, _ in points(store, "c", Shelf.DOCUMENTS).values()}
    assert kept == {"a", "b", "n0", "n1", "n2"}
    assert ingest([folder], "c", store=store, prune=True).removed == 1
    kept = {payload["document_id"] for payload, _ in points(store, "c", Shelf.DOCUMENTS).values()}
    assert kept == {"a", "b", "n1", "n2"}


def test_prune_removes_nothing_of_a_file_with_rows_set_aside_and_says_so(store, rows):
    ingest([rows], "c", store=store, options=LEXICAL)
    write(rows, ROWS[:1])
    with rows.open("a", encoding="utf-8") as file:
        file.write('{"id": "b", "title": broken\n' + json.dumps(ROWS[0]) + "\n")
    report = ingest([rows], "c", store=store, prune=True)
    assert (report.removed, report.rejected, report.not_pruned) == (0, 2, [str(rows)])
    assert len(points(store, "c", Shelf.DOCUMENTS)) == 3
    # A row that only repeats an id hides no document.
    write(rows, [ROWS[0], ROWS[0]])
    report = ingest([rows], "c", store=store, prune=True)
    assert (report.removed, report.rejected, report.not_pruned) == (2, 1, [])


def test_prune_keeps_chapters_that_were_read_again(store, tmp_path):
    path = tmp_path / "novel.txt"
    path.write_text("第一回　甲\n" + "他走了。\n" * 40 + "第二回　乙\n" + "雪落无声。\n" * 40, encoding="utf-8")
    reading = ReadOptions(kind="novel")
    ingest([path], "n", store=store, reading=reading, options=LEXICAL)
    assert ingest([path], "n", store=store, reading=reading, prune=True).nothing_changed


def test_prune_removes_nothing_where_a_file_cannot_be_read(store, tmp_path, rows):
    ingest([rows], "c", store=store, options=LEXICAL)
    rows.write_text("{broken\n", encoding="utf-8")
    with pytest.raises(InputError):
        ingest([rows], "c", store=store, prune=True)
    assert len(points(store, "c", Shelf.DOCUMENTS)) == 3


# -- refit -------------------------------------------------------------------------------------


def test_a_refit_knows_the_new_words_and_keeps_learned_vectors(store, tmp_path, rows):
    ingest([rows], "c", store=store, options=ALL)
    ingest([write(tmp_path / "more.jsonl", MORE)], "c", store=store)
    stale, share = stale_share(store.read_manifest("c").fit)
    assert stale == len(MORE)
    assert share > 0.5
    before = contents(store, "c")
    report = refit("c", store=store)
    after = contents(store, "c")
    assert report.stale_share == round(share, 4)
    assert report.terms > report.terms_before
    assert stale_share(store.read_manifest("c").fit) == (0, 0.0)
    for shelf in (Shelf.DOCUMENTS, Shelf.PASSAGES):
        assert after[shelf].keys() == before[shelf].keys()
        for point, (payload, vectors) in after[shelf].items():
            # What the old fit did not know of a document is no longer true of it.
            assert payload == {key: value for key, value in before[shelf][point][0].items() if key != "since_fit"}
            assert vectors["dense"] == before[shelf][point][1]["dense"]
    assert search("helium gondolas", "c", store=store, spaces=["tfidf"]).hits[0].document_id.startswith("n")
    assert [name for name in store.list_collections() if ".g1." in name] == []


def test_a_refit_gives_the_tfidf_of_a_corpus_made_at_once(store, tmp_path, rows):
    ingest([rows], "c", store=store, options=LEXICAL)
    more = write(tmp_path / "more.jsonl", MORE)
    ingest([more], "c", store=store)
    refit("c", store=store)
    ingest([rows, more], "d", store=store, options=LEXICAL)

    def tfidf(corpus, shelf):
        return {p["document_id"]: vectors["tfidf"] for p, vectors in points(store, corpus, shelf).values()}

    for shelf in (Shelf.DOCUMENTS, Shelf.PASSAGES):
        assert tfidf("c", shelf) == tfidf("d", shelf)


def test_a_refit_cut_off_before_the_switch_leaves_the_old_model_in_use(store, rows, monkeypatch):
    ingest([rows], "c", store=store, options=LEXICAL)
    before = contents(store, "c")
    with monkeypatch.context() as patched:
        write_manifest = store.write_manifest

        def fail(manifest):
            if manifest.generation == 2:
                raise StoreError("The disk is full.")
            write_manifest(manifest)

        patched.setattr(store, "write_manifest", fail)
        with pytest.raises(StoreError):
            refit("c", store=store)
    assert contents(store, "c") == before
    assert store.collection_exists(collection_name("c", 2, Shelf.PASSAGES))
    assert refit("c", store=store).generation == 2
    assert {name.split(".")[1] for name in store.list_collections()} == {"g2"}
    assert contents(store, "c")[Shelf.PASSAGES].keys() == before[Shelf.PASSAGES].keys()


def test_the_old_generation_is_kept_until_it_is_dropped_where_asked(store, rows):
    ingest([rows], "c", store=store, options=LEXICAL)
    refit("c", store=store, keep_old=True)
    assert {name.split(".")[1] for name in store.list_collections()} == {"g1", "g2"}
    refit("c", store=store)
    assert {name.split(".")[1] for name in store.list_collections()} == {"g1", "g3"}
    assert drop_generations("c", store=store).dropped == [1]
    assert {name.split(".")[1] for name in store.list_collections()} == {"g3"}
    assert ingest([rows], "c", store=store).nothing_changed


def test_a_refit_of_a_long_document_crosses_batches(store, tmp_path):
    text = " ".join(f"Sentence {n} speaks of room {n % 7} in wing {n % 3}." for n in range(4000))
    ingest([write(tmp_path / "long.jsonl", [{"id": "a", "text": text}])], "c", store=store, options=LEXICAL)
    before = contents(store, "c")
    assert len(before[Shelf.PASSAGES]) > 128
    refit("c", store=store)
    after = contents(store, "c")
    for shelf in (Shelf.DOCUMENTS, Shelf.PASSAGES):
        assert {p: v["tfidf"] for p, (_, v) in after[shelf].items()} == {
            p: v["tfidf"] for p, (_, v) in before[shelf].items()
        }


def test_a_refit_needs_a_corpus_with_a_lexical_space(store, rows):
    with pytest.raises(CorpusNotFound):
        refit("c", store=store)
    ingest([rows], "c", store=store, options=CorpusOptions(spaces=("dense",)))
    with pytest.raises(CorpusError, match="lexical"):
        refit("c", store=store)


# -- export and import -------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["embedded", "server"])
def test_a_corpus_moves_between_stores_byte_for_byte(store, other, tmp_path, rows):
    ingest([rows], "c", store=store, options=ALL)
    report = export_corpus("c", tmp_path / "c.parquet", store=store)
    assert report.points["passages"] == 3
    with opened_store(other, tmp_path / "other") as second:
        import_corpus(tmp_path / "c.parquet", store=second)
        assert contents(second, "c") == contents(store, "c")
        assert second.read_manifest("c") == store.read_manifest("c")
        assert ingest([rows], "c", store=second).nothing_changed
        assert search("dogs at the lake", "c", store=second, where=["stars<4"]).hits[0].document_id == "a"


def test_a_refitted_corpus_is_imported_under_another_name_with_ids_of_its_own(store, tmp_path, rows):
    ingest([rows], "c", store=store, options=LEXICAL)
    refit("c", store=store)
    export_corpus("c", tmp_path / "c.parquet", store=store)
    import_corpus(tmp_path / "c.parquet", name="copy", store=store)
    assert store.list_corpora() == ["c", "copy"]
    assert ingest([rows], "copy", store=store).nothing_changed
    assert search("免费机场班车", "copy", store=store).hits[0].document_id == "b"
    here, there = points(store, "c", Shelf.PASSAGES), points(store, "copy", Shelf.PASSAGES)
    assert here.keys().isdisjoint(there)
    assert sorted(map(repr, here.values())) == sorted(map(repr, there.values()))


def test_an_import_never_replaces_a_corpus(store, tmp_path, rows):
    ingest([rows], "c", store=store, options=LEXICAL)
    export_corpus("c", tmp_path / "c.parquet", store=store)
    with pytest.raises(CorpusError, match="--as-corpus"):
        import_corpus(tmp_path / "c.parquet", store=store)


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "missing"])
def test_a_damaged_export_makes_no_corpus(store, tmp_path, rows, damage):
    path = tmp_path / "c.parquet"
    ingest([rows], "c", store=store, options=LEXICAL)
    export_corpus("c", path, store=store)
    data = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        data[200] ^= 0xFF
        path.write_bytes(data)
    elif damage == "text":
        path.write_text("no Parquet", encoding="utf-8")
    else:
        path.unlink()
    with open_store(":memory:") as second:
        with pytest.raises(InputError, match=r"c\.parquet"):
            import_corpus(path, store=second)
        assert second.list_corpora() == []
