"""Files that are renamed, and folders reached through links: what --prune takes for the same document and file."""

import pytest

from ingest import CorpusOptions, ingest
from schemas.errors import StoreError
from schemas.spaces import Shelf
from tests.ingest.test_keeping import MORE, ROWS, write
from tests.kept import contents, points

LEXICAL = CorpusOptions(spaces=("tfidf", "word2vec"))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "r").mkdir()
    return tmp_path / "r"


def sources(store):
    return {payload["document_id"]: payload["source"] for payload, _ in points(store, "c", Shelf.DOCUMENTS).values()}


def test_a_renamed_file_keeps_its_documents_which_prune_finds_under_the_new_name(store, folder):
    old, new = write(folder / "old.jsonl", MORE), folder / "new.jsonl"
    ingest([old], "c", store=store, options=LEXICAL)
    old.rename(new)
    report = ingest([new], "c", store=store, prune=True)
    assert (report.unchanged, report.removed, report.nothing_changed) == (12, 0, True)
    assert set(sources(store).values()) == {str(new)}
    write(new, MORE[:6])
    assert ingest([new], "c", store=store, prune=True).removed == 6
    assert sorted(sources(store)) == sorted(row["id"] for row in MORE[:6])


def test_a_new_source_changes_nothing_else_and_writes_no_vector(store, folder, monkeypatch):
    old = write(folder / "old.jsonl", MORE)
    ingest([old], "c", store=store, options=LEXICAL)
    before, manifest = contents(store, "c"), store.read_manifest("c")
    new = old.rename(folder / "new.jsonl")
    with monkeypatch.context() as patched:
        for name in ("upsert", "update_vectors", "delete"):
            patched.delattr(type(store), name)
        ingest([new], "c", store=store)
    for payload, _ in before[Shelf.DOCUMENTS].values():
        payload["source"] = str(new)
    assert contents(store, "c") == before
    assert store.read_manifest("c") == manifest


def test_a_run_that_is_cut_off_while_it_records_sources_is_made_good_by_the_next(store, folder, monkeypatch):
    monkeypatch.setattr("ingest.moved.BATCH", 5)
    old = write(folder / "old.jsonl", MORE)
    ingest([old], "c", store=store, options=LEXICAL)
    new = old.rename(folder / "new.jsonl")
    with monkeypatch.context() as patched:
        write_payloads, seen = store.set_payloads, []

        def refusing(name, changes):
            seen.append(changes)
            if len(seen) == 2:
                raise StoreError("The store went away.")
            write_payloads(name, changes)

        patched.setattr(store, "set_payloads", refusing)
        with pytest.raises(StoreError):
            ingest([new], "c", store=store)
    assert set(sources(store).values()) == {str(old), str(new)}
    ingest([new], "c", store=store)
    assert set(sources(store).values()) == {str(new)}


def test_a_dry_run_records_no_source(store, folder):
    old = write(folder / "old.jsonl", MORE)
    ingest([old], "c", store=store, options=LEXICAL)
    new = old.rename(folder / "new.jsonl")
    assert ingest([new], "c", store=store, dry_run=True).unchanged == 12
    assert set(sources(store).values()) == {str(old)}


def test_a_file_that_is_spelled_otherwise_is_the_same_file(store, folder, monkeypatch):
    path = write(folder / "rows.jsonl", ROWS)
    ingest([path], "c", store=store, options=LEXICAL)
    before = contents(store, "c")
    monkeypatch.chdir(folder)
    (folder.parent / "link").symlink_to(folder)
    for spelled in ("rows.jsonl", folder.parent / "link" / "rows.jsonl"):
        ingest([spelled], "c", store=store, prune=True)
        assert contents(store, "c") == before


@pytest.mark.parametrize("linked_first", [True, False])
def test_prune_follows_links_to_a_folder_even_of_files_that_are_gone(store, folder, linked_first):
    link = folder.parent / "link"
    link.symlink_to(folder)
    first, second = (link, folder) if linked_first else (folder, link)
    write(folder / "a.jsonl", ROWS)
    write(folder / "b.jsonl", MORE)
    ingest([first], "c", store=store, options=LEXICAL)
    (folder / "b.jsonl").unlink()
    write(folder / "a.jsonl", ROWS[:2])
    assert ingest([second], "c", store=store, prune=True).removed == 1 + len(MORE)
    assert set(sources(store)) == {"a", "b"}
