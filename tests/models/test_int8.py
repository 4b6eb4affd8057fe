"""BGE-M3 in 8-bit integers: close to the full numbers with trained weights, and a space of its own."""

import numpy as np
import pytest

from encoders import int8_products
from encoders.bge_m3 import BgeM3Encoder
from encoders.int8_products import has_int8_products, int8_product
from encoders.registry import encoder_from_identity, get_encoder
from encoders.xlmr_packed import PackedXlmRoberta
from schemas.errors import EncoderError, EncoderMismatch
from tests.models.trained import e5_model, minilm_model, token_rows

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

TEXTS = ["A quiet hotel near the airport with a free shuttle, a pool and breakfast.", "孙悟空三打白骨精。", "客栈"]


def relative_error(found, wanted):
    return float((found - wanted).norm() / wanted.norm())


@pytest.fixture
def matrix():
    torch.manual_seed(7)
    return torch.randn(96, 128) / 12, torch.randn(96), torch.randn(40, 128)


@torch.inference_mode()
def test_a_product_is_the_layers_own_to_a_hundredth(matrix):
    weight, bias, rows = matrix
    wanted = torch.nn.functional.linear(rows, weight, bias)
    assert relative_error(int8_product(weight, bias)(rows), wanted) < 0.01


@torch.inference_mode()
def test_one_channel_far_above_the_others_leaves_the_others_their_places(matrix):
    weight, bias, rows = matrix
    rows[:, 17] *= 100
    weight[:, 17] /= 100
    wanted = torch.nn.functional.linear(rows, weight, bias)
    found = relative_error(int8_product(weight, bias)(rows), wanted)
    scale = rows.abs().amax(1, keepdim=True) / 127
    unrotated = relative_error(torch.nn.functional.linear((rows / scale).round() * scale, weight, bias), wanted)
    assert found < unrotated / 2


@torch.inference_mode()
def test_a_row_depends_on_no_other(matrix):
    weight, bias, rows = matrix
    product = int8_product(weight, bias)
    rows[3] *= 1000
    rows[4] = 0
    together = product(rows)
    for index in range(len(rows)):
        assert torch.equal(product(rows[index : index + 1])[0], together[index])
    assert torch.equal(together[4], bias)


@pytest.mark.parametrize("columns", [32, 48, 33, 7])
@torch.inference_mode()
def test_any_width_has_a_rotation(columns):
    torch.manual_seed(2)
    weight, rows = torch.randn(5, columns), torch.randn(6, columns)
    found = int8_product(weight, torch.zeros(5))(rows)
    assert relative_error(found, rows @ weight.T) < 0.03


@pytest.mark.skipif(not has_int8_products(), reason="the processor has no exact products of 8-bit integers")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@torch.inference_mode()
def test_a_processor_without_the_instructions_gives_the_same(matrix, monkeypatch, dtype):
    weight, bias, rows = (part.to(getattr(torch, dtype)) for part in matrix)
    quick = int8_product(weight, bias)(rows)
    monkeypatch.setattr(int8_products, "has_int8_products", lambda: False)
    torch.testing.assert_close(int8_product(weight, bias)(rows), quick)


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("trained", ["e5", "minilm"])
@torch.inference_mode()
def test_trained_weights_stay_close_and_the_rotation_halves_the_distance(trained, request, monkeypatch):
    def model():
        return e5_model() if trained == "e5" else minilm_model(request.getfixturevalue("minilm_folder"))

    def distances(packed):
        for row, before in zip(rows, wanted, strict=True):
            after = packed.states([row])
            for pooled in (lambda state: state[0], lambda state: state.mean(dim=0)):
                yield 1 - float(torch.cosine_similarity(pooled(before), pooled(after), dim=0))

    rows = token_rows(9_000)
    wanted = [PackedXlmRoberta(model()).states([row]) for row in rows]
    rotated = list(distances(PackedXlmRoberta(model(), int8=True)))
    monkeypatch.setattr(int8_products, "ROTATED", 1)
    unrotated = list(distances(PackedXlmRoberta(model(), int8=True)))
    assert max(rotated) <= 0.005
    assert sum(rotated) <= sum(unrotated) / 2


def test_the_encoder_stays_close_in_every_view(bge_folder):
    heads = ("dense", "sparse", "colbert")
    full, small = (BgeM3Encoder(model=str(bge_folder), heads=heads, precision=p) for p in ("float32", "int8"))
    wanted, found = full.encode_passages(TEXTS), small.encode_passages(TEXTS)
    assert (wanted["dense"] * found["dense"]).sum(axis=1).min() >= 0.99
    np.testing.assert_allclose(found["sparse"].toarray(), wanted["sparse"].toarray(), atol=0.03)
    for mine, other in zip(found["colbert"], wanted["colbert"], strict=True):
        assert (mine * other).sum(axis=1).min() >= 0.99


def test_matrices_are_held_once_and_batches_change_nothing(bge_folder):
    small, other = (BgeM3Encoder(model=str(bge_folder), precision="int8", token_budget=n) for n in (1, 10_000))
    assert not [name for name, _ in small._model.encoder.named_parameters() if name.endswith("dense.weight")]
    ours, theirs = small.encode_passages(TEXTS), other.encode_passages(TEXTS)
    assert (ours["dense"] * theirs["dense"]).sum(axis=1).min() >= 0.9999


def test_a_corpus_in_int8_is_loaded_in_int8_and_is_no_other_precisions(bge_folder):
    made = get_encoder(str(bge_folder), precision="int8")
    assert made.identity.precision == "int8"
    assert encoder_from_identity(made.identity).identity == made.identity
    with pytest.raises(EncoderMismatch, match=r"int8.*float32"):
        encoder_from_identity(made.identity, precision="float32")


def test_where_int8_cannot_be_is_one_sentence(bge_folder, minilm_folder):
    with pytest.raises(EncoderError, match="on a CPU only, not on cuda"):
        BgeM3Encoder(model=str(bge_folder), precision="int8", device="cuda")
    with pytest.raises(EncoderError, match="BGE-M3's alone"):
        get_encoder(str(minilm_folder), precision="int8")
