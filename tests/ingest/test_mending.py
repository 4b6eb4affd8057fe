"""A corpus that lost points: an ingest of the same files makes them good, on either store."""

import json

import pytest

from ingest import CorpusOptions, ingest
from ingest.refit import refit
from schemas.errors import StoreDamaged
from schemas.spaces import Shelf
from search import search
from stores.base import collection_name
from tests.kept import contents

LEXICAL = CorpusOptions(spaces=("tfidf", "word2vec"), max_tokens=16)
DENSE = CorpusOptions(spaces=("dense",), max_tokens=16)


def write(path, first, last):
    sentence = "The lodge at the lake has room {} for guests and dogs."
    rows = [
        {"id": f"r{n}", "title": f"Row {n}", "text": " ".join(sentence.format(f"{n}-{k}") for k in range(6))}
        for n in range(first, last)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def one(tmp_path):
    return write(tmp_path / "one.jsonl", 0, 4)


@pytest.fixture
def two(tmp_path):
    return write(tmp_path / "two.jsonl", 4, 6)


def shelf(which):
    return collection_name("c", 1, which)


def ids(store, which):
    return [str(record.id) for record in store.scroll(shelf(which), payload=False)]


def plain(store):
    """Every point but for what is counted since the fit, which a document made anew has."""
    found = contents(store)
    for payload, _ in found[Shelf.DOCUMENTS].values():
        payload.pop("since_fit", None)
    return found


@pytest.mark.parametrize("options", [LEXICAL, DENSE])
def test_passages_that_are_gone_come_back_with_the_same_files(store, one, two, options):
    ingest([one, two], "c", store=store, options=options)
    whole = plain(store)
    store.delete(shelf(Shelf.PASSAGES), ids(store, Shelf.PASSAGES)[:3])
    report = ingest([one, two], "c", store=store)
    assert report.changed
    assert "had lost passages" in report.warnings[0]
    assert plain(store) == whole
    assert store.read_manifest("c").complete
    assert ingest([one, two], "c", store=store).nothing_changed


@pytest.mark.parametrize("gone", [Shelf.PASSAGES, Shelf.DOCUMENTS])
def test_a_shelf_that_is_gone_is_made_anew(store, one, two, gone):
    ingest([one, two], "c", store=store, options=LEXICAL)
    whole = plain(store)
    store.drop_collection(shelf(gone))
    dry = ingest([one, two], "c", store=store, dry_run=True)
    assert dry.changed + dry.added == 6
    ingest([one, two], "c", store=store, prune=True)
    assert plain(store) == whole
    assert store.read_manifest("c").complete
    assert search("lake", "c", store=store).hits


def test_documents_that_are_gone_come_back_and_their_passages_are_not_encoded_again(store, one, monkeypatch):
    ingest([one], "c", store=store, options=DENSE)
    whole = plain(store)
    store.delete(shelf(Shelf.DOCUMENTS), ids(store, Shelf.DOCUMENTS)[:2])
    from ingest import copying

    def none(*_):
        raise AssertionError("encoded again")

    monkeypatch.setattr(copying, "begin_encoding", none)
    assert ingest([one], "c", store=store).added == 2
    assert plain(store) == whole


@pytest.mark.parametrize("gone", [Shelf.PASSAGES, Shelf.DOCUMENTS])
def test_what_came_from_another_file_is_named_and_waited_for(store, one, two, gone):
    ingest([one, two], "c", store=store, options=LEXICAL)
    whole = plain(store)
    store.drop_collection(shelf(gone))
    report = ingest([one], "c", store=store)
    assert "two.jsonl" in report.warnings[-1] or "2 documents of 'c' are still missing" in report.warnings[-1]
    assert not store.read_manifest("c").complete
    report = ingest([two], "c", store=store)
    assert store.read_manifest("c").complete
    assert plain(store) == whole


def test_a_vocabulary_that_is_not_whole_is_a_sentence_and_a_refit_mends_it(store, one, two):
    ingest([one], "c", store=store, options=LEXICAL)
    whole = contents(store)
    for lose in (
        lambda: store.drop_collection(collection_name("c", store.read_manifest("c").generation, Shelf.TERMS)),
        lambda: store.delete(
            (name := collection_name("c", store.read_manifest("c").generation, Shelf.TERMS)),
            [str(record.id) for record in store.scroll(name, payload=False)][:3],
        ),
    ):
        lose()
        for files in ([one], [one, two]):
            with pytest.raises(StoreDamaged, match="xunyi refit c"):
                ingest(files, "c", store=store)
        refit("c", store=store)
        assert contents(store) == whole
        assert ingest([one], "c", store=store).nothing_changed


def test_words_and_passages_gone_together_want_the_corpus_anew(store, one):
    ingest([one], "c", store=store, options=LEXICAL)
    whole = contents(store)
    store.drop_collection(shelf(Shelf.TERMS))
    store.drop_collection(shelf(Shelf.PASSAGES))
    with pytest.raises(StoreDamaged, match="corpora delete c"):
        ingest([one], "c", store=store)
    store.delete_corpus("c")
    ingest([one], "c", store=store, options=LEXICAL)
    assert contents(store) == whole
