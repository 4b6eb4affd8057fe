"""The ids of a file's documents: they stay as they were once given, whatever is read beside the file."""

import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import CorpusOptions, ReadOptions, ingest
from ingest.naming import _heirs, _Holder
from ingest.readers import Source
from schemas.spaces import Shelf
from tests.kept import contents, opened_store, points

LEXICAL = CorpusOptions(spaces=("tfidf",))
NOVEL = ReadOptions(kind="novel")


def book(path, hero, chapters=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"Chapter {n}\n\nIn this one {hero} rows home, {n} times.\n\n" for n in range(1, chapters + 1))
    path.write_text(text, encoding="utf-8")
    return path


def table(path, what):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"text\n{what} one\n{what} two\n", encoding="utf-8")
    return path


def standing(store, corpus="c"):
    """The ids of all documents with the file that each came from."""
    found = points(store, corpus, Shelf.DOCUMENTS).values()
    return {payload["document_id"]: payload["source"] for payload, _ in found}


def chapters_of(*prefixes, numbers=(1, 2)):
    return {f"{prefix}/{number:04d}" for prefix in prefixes for number in numbers}


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_second_book_of_the_same_file_name_is_added_and_leaves_the_first(store, shelf):
    book(shelf / "two/a/v.txt", "Ann")
    book(shelf / "two/b/v.txt", "Bob")
    ingest("two/a/v.txt", "c", store=store, reading=NOVEL, options=LEXICAL)
    dry = ingest("two/b/v.txt", "c", store=store, reading=NOVEL, dry_run=True)
    report = ingest("two/b/v.txt", "c", store=store, reading=NOVEL)
    assert (dry.added, dry.changed) == (report.added, report.changed) == (2, 0)
    assert set(standing(store)) == chapters_of("v", "b/v")
    assert {payload["text"].split()[3] for payload, _ in points(store, "c", Shelf.DOCUMENTS).values()} == {"Ann", "Bob"}


@pytest.mark.parametrize(("write", "ids"), [(book, ("v/0001", "b/v/0001")), (table, ("v:2", "b/v:2"))])
def test_ids_do_not_depend_on_what_else_is_read(store, shelf, write, ids):
    suffix = ".txt" if write is book else ".csv"
    first = write(shelf / f"two/a/v{suffix}", "Ann")
    write(shelf / f"two/b/v{suffix}", "Bob")
    ingest(first, "c", store=store, options=LEXICAL)
    report = ingest("two", "c", store=store)
    assert (report.added, report.changed, report.unchanged) == (2, 0, 2)
    assert set(ids) < set(standing(store))
    assert len(standing(store)) == 4
    for paths in (["two/b"], [first], ["two"]):
        assert ingest(paths, "c", store=store, prune=True).nothing_changed


def test_files_of_one_run_are_told_apart_by_their_folders_and_stay_so_one_by_one(store, shelf):
    book(shelf / "a/v.txt", "Ann")
    book(shelf / "b/v.txt", "Bob")
    ingest(["a", "b"], "c", store=store, options=LEXICAL)
    assert set(standing(store)) == chapters_of("a/v", "b/v")
    assert ingest("b/v.txt", "c", store=store, prune=True).nothing_changed
    assert set(standing(store)) == chapters_of("a/v", "b/v")


def test_a_run_that_ended_after_the_first_file_names_the_others_as_it_would_have(store, shelf):
    book(shelf / "a/v.txt", "Ann")
    book(shelf / "b/v.txt", "Bob")
    ingest(["a", "b"], "whole", store=store, options=LEXICAL)
    (shelf / "b/v.txt").rename(shelf / "later")
    book(shelf / "b/v.txt", "Cy", chapters=1)
    ingest(["a", "b"], "c", store=store, options=LEXICAL)
    (shelf / "later").rename(shelf / "b/v.txt")
    ingest(["a", "b"], "c", store=store)
    assert set(standing(store)) == set(standing(store, "whole"))


def test_from_another_folder_or_through_a_link_it_is_the_same_file(store, shelf, monkeypatch):
    book(shelf / "two/a/v.txt", "Ann")
    book(shelf / "two/b/v.txt", "Bob")
    (shelf / "link.txt").symlink_to(shelf / "two/b/v.txt")
    ingest("two/a/v.txt", "c", store=store, options=LEXICAL)
    ingest("two/b/v.txt", "c", store=store)
    before = contents(store)
    for path in ("link.txt", shelf / "two", "two/b"):
        assert ingest(path, "c", store=store, prune=True).nothing_changed
    assert contents(store) == before
    for folder, path in (("two", str(shelf / "two/b/v.txt")), (".", "two"), ("two/a", "v.txt"), ("two", ".")):
        monkeypatch.chdir(shelf / folder)
        assert ingest(path, "c", store=store, prune=True).nothing_changed
        assert set(standing(store)) == chapters_of("v", "b/v")


def test_books_of_one_name_are_two_also_where_each_is_named_from_its_own_folder(store, shelf, monkeypatch):
    for folder, name in (("one", "Ann"), ("two", "Bob")):
        book(shelf / folder / "v.txt", name)
        monkeypatch.chdir(shelf / folder)
        assert ingest("v.txt", "c", store=store, options=LEXICAL).added == 2
    assert ingest("../one/v.txt", "c", store=store, prune=True).nothing_changed
    assert set(standing(store).values()) == {str(shelf / "one/v.txt"), str(shelf / "two/v.txt")}


def test_moved_books_are_recognised_by_their_folders(store, shelf):
    book(shelf / "two/a/v.txt", "Ann")
    book(shelf / "two/b/v.txt", "Bob")
    ingest("two/a/v.txt", "c", store=store, options=LEXICAL)
    ingest("two/b/v.txt", "c", store=store)
    (shelf / "two").rename(shelf / "three")
    report = ingest("three", "c", store=store, prune=True)
    assert report.nothing_changed
    assert not report.warnings
    assert standing(store)["b/v/0001"] == str(shelf / "three/b/v.txt")
    (shelf / "three/b/v.txt").rename(shelf / "v.txt")
    book(shelf / "three/b/v.txt", "Cy")
    report = ingest("three/b/v.txt", "c", store=store)
    assert report.changed == 2  # what is edited where it stands is the same book
    assert ingest("v.txt", "c", store=store).added == 2


def test_a_book_that_takes_the_place_of_one_that_is_gone_is_told_of(store, shelf):
    ingest(book(shelf / "a/v.txt", "Ann"), "c", store=store, options=LEXICAL)
    shutil.rmtree(shelf / "a")
    report = ingest(book(shelf / "b/v.txt", "Bob"), "c", store=store)
    assert report.changed == 2
    assert [warning.split(",")[0] for warning in report.warnings] == [f"2 documents of {shelf}/a/v.txt"]


def test_prune_removes_the_chapters_of_the_file_that_lost_them(store, shelf):
    ingest(book(shelf / "a/v.txt", "Ann", chapters=3), "c", store=store, options=LEXICAL)
    ingest(book(shelf / "b/v.txt", "Bob", chapters=3), "c", store=store)
    book(shelf / "b/v.txt", "Bob")
    assert ingest("b", "c", store=store, prune=True).removed == 1
    assert set(standing(store)) == chapters_of("v", numbers=(1, 2, 3)) | chapters_of("b/v")
    (shelf / "b/v.txt").unlink()
    book(shelf / "b/w.txt", "Cy")
    assert ingest("b", "c", store=store, prune=True).removed == 2
    assert set(standing(store)) == chapters_of("v", numbers=(1, 2, 3)) | chapters_of("w")


def test_a_corpus_whose_sources_have_no_index_is_asked_too(tmp_path, shelf, monkeypatch):
    with opened_store("embedded", tmp_path / "store") as store, monkeypatch.context() as patched:
        index = type(store).create_payload_index
        patched.setattr(
            type(store), "create_payload_index", lambda self, *a: None if "source" in a else index(self, *a)
        )
        ingest(book(shelf / "a/v.txt", "Ann"), "c", store=store, options=LEXICAL)
    with opened_store("embedded", tmp_path / "store") as store:
        assert ingest(book(shelf / "b/v.txt", "Bob"), "c", store=store).added == 2
        assert ingest("b", "c", store=store).nothing_changed


def test_files_of_one_name_in_folders_and_suffixes_go_in_together_and_stay_so(store, shelf):
    for number, place in enumerate(("x/v.txt", "x/v.md", "y/v.txt", "y/v.md")):
        book(shelf / place, f"hero{number}")
    for place in ("x/w.csv", "x/w.jsonl", "y/w.csv", "y/w.jsonl"):
        (shelf / place).write_text('{"text": "one"}\n' if place.endswith("l") else "text\none\n", encoding="utf-8")
    report = ingest(".", "c", store=store, options=LEXICAL)
    assert (report.added, report.rejected) == (12, 0)
    assert chapters_of("x/v.txt", "x/v.md", "y/v.txt", "y/v.md") < set(standing(store))
    for paths in (".", "y", ["y/v.txt", "x/v.md"], "x/w.csv"):
        assert ingest(paths, "c", store=store, prune=True).nothing_changed
    (shelf / "moved").mkdir()
    for place in ("x", "y"):
        (shelf / place).rename(shelf / "moved" / place)
    assert ingest(".", "c", store=store, prune=True).nothing_changed


def test_a_folder_that_is_given_twice_is_read_once(store, shelf):
    book(shelf / "f/v.txt", "Ann")
    book(shelf / "f/sub/v.txt", "Bob")
    report = ingest(["f", shelf / "f"], "c", store=store, options=LEXICAL)
    assert (report.added, report.rejected, report.warnings) == (4, 0, [])
    assert ingest("f", "c", store=store, prune=True).nothing_changed


def test_a_file_and_a_link_to_it_are_one_book_in_every_run(store, shelf):
    book(shelf / "sym/b.txt", "Ann")
    (shelf / "sym/a.txt").symlink_to("b.txt")
    assert ingest("sym", "c", store=store, options=LEXICAL).added == 2
    for _ in range(2):
        report = ingest("sym", "c", store=store, prune=True)
        assert (report.nothing_changed, report.rejected) == (True, 0)
        assert report.warnings == ["Names passed over of files that are read by another name: 1."]
    assert set(standing(store)) == chapters_of("b")
    # Under whatever name it went in, it keeps that.
    ingest("sym/a.txt", "d", store=store, options=LEXICAL)
    assert ingest("sym", "d", store=store, prune=True).nothing_changed
    assert set(standing(store, "d")) == chapters_of("a")


def test_two_files_that_had_one_prefix_are_called_otherwise_from_then_on(store, shelf):
    first = table(shelf / "a/v.csv", "Ann")
    text = first.read_text(encoding="utf-8")
    first.write_text(text + "Ann three\n", encoding="utf-8")
    ingest("a", "c", store=store, options=LEXICAL)
    first.unlink()
    table(shelf / "b/v.csv", "Ann")
    assert ingest("b", "c", store=store).nothing_changed
    table(shelf / "a/v.csv", "Cy")
    report = ingest(["a", "b"], "c", store=store)
    assert (report.rejected, report.added, report.unchanged) == (0, 2, 2)
    before = standing(store)
    for paths in (["a", "b"], "a", "b"):
        assert ingest(paths, "c", store=store).nothing_changed
    assert standing(store) == before


def test_a_tree_of_files_of_one_name_is_recognised_in_time_that_grows_with_it():
    count = 4000
    gone = [_Holder(f"/old/c{n}/index.md", Path(f"/old/c{n}/index.md"), f"c{n}/index", 1) for n in range(count)]
    new = [Source(Path(f"/new/c{n}/index.md"), "novel", "utf-8", "", "markdown", f"c{n}/index") for n in range(count)]
    start = time.perf_counter()
    assert _heirs(new, gone) == {Path(f"/new/c{n}/index.md"): f"c{n}/index" for n in range(count)}
    # All with all took more than a minute.
    assert time.perf_counter() - start < 10


PLACES = ["v.txt", "a/v.txt", "b/v.txt", "a/b/v.txt", "b/a/v.txt"]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sets(st.sampled_from(PLACES), min_size=1), min_size=1, max_size=4))
def test_whatever_is_read_together_every_book_stands_once_and_keeps_its_ids(tmp_path_factory, runs):
    folder = tmp_path_factory.mktemp("books")
    for number, place in enumerate(PLACES):
        book(folder / place, f"hero{number}")
    with opened_store("server", None) as store:
        kept = {}
        for run in runs:
            ingest([folder / place for place in sorted(run)], "c", store=store, options=LEXICAL)
            now = standing(store)
            assert now.items() >= kept.items()
            kept = now
        read = {os.fspath(folder / place) for place in set().union(*runs)}
        assert sorted(kept.values()) == sorted(2 * list(read))
