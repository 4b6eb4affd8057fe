"""A run that is cut off and what comes after it: the same file, an older one, or another."""

import json

import pytest

from ingest import CorpusOptions, ingest
from schemas.errors import StoreError
from schemas.spaces import Shelf
from stores.base import collection_name
from stores.opening import open_store

LEXICAL = CorpusOptions(spaces=("tfidf", "word2vec"), max_tokens=16)


def rows(edition, count=4):
    sentence = "The lodge at the lake of edition {} has room {} for guests and dogs."
    return [
        {"id": f"r{n}", "title": f"Row {n}", "text": " ".join(sentence.format(edition, f"{n}-{k}") for k in range(6))}
        for n in range(count)
    ]


def write(path, found):
    path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    return path


def passages(store):
    return {
        (record.payload["document_id"], record.payload["position"]): record.payload["text"]
        for record in store.scroll(collection_name("c", 1, Shelf.PASSAGES))
    }


def cut_off(store, path, monkeypatch, after):
    """Ingest ``path``; the store refuses the ``after``-th write of documents and all later writes."""
    documents = collection_name("c", 1, Shelf.DOCUMENTS)
    upsert, seen = store.upsert, []

    def refusing(name, batch):
        seen.append(name)
        if seen.count(documents) >= after:
            raise StoreError("The disk is full.")
        upsert(name, batch)

    with monkeypatch.context() as patched:
        patched.setattr(store, "upsert", refusing)
        with pytest.raises(StoreError, match="disk"):
            ingest([path], "c", store=store, options=LEXICAL)


def test_an_old_file_after_an_update_that_was_cut_off_brings_the_old_passages_back(store, tmp_path, monkeypatch):
    path = write(tmp_path / "rows.jsonl", rows("one"))
    ingest([path], "c", store=store, options=LEXICAL)
    old = passages(store)
    write(path, rows("two"))
    cut_off(store, path, monkeypatch, after=1)
    assert passages(store) != old, "the update wrote nothing, so the test shows nothing"
    write(path, rows("one"))
    ingest([path], "c", store=store)
    assert passages(store) == old
    assert store.read_manifest("c").complete


def test_passages_of_documents_that_a_cut_off_run_never_finished_are_removed(store, tmp_path, monkeypatch):
    path = write(tmp_path / "rows.jsonl", rows("one", 2))
    ingest([path], "c", store=store, options=LEXICAL)
    old = passages(store)
    write(path, rows("one", 5))
    cut_off(store, path, monkeypatch, after=1)
    assert {name for name, _ in passages(store)} == {f"r{n}" for n in range(5)}
    write(path, rows("one", 2))
    assert ingest([path], "c", store=store).passages == len(old)
    assert passages(store) == old


def test_a_corpus_stays_unfinished_while_another_source_is_half_written(store, tmp_path, monkeypatch):
    path = write(tmp_path / "rows.jsonl", rows("one"))
    ingest([path], "c", store=store, options=LEXICAL)
    write(path, rows("two"))
    cut_off(store, path, monkeypatch, after=1)
    other = write(tmp_path / "other.jsonl", [{"id": "x", "title": "Other", "text": "Another text."}])
    ingest([other], "c", store=store)
    assert not store.read_manifest("c").complete
    ingest([path], "c", store=store)
    assert store.read_manifest("c").complete


def test_the_staleness_of_the_fit_is_that_of_one_undisturbed_run(store, tmp_path, monkeypatch):
    first = write(tmp_path / "first.jsonl", rows("one"))
    ingest([first], "c", store=store, options=LEXICAL)
    more = [{"id": f"z{n}", "title": "Zeppelin", "text": f"Helium flows past gondola {n}."} for n in range(300)]
    path = write(tmp_path / "more.jsonl", more)
    cut_off(store, path, monkeypatch, after=2)
    ingest([path], "c", store=store)
    with open_store(":memory:") as other:
        ingest([first], "c", store=other, options=LEXICAL)
        ingest([path], "c", store=other)
        assert other.read_manifest("c").fit.extra["since"]["documents"] == 300
        assert store.read_manifest("c").fit.extra["since"] == other.read_manifest("c").fit.extra["since"]


def test_a_finished_document_is_not_encoded_again_by_the_run_that_follows(store, tmp_path, monkeypatch):
    path = write(tmp_path / "rows.jsonl", [{"id": f"r{n}", "text": f"Room {n} at the lake."} for n in range(300)])
    cut_off(store, path, monkeypatch, after=2)
    report = ingest([path], "c", store=store)
    assert report.unchanged == 128
    assert report.added == 172
