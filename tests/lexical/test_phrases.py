"""Phrases: found where chance would not bring two words together so often, joined in training, counted in texts."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from click.testing import CliRunner

from cli.main import cli
from encoders.bags import bags_of
from encoders.phrases import join, phrases, with_pairs, words_only
from encoders.vocabulary import VocabularyBuilder
from encoders.word2vec import spool_line, train
from encoders.word2vec_process import train_apart
from ingest import CorpusOptions, ingest
from ingest.rebuild import rebuild
from ingest.refit import refit
from schemas.errors import UsageError
from schemas.manifest import Word2VecSettings
from schemas.spaces import Shelf
from search import Corpus
from search.compare import compare_in
from search.words import similar, similarity
from stores.base import collection_name
from stores.opening import open_store

SETTINGS = Word2VecSettings(dim=12, epochs=4, min_count=1, phrases=True)
PLACES = ["new york", "los angeles", "boston", "紧箍儿咒", "chicago"]
OTHERS = ["the", "train", "goes", "to", "and", "a", "new", "house", "stands", "by"]


def texts(count=200):
    pick = random.Random(3)
    return [" ".join(pick.choice((*PLACES, *OTHERS)) for _ in range(12)) for _ in range(count)]


def lists(count=200):
    return [text.replace("紧箍儿咒", "紧箍儿 咒").split() for text in texts(count)]


def test_a_phrase_is_a_pair_that_chance_would_not_bring_together_so_often():
    builder = VocabularyBuilder()
    builder.add((), map(with_pairs, lists()))
    kept, total = builder.words_for(SETTINGS)
    assert {term for term in kept if " " in term} == {"new york", "los angeles", "紧箍儿 咒"}
    assert total == sum(map(len, lists()))
    assert not any(" " in term for term in builder.words_for(SETTINGS.model_copy(update={"phrases": False})).kept)


def test_a_pair_that_is_rare_is_no_phrase_however_close_its_words():
    def counts(n):
        return {"sancho": n, "panza": n, "sancho panza": n}

    for n, found in ((19, []), (20, [("sancho panza", 20)])):
        assert list(phrases(counts(n).items, counts(n), 10_000)) == found


def test_a_text_of_one_phrase_alone_can_be_judged():
    assert list(phrases({"a a": 20, "a": 20}.items, {"a": 20}, 20)) == [("a a", 20)]


def test_words_are_joined_from_the_left_each_once():
    known = frozenset({"a b", "b c", "x y"})
    assert join(["a", "b", "c", "x", "y", "x"], known) == ["a b", "c", "x y", "x"]
    assert join([], known) == []


def test_pairs_are_left_out_where_only_words_are_counted():
    bags = bags_of([with_pairs(["a", "b", "a"]), []])
    assert words_only(bags).terms == ["a", "b"]
    assert words_only(bags).counts.toarray().tolist() == [[2, 1], [0, 0]]


def test_a_word_that_stands_in_phrases_only_has_no_vector_of_its_own(capfd):
    words, matrix = train(lists(), SETTINGS)
    assert {"new york", "紧箍儿 咒", "new", "train"} <= set(words)
    assert not {"york", "咒"} & set(words)
    assert matrix.shape == (len(words), 12)
    # gensim would say so if the words were more or fewer than it was told.
    assert capfd.readouterr().err == ""


def test_phrases_are_the_same_trained_here_in_a_process_of_its_own_and_by_counts_of_others():
    builder = VocabularyBuilder(limit=20)
    builder.add((), map(with_pairs, lists()))
    counts = builder.words_for(SETTINGS)
    words, matrix = train(lists(), SETTINGS)
    for other_words, other in (
        train(lists(), SETTINGS, counts),
        train_apart([spool_line(words).encode() for words in lists()], SETTINGS, counts),
    ):
        assert other_words == words
        assert np.array_equal(other, matrix)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("phrases") / "rows.jsonl"
    rows = [{"_id": str(n), "title": f"New York {n}", "text": text} for n, text in enumerate(texts())]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def made(store, rows, spaces=("tfidf", "word2vec"), **more):
    ingest([rows], "c", store=str(store), options=CorpusOptions(spaces=spaces, word2vec=SETTINGS), **more)


def points(store):
    with open_store(str(store)) as opened:
        found = {}
        generation = opened.read_manifest("c").generation
        for shelf in Shelf:
            for record in opened.scroll(collection_name("c", generation, shelf), vectors=True):
                found[shelf, record.id] = repr((record.payload, sorted(record.vector.items(), key=str)))
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory, rows):
    store = tmp_path_factory.mktemp("phrases") / "store"
    made(store, rows)
    return store


def test_phrases_and_their_vectors_are_the_same_with_workers_and_after_a_refit(place, rows, tmp_path, monkeypatch):
    monkeypatch.setattr("ingest.blocks.BLOCK_CHARS", 2_000)
    made(tmp_path / "store", rows, workers=2)
    assert points(tmp_path / "store") == points(place)
    refit("c", store=str(tmp_path / "store"))
    assert points(tmp_path / "store") == points(place)


def test_phrases_may_come_and_go_by_a_rebuild(place, rows, tmp_path):
    store = str(tmp_path / "store")
    made(store, rows)
    rebuild("c", CorpusOptions(word2vec=SETTINGS.model_copy(update={"phrases": False})), store=store)
    with Corpus("c", store) as corpus, pytest.raises(UsageError, match="does not know the word 'new york'"):
        similar(corpus, "new york")
    rebuild("c", CorpusOptions(word2vec=SETTINGS), store=store)
    assert points(store) == points(place)


def test_a_phrase_is_asked_for_as_it_is_written(place):
    with Corpus("c", str(place)) as corpus:
        assert similar(corpus, "New York") == similar(corpus, "new york")
        assert similarity(corpus, "紧箍儿咒", "紧箍儿 咒") == pytest.approx(1)
    command = ["words", "similar", "new york", "--limit", "300", "--corpus", "c", "--store", str(place)]
    assert "los angeles" in CliRunner().invoke(cli, command).output


def test_a_text_with_a_phrase_is_nearer_to_it_than_a_text_with_its_words_apart(place):
    whole = compare_in("new york", "the new york", corpus="c", store=str(place)).similarities
    apart = compare_in("new york", "york the new", corpus="c", store=str(place)).similarities
    assert whole["word2vec"] > apart["word2vec"] + 0.05
    split = compare_in("new/york", "the/new/york", corpus="c", store=str(place), split=True).similarities
    assert split["word2vec"] == pytest.approx(whole["word2vec"])


def test_pairs_of_a_document_added_later_are_no_unknown_words(rows, tmp_path):
    made(tmp_path / "store", rows, spaces=("word2vec",))
    more = tmp_path / "more.jsonl"
    more.write_text(json.dumps({"_id": "x", "title": "", "text": "train boston house zebra"}) + "\n", encoding="utf-8")
    ingest([more], "c", store=str(tmp_path / "store"))
    with open_store(str(tmp_path / "store")) as opened:
        since = opened.read_manifest("c").fit.extra["since"]
    assert (since["terms"], since["unknown"]) == (4, 1)
