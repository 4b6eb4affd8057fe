"""BGE-M3: the same vectors as FlagEmbedding's own encode, on a small model in the real one's layout."""

import numpy as np
import pytest

from encoders.bge_m3 import BgeM3Encoder
from encoders.registry import encoder_from_identity, get_encoder
from encoders.torch_device import has_bfloat16
from encoders.xlmr_packed import PackedXlmRoberta
from schemas.errors import EncoderError, EncoderMismatch
from tests.models.trained import e5_model, token_rows

pytest.importorskip("torch")
pytestmark = [
    pytest.mark.models,
    # transformers and torch deprecate parts of themselves that FlagEmbedding still calls
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

TEXTS = [
    "What is BGE M3?",
    "孙悟空三打白骨精，唐僧恨逐美猴王。孙悟空又来了。",
    "A quiet hotel near the airport with a free shuttle, a free pool and a free breakfast.",
    "客栈",
    "The hotel 位于 downtown 西雅图",
]
ALL = ("dense", "sparse", "colbert")


@pytest.fixture(scope="module")
def encoder(bge_folder):
    return BgeM3Encoder(model=str(bge_folder), heads=ALL, precision="float32", device="cpu")


@pytest.fixture(scope="module")
def reference(bge_folder):
    flag = pytest.importorskip("FlagEmbedding")
    model = flag.BGEM3FlagModel(str(bge_folder), use_fp16=False, devices="cpu")
    return model.encode(TEXTS, return_dense=True, return_sparse=True, return_colbert_vecs=True, max_length=120)


def test_dense_agrees_with_flagembedding(encoder, reference):
    ours = encoder.encode_passages(TEXTS)["dense"]
    assert (ours * reference["dense_vecs"]).sum(axis=1).min() >= 0.99999


def test_sparse_weights_agree_with_flagembedding(encoder, reference):
    ours = encoder.encode_passages(TEXTS)["sparse"]
    assert ours.has_sorted_indices
    for row, theirs in enumerate(reference["lexical_weights"]):
        span = slice(ours.indptr[row], ours.indptr[row + 1])
        found = dict(zip(ours.indices[span].tolist(), ours.data[span].tolist(), strict=True))
        assert set(found) == {int(token) for token in theirs}
        for token, weight in theirs.items():
            assert found[int(token)] == pytest.approx(float(weight), abs=1e-4)


def test_colbert_rows_agree_with_flagembedding(encoder, reference):
    for ours, theirs in zip(encoder.encode_passages(TEXTS)["colbert"], reference["colbert_vecs"], strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_bfloat16_stays_close(bge_folder, encoder):
    half = BgeM3Encoder(model=str(bge_folder), precision="bfloat16", device="cpu")
    ours, full = (e.encode_passages(TEXTS)["dense"] for e in (half, encoder))
    assert (ours * full).sum(axis=1).min() >= 0.999


@pytest.mark.skipif(not has_bfloat16(), reason="the processor has no products of bfloat16")
def test_bfloat16_holds_each_matrix_once(bge_folder):
    half = BgeM3Encoder(model=str(bge_folder), precision="bfloat16", device="cpu")
    left = [name for name, _ in half._model.encoder.named_parameters() if name.endswith("dense.weight")]
    assert not left


def test_bfloat16_of_long_texts_stays_close(bge_folder, encoder, monkeypatch):
    monkeypatch.setattr("encoders.xlmr_packed.LONGEST_PLAIN_ATTENTION", 8)
    half = BgeM3Encoder(model=str(bge_folder), precision="bfloat16", device="cpu")
    ours, full = (e.encode_passages(TEXTS)["dense"] for e in (half, encoder))
    assert (ours * full).sum(axis=1).min() >= 0.999


def test_bfloat16_stays_close_with_trained_weights():
    import torch

    rows = token_rows(9_000)
    full, half = (PackedXlmRoberta(e5_model().to(dtype)) for dtype in (torch.float32, torch.bfloat16))
    with torch.inference_mode():
        pairs = [[packed.states([row]).float().mean(dim=0) for packed in (full, half)] for row in rows]
    assert min(float(torch.cosine_similarity(*pair, dim=0)) for pair in pairs) >= 0.999


def test_only_the_heads_asked_for_are_there(bge_folder, copied):
    folder = copied(bge_folder)
    (folder / "colbert_linear.pt").unlink()
    encoder = BgeM3Encoder(model=str(folder), precision="float32")
    assert list(encoder.spaces) == list(encoder.encode_queries(TEXTS)) == ["dense", "sparse"]
    with pytest.raises(EncoderError, match=r"colbert_linear\.pt"):
        BgeM3Encoder(model=str(folder), heads=["colbert"])


@pytest.mark.parametrize("budget", [1, 40, 10_000])
def test_batches_do_not_change_the_vectors(bge_folder, encoder, budget):
    other = BgeM3Encoder(model=str(bge_folder), heads=ALL, precision="float32", token_budget=budget)
    ours, theirs = other.encode_passages(TEXTS), encoder.encode_passages(TEXTS)
    np.testing.assert_allclose(ours["dense"], theirs["dense"], atol=1e-6)
    np.testing.assert_allclose(ours["sparse"].toarray(), theirs["sparse"].toarray(), atol=1e-5)


def test_encoding_leaves_torchs_threads_as_they_were(bge_folder):
    import torch

    before = torch.get_num_threads()
    BgeM3Encoder(model=str(bge_folder), token_budget=1, device="cpu").encode_passages(TEXTS)
    assert torch.get_num_threads() == before


def test_padded_batches_as_on_a_gpu_give_the_same(bge_folder, encoder):
    padded = BgeM3Encoder(model=str(bge_folder), heads=ALL, precision="float32")
    padded._packed = None
    ours, theirs = padded.encode_passages(TEXTS), encoder.encode_passages(TEXTS)
    np.testing.assert_allclose(ours["dense"], theirs["dense"], atol=1e-5)
    np.testing.assert_allclose(ours["sparse"].toarray(), theirs["sparse"].toarray(), atol=1e-4)
    for mine, other in zip(ours["colbert"], theirs["colbert"], strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-4)


def test_a_text_beyond_the_window_is_read_whole(encoder):
    long = "客栈" * 200
    assert encoder.max_tokens == 126
    (count,) = encoder.count_tokens([long])
    assert count > encoder.max_tokens
    views = encoder.encode_passages([long, long + "shuttle"])
    assert len(views["colbert"][0]) >= count
    assert set(views["sparse"][[1]].indices) > set(views["sparse"][[0]].indices)
    np.testing.assert_allclose(np.linalg.norm(views["dense"], axis=1), 1, atol=1e-5)


def test_empty_input_gives_empty_batches(encoder):
    views = encoder.encode_passages([])
    assert views["dense"].shape == (0, 64)
    assert views["sparse"].shape[0] == len(views["colbert"]) == 0
    assert np.isfinite(encoder.encode_passages([""])["dense"]).all()


def test_a_corpus_loads_its_encoder_again_also_from_another_place(bge_folder, copied):
    made = get_encoder(str(bge_folder), precision="float32")
    assert isinstance(made, BgeM3Encoder)
    assert encoder_from_identity(made.identity).identity.revision == made.identity.revision
    moved = copied(bge_folder)
    assert encoder_from_identity(made.identity, model=str(moved)).identity.revision == made.identity.revision


def test_changed_weights_are_refused_by_name(bge_folder, copied):
    import torch

    folder = copied(bge_folder)
    made = get_encoder(str(folder))
    torch.save(torch.nn.Linear(64, 1).state_dict(), folder / "sparse_linear.pt")
    with pytest.raises(EncoderMismatch, match="revision sha256"):
        encoder_from_identity(made.identity)


def test_a_missing_model_is_told_with_the_ways_out(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderError, match="models download"):
        BgeM3Encoder(model="nobody/no-such-model")
    with pytest.raises(EncoderError, match="no model folder"):
        BgeM3Encoder(model=str(tmp_path / "gone"))
    with pytest.raises(EncoderError, match="does not load"):
        BgeM3Encoder(model=str(tmp_path))
