from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest

from encoders.vocabulary import VocabularyBuilder
from encoders.word2vec import encode_words, epochs_for, fit_components, read_spool, spool_line, train
from encoders.word2vec_process import train_apart
from schemas.errors import EncoderError
from schemas.manifest import TfidfSettings, Word2VecSettings

CHOSEN = Word2VecSettings(dim=16, epochs=3, min_count=1)


def corpus(n: int = 80) -> list[list[str]]:
    choose = random.Random(5)
    halves = (["猫", "狗", "鸟", "鱼"], ["red", "blue", "green", "grey"])
    return [["the", *choose.choices(halves[i % 2], k=8)] for i in range(n)]


def fitted(texts, settings=CHOSEN):
    builder = VocabularyBuilder()
    builder.add(texts, texts)
    vocabulary = builder.build(TfidfSettings())
    vocabulary.set_words(*train(texts, settings))
    return vocabulary, fit_components(texts, vocabulary.lookup, settings, vocabulary.stats)


def counted(texts, settings):
    builder = VocabularyBuilder()
    builder.add((), texts)
    return builder.words_for(settings)


def test_the_most_frequent_words_get_vectors_and_of_equals_the_first_by_word():
    texts = [["b", "a", "c", "c"], ["d", "e", "a", "b"], ["c"]]
    settings = Word2VecSettings(dim=4, epochs=1, min_count=1, max_words=2)
    assert counted(texts, settings) == ({"a": 2, "c": 3}, 9)
    assert counted(texts, settings.model_copy(update={"max_words": 0})).kept == {"a": 2, "b": 2, "c": 3, "d": 1, "e": 1}
    assert counted(texts, settings.model_copy(update={"min_count": 3})).kept == {"c": 3}
    words, matrix = train(texts, settings)
    assert words == ["c", "a"]
    assert np.array_equal(matrix, train(texts, settings, counted(texts, settings))[1])


def test_training_is_the_same_in_every_process(tmp_path):
    spool = tmp_path / "words.txt"
    spool.write_text("".join(map(spool_line, corpus())), encoding="utf-8")
    assert list(read_spool(spool)) == corpus()
    code = (
        "import sys, pathlib; from encoders.word2vec import train; from schemas.manifest import Word2VecSettings;"
        f"w, m = train(pathlib.Path({str(spool)!r}), Word2VecSettings(dim=16, epochs=3, min_count=1));"
        "import hashlib; sys.stdout.write(hashlib.sha256(' '.join(w).encode() + m.tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_training_in_a_process_of_its_own_gives_the_same_words_and_vectors():
    for texts in (corpus(), [["once"]], []):
        words, matrix = train(texts, CHOSEN)
        lines = [spool_line(text).encode() for text in texts]
        other_words, other_matrix = train_apart(lines, CHOSEN, counted(texts, CHOSEN))
        assert other_words == words
        assert np.array_equal(other_matrix, matrix)


def test_a_failing_training_process_is_one_sentence():
    with pytest.raises(EncoderError) as caught:
        train_apart([b"\xff\xff broken\n"], CHOSEN, counted(corpus(), CHOSEN))
    assert "\n" not in str(caught.value)
    assert "Word2Vec" in str(caught.value)


def test_a_text_is_a_unit_vector_and_a_text_of_unknown_words_a_zero_row():
    vocabulary, stats = fitted(corpus())
    vectors = encode_words([["猫", "nobody"], ["nobody"], []], vocabulary.lookup, CHOSEN, stats)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), [1, 0, 0], atol=1e-6)


def test_removing_what_all_texts_share_sets_them_apart():
    texts = corpus()
    vocabulary, stats = fitted(texts)
    plain = stats.model_copy(update={"extra": {**stats.extra, "component": []}})
    assert len(stats.extra["component"]) == CHOSEN.dim
    apart, near = (
        float(np.mean((v := encode_words(texts, vocabulary.lookup, CHOSEN, s)) @ v.T)) for s in (stats, plain)
    )
    assert apart < near


def test_a_corpus_too_small_gives_an_empty_model():
    for texts in ([], [[]], [["once"]]):
        words, matrix = train(texts, Word2VecSettings(min_count=2))
        assert words == []
        assert matrix.shape == (0, 100)
    vocabulary, stats = fitted([["once"]], Word2VecSettings())
    assert stats.words == 0
    assert not encode_words([["once"]], vocabulary.lookup, Word2VecSettings(), stats).any()


def test_epochs_fall_as_the_corpus_grows():
    assert epochs_for(0) == epochs_for(1000) > epochs_for(500_000) > epochs_for(100_000_000) >= 1
