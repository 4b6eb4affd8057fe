"""The real BGE-M3 and GTE-Qwen2 against the figures that their makers publish.

They run where the weights are: in a hub's cache, or in folders named ``bge-m3`` and
``gte-Qwen2-1.5B-instruct`` below the folder that ``XUNYI_MODELS`` names. Small models take the same way
here, so that what cannot be run without the weights is the comparison alone.
"""

import json

import numpy as np
import pytest

from encoders.catalog import show_model
from encoders.registry import get_encoder

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

BGE_M3 = {
    "name": "bge-m3",
    "queries": ["What is BGE M3?", "Defination of BM25"],
    "passages": [
        "BGE M3 is an embedding model supporting dense retrieval, lexical matching and multi-vector interaction.",
        "BM25 is a bag-of-words retrieval function that ranks a set of documents based on the query terms appearing "
        "in each document",
    ],
}
GTE_QWEN2 = {
    "name": "gte-qwen2-1.5b-instruct",
    "queries": ["how much protein should a female eat", "summit define"],
    "passages": [
        "As a general guideline, the CDC's average requirement of protein for women ages 19 to 70 is 46 grams per day. "
        "But, as you can see from this chart, you'll need to increase that if you're expecting or training for a "
        "marathon. Check out the chart below to see how much protein you should be eating each day.",
        "Definition of summit for English Language Learners. : 1  the highest point of a mountain : the top of a "
        "mountain. : 2  the highest level. : 3  a meeting or series of meetings between the leaders of two or more "
        "governments.",
    ],
}


def similarities(name, queries, passages, **options):
    """Cosines of each query with each passage; only a model that is not here is skipped."""
    if not show_model(name).here:
        pytest.skip(f"the weights of {name} are neither in a hub's cache nor below XUNYI_MODELS")
    encoder = get_encoder(name, precision="float32", **options)
    return encoder.encode_queries(queries)["dense"] @ encoder.encode_passages(passages)["dense"].T


@pytest.mark.weights
def test_the_real_bge_m3_gives_its_published_similarities():
    np.testing.assert_allclose(similarities(**BGE_M3), [[0.6259, 0.3475], [0.3499, 0.6782]], atol=0.002)


@pytest.mark.weights
def test_the_real_bge_m3_stays_close_in_half_precision_and_in_int8():
    similarities(**BGE_M3)
    vectors = {
        precision: get_encoder("bge-m3", precision=precision, device="cpu").encode_passages(BGE_M3["passages"])["dense"]
        for precision in ("float32", "bfloat16", "int8")
    }
    assert (vectors["float32"] * vectors["bfloat16"]).sum(axis=1).min() >= 0.999
    assert (vectors["float32"] * vectors["int8"]).sum(axis=1).min() >= 0.99


@pytest.mark.weights
def test_the_real_gte_qwen2_gives_its_published_scores():
    found = 100 * similarities(**GTE_QWEN2, trust_remote_code=True)
    np.testing.assert_allclose(found, [[78.50, 17.04], [14.92, 75.38]], atol=0.5)


def test_a_small_bge_m3_takes_the_same_way(bge_folder, tmp_path, monkeypatch):
    (tmp_path / "bge-m3").symlink_to(bge_folder, target_is_directory=True)
    monkeypatch.setenv("XUNYI_MODELS", str(tmp_path))
    found = similarities(**BGE_M3)
    assert found.shape == (2, 2)
    assert np.isfinite(found).all()


def test_a_small_gte_qwen2_takes_the_same_way_with_the_presets_prompt(qwen_folder, copied, tmp_path, monkeypatch):
    from transformers import AutoTokenizer, Qwen2Config, Qwen2Model

    folder = copied(qwen_folder).rename(tmp_path / "gte-Qwen2-1.5B-instruct")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(5)
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=1536, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=64, max_position_embeddings=512, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    model = Qwen2Model(config).eval()
    model.save_pretrained(folder)
    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling | {"word_embedding_dimension": 1536}))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 512, "do_lower_case": false}')
    monkeypatch.setenv("XUNYI_MODELS", str(tmp_path))
    found = similarities(**GTE_QWEN2, trust_remote_code=True)
    prompt = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "
    texts = [*(prompt + query for query in GTE_QWEN2["queries"]), *GTE_QWEN2["passages"]]
    with torch.inference_mode():
        states = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, -1] for text in texts]
    by_hand = torch.nn.functional.normalize(torch.stack(states), dim=1).numpy()
    np.testing.assert_allclose(found, by_hand[:2] @ by_hand[2:].T, atol=1e-4)
