"""Folders as people have them: other file formats, prompts by other names, parts missing, limits that do not fit."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from encoders.bge_m3 import BgeM3Encoder
from encoders.catalog import show_model
from encoders.presets import PRESETS, preset_of
from encoders.registry import get_encoder
from schemas.errors import EncoderError

torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")
pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

TEXTS = ["A quiet hotel with a pool.", "客栈", "The hotel 位于 downtown 西雅图, close to the market."]


def edit(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def dense(encoder, method="encode_passages"):
    return getattr(encoder, method)(TEXTS)["dense"]


class Bomb:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (self.mark, "w")


def test_bge_m3_loads_from_torchs_own_file_as_the_published_one(bge_folder, copied):
    from safetensors.torch import load_file

    folder = copied(bge_folder)
    weights = load_file(folder / "model.safetensors")
    # What the published file holds besides: a head that the model does not use, and a buffer of older libraries.
    weights |= {"pooler.dense.weight": torch.randn(64, 64), "pooler.dense.bias": torch.randn(64)}
    weights["embeddings.position_ids"] = torch.arange(130)[None]
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    ours, theirs = (BgeM3Encoder(model=str(path), precision="float32") for path in (folder, bge_folder))
    np.testing.assert_allclose(dense(ours), dense(theirs), atol=1e-6)


@pytest.mark.parametrize("name", ["sparse_linear.pt", "pytorch_model.bin"])
def test_code_in_a_file_of_weights_does_not_run(bge_folder, copied, tmp_path, name):
    folder, mark = copied(bge_folder), tmp_path / "it-ran"
    if name == "pytorch_model.bin":
        (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Bomb(str(mark))))
    with pytest.raises(EncoderError, match="does not load"):
        BgeM3Encoder(model=str(folder))
    assert not mark.exists()


@pytest.mark.parametrize("head", ["sparse", "colbert"])
def test_a_folder_that_lacks_one_head_is_told(bge_folder, copied, head):
    folder = copied(bge_folder)
    (folder / f"{head}_linear.pt").unlink()
    with pytest.raises(EncoderError, match=rf"has no {head}_linear\.pt; fetch the whole model, or leave out {head}"):
        get_encoder(str(folder), spaces=["dense", head])
    assert list(get_encoder(str(folder), spaces=["dense"]).spaces) == ["dense"]


def test_a_head_of_another_model_is_refused_at_once(bge_folder, copied):
    folder = copied(bge_folder)
    torch.save(torch.nn.Linear(32, 1).state_dict(), folder / "sparse_linear.pt")
    with pytest.raises(EncoderError, match="takes 32 dimensions, where this one has 64"):
        BgeM3Encoder(model=str(folder))


@pytest.mark.parametrize(
    ("stated", "default", "query", "passage"),
    [
        ({"query": "Q: ", "document": "D: "}, None, "Q: ", "D: "),
        ({"query": "Q: ", "corpus": "C: "}, None, "Q: ", "C: "),
        ({"task": "T: "}, "task", "T: ", "T: "),
        ({"query": "", "task": "T: "}, "task", "", "T: "),
        ({"query": "Q: "}, "query", "Q: ", ""),
        ({"query": "Q: ", "passage": "P: ", "document": ""}, None, "Q: ", "P: "),
    ],
)
def test_the_prompts_that_a_folder_states_go_to_their_roles(qwen_folder, copied, stated, default, query, passage):
    from sentence_transformers import SentenceTransformer

    folder = copied(qwen_folder)
    edit(folder / "config_sentence_transformers.json", prompts=stated, default_prompt_name=default)
    ours, theirs = get_encoder(str(folder), precision="float32"), SentenceTransformer(str(folder), device="cpu")
    assert ours.identity.prompts == {"query": query, "passage": passage}
    told = show_model(str(folder))
    assert (told.query_prompt, told.passage_prompt) == (query, passage)
    np.testing.assert_allclose(dense(ours, "encode_queries"), theirs.encode(TEXTS, prompt=query), atol=1e-5)
    np.testing.assert_allclose(dense(ours), theirs.encode(TEXTS, prompt=passage), atol=1e-5)


def test_no_prompt_means_none_also_where_the_model_has_a_default_one(qwen_folder, copied):
    folder = copied(qwen_folder)
    edit(folder / "config_sentence_transformers.json", default_prompt_name="query")
    plain = get_encoder(str(folder), query_prompt="", passage_prompt="", precision="float32")
    np.testing.assert_allclose(dense(plain), dense(get_encoder(str(qwen_folder), precision="float32")), atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_dense_layer_after_the_pooling_runs_in_every_precision(qwen_folder, copied, precision):
    from safetensors.torch import save_file
    from sentence_transformers import SentenceTransformer

    folder = copied(qwen_folder)
    modules = json.loads((folder / "modules.json").read_text())
    kind = "sentence_transformers.models.Dense"
    modules.insert(2, {"idx": 2, "name": "dense", "path": "2_Dense", "type": kind})
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "2_Dense").mkdir()
    activation = "torch.nn.modules.linear.Identity"
    config = {"in_features": 48, "out_features": 96, "bias": True, "activation_function": activation}
    (folder / "2_Dense" / "config.json").write_text(json.dumps(config))
    torch.manual_seed(1)
    weights = {"linear.weight": torch.randn(96, 48), "linear.bias": torch.randn(96)}
    save_file(weights, folder / "2_Dense" / "model.safetensors")
    found = dense(get_encoder(str(folder), precision=precision, device="cpu"))
    wanted = SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    assert found.shape == (3, 96)
    assert (found * wanted).sum(axis=1).min() >= 0.999


def test_a_folder_named_as_a_preset_gets_the_presets_prompt(minilm_folder, qwen_folder, tmp_path):
    folder = Path(shutil.copytree(minilm_folder, tmp_path / "all-MiniLM-L6-v2"))
    assert get_encoder(str(folder))._length == show_model(str(folder)).max_length == 256
    wrong = Path(shutil.copytree(qwen_folder, tmp_path / "bge-small-zh-v1.5"))
    assert show_model(str(wrong)).query_prompt.startswith("为这个句子")
    with pytest.raises(EncoderError, match=r"gives 48 dimensions, where BAAI/bge-small-zh-v1\.5 has 512"):
        get_encoder(str(wrong))


@pytest.mark.parametrize(
    "path",
    [
        "/models/bge-small-zh-v1.5/",
        "./BGE-small-zh-v1.5",
        "C:\\models\\bge-small-zh-v1.5",
        "st:mirror/bge-small-zh-v1.5",
        "/hub/models--BAAI--bge-small-zh-v1.5/snapshots/7999e1d3359715c523056ef9478215996d62a620",
        "/modelscope/models/BAAI/bge-small-zh-v1___5",
    ],
)
def test_a_presets_model_is_known_where_hubs_and_people_put_it(path):
    assert preset_of(path) is PRESETS["bge-small-zh-v1.5"]


@pytest.mark.parametrize("path", ["", "/", "/models/bge-small", "/bge-small-zh-v1.5/mine", "st:org/my-m3e-base"])
def test_other_names_are_no_presets(path):
    assert preset_of(path) is None


@pytest.mark.parametrize("asked", [129, 8192, 100_000])
def test_more_tokens_than_a_model_can_take_are_refused_with_the_most(bare_folder, bge_folder, asked):
    with pytest.raises(EncoderError, match=rf"max_length of {asked:,} is more than the 128 tokens"):
        get_encoder(str(bare_folder), pooling="cls", max_length=asked)
    if asked != 8192:  # BGE-M3's default, which corpora of shorter folders record too
        with pytest.raises(EncoderError, match=r"more than the 128 tokens"):
            get_encoder(str(bge_folder), max_length=asked)
    assert get_encoder(str(bare_folder), pooling="cls", max_length=128)._length == 128


def test_a_window_of_no_tokens_is_refused(qwen_folder):
    with pytest.raises(EncoderError, match="max_length of 0 leaves 0 tokens"):
        get_encoder(str(qwen_folder), max_length=0)


def test_no_more_tokens_are_read_than_a_model_has_positions_for(minilm_folder):
    encoder = get_encoder(str(minilm_folder), max_length=512, device="cpu")
    one, other = encoder.encode_passages(["hotel " * 2000, "hotel " * 2000 + "quark gluon plasma " * 100])["dense"]
    assert np.isfinite(one).all()
    assert one @ other < 0.999


def test_a_length_that_the_prompt_fills_is_refused_with_one_that_does(qwen_folder):
    with pytest.raises(EncoderError, match="leaves 0 tokens for text beside the prompt") as caught:
        get_encoder(str(qwen_folder), max_length=8)
    enough = int(str(caught.value).partition("take ")[2].split()[0])
    assert get_encoder(str(qwen_folder), max_length=enough).max_tokens == 8


@pytest.fixture(scope="module")
def narrow(qwen_folder):
    return get_encoder(str(qwen_folder), max_length=44, precision="float32", device="cpu")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.sampled_from("hotel pool 客栈孙悟空西雅图,。 \nQéﬁ①\u3000"), min_size=1, max_size=300))
def test_every_window_fits_with_its_prompt_and_none_of_the_text_is_lost(narrow, text):
    prompt = narrow.identity.prompts["query"]
    found = narrow._windows(text, prompt)
    assert "".join(found) == text
    assert all(len(narrow._tokenizer(prompt + part)["input_ids"]) <= 44 for part in found)


def test_the_end_of_a_long_query_counts_too(narrow):
    long = "客栈" * 100
    one, other = narrow.encode_queries([long, long + " close to the market" * 5])["dense"]
    assert one @ other < 0.999


def test_a_model_without_a_transformer_is_one_sentence(tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    from tests.models.conftest import unigram_tokenizer

    SentenceTransformer(modules=[StaticEmbedding(unigram_tokenizer(), embedding_dim=32)]).save(str(tmp_path / "s"))
    with pytest.raises(EncoderError, match="no tokenizer of transformers"):
        get_encoder(str(tmp_path / "s"))


def test_a_model_with_two_sides_takes_each_kind_of_text_to_its_own(qwen_folder, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Router

    inner = SentenceTransformer(str(qwen_folder), device="cpu")
    torch.manual_seed(4)
    sides = {name: [Dense(48, 24)] for name in ("query", "document")}
    router = Router.for_query_document(
        query_modules=sides["query"], document_modules=sides["document"], default_route="document"
    )
    SentenceTransformer(modules=[inner[0], inner[1], router], device="cpu").save(str(tmp_path / "two"))
    ours = get_encoder(str(tmp_path / "two"), precision="float32", device="cpu")
    theirs = SentenceTransformer(str(tmp_path / "two"), device="cpu")
    queries, passages = dense(ours, "encode_queries"), dense(ours)
    np.testing.assert_allclose(queries, theirs.encode_query(TEXTS, normalize_embeddings=True), atol=1e-5)
    np.testing.assert_allclose(passages, theirs.encode_document(TEXTS, normalize_embeddings=True), atol=1e-5)
    assert not np.allclose(queries, passages, atol=0.1)
