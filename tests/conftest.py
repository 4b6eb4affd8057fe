"""What tests of several rooms share: real folders, real stores, small real corpora."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from tests.kept import opened_store

ROOT = Path(__file__).resolve().parent.parent

# A test that is slow once, on a machine that is busy or at a first import, has not failed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Where tests run in the background Ctrl-C is ignored, by what they start as well: those that press it would fail.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def samples() -> Path:
    return ROOT / "samples"


@pytest.fixture(params=["embedded", "server"])
def kind(request) -> str:
    """Which of both stores; the server's is its client over an engine in this process."""
    return str(request.param)


@pytest.fixture
def store(kind, tmp_path):
    """An empty store of either kind."""
    with opened_store(kind, tmp_path / "store") as opened:
        yield opened


def _folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} does not name a folder")
    path = Path(value)
    if not path.is_dir():
        pytest.skip(f"{variable} names {path}, which is no folder")
    return path


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of public corpora that are not part of the project."""
    return _folder("XUNYI_TEST_CORPORA")


@pytest.fixture(scope="session")
def judged() -> Path:
    """The folder of judged queries that are not part of the project."""
    return _folder("XUNYI_TEST_EVAL")


@pytest.fixture(scope="session")
def tiny_cross_encoder(tmp_path_factory) -> str:
    """A cross-encoder of random weights, small and real, in a folder that both libraries load."""
    return made_cross_encoder(tmp_path_factory.mktemp("cross-encoder"))


def made_cross_encoder(folder, *, reads=512) -> str:
    """The same with positions for ``reads`` tokens, written to ``folder``; its tokenizer states no limit below 512."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("sentence_transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaForSequenceClassification

    words = ["<s>", "<pad>", "</s>", "<unk>", "airport", "hotel", "tale", "quiet", "白", "骨", "精"]
    inner = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>",
        pad_token="<pad>", unk_token="<unk>", model_max_length=512,
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(11)
    config = XLMRobertaConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=reads + 2, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2,
        num_labels=1, initializer_range=0.5,
    )  # fmt: skip
    XLMRobertaForSequenceClassification(config).save_pretrained(folder)
    return str(folder)
