import numpy as np
import pytest

from schemas.errors import EncoderError, UsageError
from search.rerank import CrossEncoderReranker, feedback_query, mmr


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


@pytest.fixture(scope="module")
def tiny_cross_encoder(tmp_path_factory):
    pytest.importorskip("sentence_transformers")
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder = tmp_path_factory.mktemp("cross")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "airport", "hotel", "tale", "白", "骨"]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=32, num_labels=1,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return str(folder)


@pytest.mark.models
def test_a_cross_encoder_scores_each_pair_and_orders_by_it(tiny_cross_encoder):
    reranker = CrossEncoderReranker(tiny_cross_encoder, max_length=16)
    texts = ["airport hotel", "tale 白 骨", "hotel"]
    scores = reranker.scores("airport", texts)
    assert scores.shape == (3,)
    assert np.isfinite(scores).all()
    order = reranker.order("airport", texts)
    assert [score for _, score in order] == sorted(scores, reverse=True)
    assert {index for index, _ in order} == {0, 1, 2}


def test_no_texts_need_no_model():
    assert CrossEncoderReranker("nowhere").order("query", []) == []


@pytest.mark.models
def test_a_missing_model_is_one_sentence(tmp_path):
    pytest.importorskip("sentence_transformers")
    with pytest.raises(EncoderError, match="cannot be loaded"):
        CrossEncoderReranker(str(tmp_path / "missing")).scores("query", ["text"])


def test_an_unknown_library_is_refused():
    with pytest.raises(UsageError):
        CrossEncoderReranker("model", library="other")


def test_feedback_moves_a_query_towards_its_first_hits_and_keeps_unit_length():
    moved = feedback_query(np.array([1.0, 0.0]), np.array([[0.0, 1.0]]), amount=0.5)
    assert moved == pytest.approx(np.array([2.0, 1.0]) / 5**0.5)
    assert feedback_query(np.array([1.0, 0.0]), np.zeros((0, 2))) == pytest.approx([1.0, 0.0])
