"""What Word2Vec knows of the characters of a novel, by pairs that the project wrote down."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from encoders.word2vec import train
from schemas.manifest import Word2VecSettings
from scripts.word2vec_names import gensim_defaults, halves, known_pairs, measure, names, word_lists


def test_the_list_holds_each_pair_once_and_all_of_its_names_are_in_the_dictionary():
    pairs = [frozenset(pair) for pair in known_pairs()]
    assert len(set(pairs)) == len(pairs) > 70
    first, second = halves()
    assert abs(len(first) - len(second)) <= 1
    assert {name for pair in pairs for name in pair} <= set(names())


def test_a_perfect_space_scores_one_and_a_space_of_one_vector_scores_nothing():
    pairs = [("a", "b"), ("c", "d")]
    words = ["a", "b", "c", "d", "e"]
    perfect = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32)
    assert measure(words, perfect, pairs)[:3] == (1.0, 1.0, 1.0)
    assert measure(words, np.ones((5, 1), dtype=np.float32), pairs).auc == 0
    assert measure(words, perfect, [("a", "nobody")])[:2] == (0.0, 0.0)


@pytest.mark.corpora
def test_held_out_aliases_and_relations_are_found_where_gensims_defaults_find_none(corpora: Path):
    novel = corpora / "journey_to_the_west.gb18030.txt"
    _, held_out = halves()
    ours = measure(*train(word_lists(novel, None, names()), Word2VecSettings()), held_out)
    defaults = measure(*gensim_defaults(word_lists(novel, None)), held_out)
    # The article's complaint: everything is near everything.
    assert defaults.unrelated > 0.85
    assert ours.unrelated < 0.15
    assert ours.auc > 0.9 > 0.75 > defaults.auc
    assert ours.mrr > 3 * defaults.mrr
    assert ours.within_ten > 0.3
