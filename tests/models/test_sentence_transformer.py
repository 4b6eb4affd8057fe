"""Models in sentence-transformers' layout: pooling, prompts, limits, sizes."""

import numpy as np
import pytest

from encoders.presets import PRESETS, SEARCH_TASK, preset_for
from encoders.registry import encoder_from_identity, get_encoder
from encoders.sentence_transformer import SentenceTransformerEncoder
from schemas.errors import EncoderError, EncoderMismatch

pytest.importorskip("sentence_transformers")
pytestmark = [
    pytest.mark.models,
    # transformers and sentence-transformers deprecate parts of themselves that they still call
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

TEXTS = ["A quiet hotel with a pool.", "客栈", "The hotel 位于 downtown 西雅图, close to the market.", "pool"]


@pytest.fixture(scope="module")
def minilm(minilm_folder):
    return get_encoder("all-minilm-l6-v2", model=str(minilm_folder), precision="float32", device="cpu")


@pytest.fixture(scope="module")
def qwen(qwen_folder):
    return get_encoder(str(qwen_folder), precision="float32", device="cpu")


def last_token_by_hand(folder, texts):
    """Each text alone through transformers, its last hidden state normalised: no padding, so no side."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    rows = []
    with torch.inference_mode():
        for text in texts:
            state = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, -1]
            rows.append(torch.nn.functional.normalize(state, dim=0).numpy())
    return np.stack(rows)


def test_real_minilm_finds_the_paraphrase(minilm):
    passages = minilm.encode_passages(["A man is eating pasta.", "The stock market fell.", "It rains in Seattle."])[
        "dense"
    ]
    query = minilm.encode_queries(["Someone eats noodles."])["dense"][0]
    assert (passages @ query).argmax() == 0
    assert minilm.spaces["dense"].dim == passages.shape[1] == 384


def test_real_minilm_agrees_with_sentence_transformers(minilm, minilm_folder):
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(minilm_folder), device="cpu").encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(minilm.encode_passages(TEXTS)["dense"], theirs, atol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_last_token_pooling_is_right_for_both_paddings(qwen_folder, side):
    encoder = SentenceTransformerEncoder(str(qwen_folder), precision="float32", device="cpu")
    encoder._tokenizer.padding_side = side
    by_hand = last_token_by_hand(qwen_folder, TEXTS)
    np.testing.assert_allclose(encoder.encode_passages(TEXTS)["dense"], by_hand, atol=1e-5)


def test_the_models_own_query_prompt_goes_before_queries_only(qwen, qwen_folder):
    prompt = "Instruct: find the passage\nQuery: "
    assert qwen.identity.prompts == {"query": prompt, "passage": ""}
    by_hand = last_token_by_hand(qwen_folder, [prompt + text for text in TEXTS])
    np.testing.assert_allclose(qwen.encode_queries(TEXTS)["dense"], by_hand, atol=1e-5)


def test_a_prompt_can_be_given(qwen_folder):
    encoder = get_encoder(str(qwen_folder), query_prompt="问题：", precision="float32")
    by_hand = last_token_by_hand(qwen_folder, ["问题：" + text for text in TEXTS])
    np.testing.assert_allclose(encoder.encode_queries(TEXTS)["dense"], by_hand, atol=1e-5)
    with pytest.raises(EncoderMismatch, match="问题"):
        encoder_from_identity(encoder.identity, query_prompt="问：")


def test_bare_weights_take_the_named_pooling(qwen_folder, copied):
    folder = copied(qwen_folder)
    (folder / "modules.json").unlink()
    with pytest.raises(EncoderError, match="pooling"):
        get_encoder(str(folder))
    encoder = get_encoder(str(folder), pooling="lasttoken", precision="float32")
    np.testing.assert_allclose(encoder.encode_passages(TEXTS)["dense"], last_token_by_hand(folder, TEXTS), atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_every_pooling_that_the_message_names_works(bare_folder, pooling):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer

    modules = [Transformer(str(bare_folder)), Pooling(64, pooling)]
    theirs = SentenceTransformer(modules=modules, device="cpu").encode(TEXTS, normalize_embeddings=True)
    ours = get_encoder(str(bare_folder), pooling=pooling, precision="float32", device="cpu")
    np.testing.assert_allclose(ours.encode_passages(TEXTS)["dense"], theirs, atol=1e-5)
    with pytest.raises(EncoderError, match=rf"name it:.*\b{pooling}\b"):
        get_encoder(str(bare_folder))


def test_another_pooling_than_the_folders_own_is_refused_and_not_recorded(qwen_folder):
    with pytest.raises(EncoderError, match=r"states its pooling: lasttoken; leave out pooling=mean"):
        get_encoder(str(qwen_folder), pooling="mean")
    with pytest.raises(EncoderError, match=r"no pooling 'foo'; choose one of mean, cls, lasttoken, max"):
        get_encoder(str(qwen_folder), pooling="foo")
    assert get_encoder(str(qwen_folder), pooling="lasttoken").identity.options["pooling"] == "lasttoken"


@pytest.mark.parametrize("device", ["foo", "cuda:99", "cpu:7"])
def test_a_device_that_is_not_here_brings_those_that_are(qwen_folder, bge_folder, device):
    for folder in (qwen_folder, bge_folder):
        with pytest.raises(EncoderError, match=rf"no device '{device}' here; choose one of cpu"):
            get_encoder(str(folder), device=device)


def test_a_shorter_vector_is_normalised_again(qwen_folder, qwen):
    short = get_encoder(str(qwen_folder), dimensions=16, precision="float32").encode_passages(TEXTS)["dense"]
    full = qwen.encode_passages(TEXTS)["dense"][:, :16]
    np.testing.assert_allclose(short, full / np.linalg.norm(full, axis=1, keepdims=True), atol=1e-5)


def test_a_size_that_a_model_was_not_trained_for_is_refused(minilm_folder):
    with pytest.raises(EncoderError, match="384 dimensions"):
        get_encoder("all-minilm-l6-v2", model=str(minilm_folder), dimensions=100)


def test_a_text_beyond_the_window_is_read_whole(minilm):
    filler = "the hotel is near the market and the harbour. " * 60
    assert minilm.count_tokens([filler])[0] > minilm.max_tokens
    one, other = minilm.encode_passages([filler, filler + "Quantum chromodynamics of gluons and quarks. " * 10])[
        "dense"
    ]
    assert one @ other < 0.99


@pytest.mark.parametrize("budget", [1, 30, 100_000])
def test_batches_do_not_change_the_vectors(minilm_folder, minilm, budget):
    other = get_encoder("all-minilm-l6-v2", model=str(minilm_folder), precision="float32", token_budget=budget)
    np.testing.assert_allclose(other.encode_passages(TEXTS)["dense"], minilm.encode_passages(TEXTS)["dense"], atol=1e-5)


def test_empty_input_gives_no_rows(minilm):
    assert minilm.encode_passages([])["dense"].shape == (0, 384)
    assert minilm.count_tokens([]) == []


def test_the_persons_task_goes_into_the_instruction():
    preset = PRESETS["qwen3-embedding-0.6b"]
    assert preset.prompts("找出章回")["query"] == "Instruct: 找出章回\nQuery:"
    assert SEARCH_TASK in preset.prompts()["query"]
    with pytest.raises(EncoderError, match="takes no task"):
        PRESETS["bge-small-zh-v1.5"].prompts("x")


def test_code_from_a_model_needs_to_be_allowed():
    with pytest.raises(EncoderError, match=r"code of its own.*--trust-remote-code"):
        get_encoder("gte-qwen2-1.5b-instruct")


def test_presets_are_found_by_hub_id_and_hold_sane_facts():
    for name, preset in PRESETS.items():
        assert preset_for(preset.model.upper()) is preset_for(name) is preset
        assert all(0 < size < preset.dim for size in preset.matryoshka)
        assert preset.source.endswith(preset.model)
        assert preset.licence
        assert name == name.lower()
