"""What the models that people in this field use need to be fed: prompts, pooling, limits, licence.

Facts are those of the cards named by ``source`` (docs/models.md says which could be held against a
copy of the card). A wrong prompt or pooling gives plausible, worse vectors and no error, which is why
they stand here by name. Where a model's folder states its own pooling, that is used: the preset's is
for folders that hold bare transformers weights. Normalisation is not a fact of a preset: every vector
is made of unit length, which is what all of these cards compare by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from schemas.errors import EncoderError

Pooling = Literal["mean", "cls", "lasttoken"]

SEARCH_TASK = "Given a web search query, retrieve relevant passages that answer the query"
"""The task text of the instruction models' own examples, used where a person gives none."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One model.

    ``dim`` and ``max_length`` (tokens, special ones included) are the model's own; ``query`` and
    ``passage`` are put before a text, ``{task}`` standing for the person's task; ``matryoshka`` are
    the shorter sizes it was trained for, and ``smallest`` is not 0 where its card allows every size from
    there on; ``query_task`` and ``passage_task`` name adapters; ``parameters`` are in millions, and
    ``stored`` is the bytes of each in the hub's files; ``remote_code`` says that it comes with Python
    code of its own.
    """

    model: str
    dim: int
    max_length: int
    pooling: Pooling
    parameters: int
    licence: str
    query: str = ""
    passage: str = ""
    matryoshka: tuple[int, ...] = ()
    smallest: int = 0
    stored: Literal[2, 4] = 4
    query_task: str | None = None
    passage_task: str | None = None
    remote_code: bool = False
    note: str = ""

    @property
    def source(self) -> str:
        """The model card that the facts are from."""
        return f"https://huggingface.co/{self.model}"

    def gives(self, dim: int) -> bool:
        """Whether the model was trained for vectors of ``dim`` components."""
        return dim == self.dim or dim in self.matryoshka or 0 < self.smallest <= dim < self.dim

    @property
    def sizes(self) -> str:
        """The shorter sizes, in words."""
        if self.smallest:
            return f"any size from {self.smallest} up"
        return ", ".join(map(str, self.matryoshka)) or "no other"

    def prompts(self, task: str | None = None) -> dict[str, str]:
        """Give the text before a query and before a passage, with ``task`` filled in.

        Raises
        ------
        EncoderError
            A task was given and the model takes none.

        """
        if task is not None and "{task}" not in self.query:
            raise EncoderError(f"The model {self.model} takes no task; leave the task out.")
        return {"query": self.query.replace("{task}", task or SEARCH_TASK), "passage": self.passage}


_INSTRUCT = "Instruct: {task}\nQuery: "
_BGE_ZH = "为这个句子生成表示以用于检索相关文章："
_UNSTATED = "not stated on the model card"
_RESEARCH = "no licence named; the card allows research only, no commercial use"
_WIDENED = "a dense layer widens 1024 to 1792: the folder must be in sentence-transformers' layout"


def _e5(size: str, dim: int, parameters: int) -> Preset:
    # arXiv:2402.05672; the prefixes are needed in every language, says the card.
    model = f"intfloat/multilingual-e5-{size}"
    return Preset(model, dim, 512, "mean", parameters, "MIT", query="query: ", passage="passage: ")


def _qwen3(size: str, dim: int, parameters: int) -> Preset:
    # arXiv:2506.05176; no blank after "Query:", unlike its forerunners; any size from 32 up, says the card.
    sizes = tuple(s for s in (32, 64, 128, 256, 512, 768, 1024, 1536, 2048, 2560, 3072) if s < dim)
    query = "Instruct: {task}\nQuery:"
    return Preset(
        f"Qwen/Qwen3-Embedding-{size}", dim, 32768, "lasttoken", parameters, "Apache-2.0", query,
        matryoshka=sizes, smallest=32, stored=2,
    )  # fmt: skip


def _bge_zh(size: str, dim: int, parameters: int) -> Preset:
    # arXiv:2309.07597; the instruction goes before queries only.
    return Preset(f"BAAI/bge-{size}-zh-v1.5", dim, 512, "cls", parameters, "MIT", query=_BGE_ZH)


def _m3e(size: str, dim: int, parameters: int) -> Preset:
    # A copy of the card's table gives m3e-large 768 dimensions, C-MTEB's 1024, as a BERT of that size has.
    return Preset(f"moka-ai/m3e-{size}", dim, 512, "mean", parameters, _RESEARCH)


def _gte_qwen2(size: str, dim: int, parameters: int) -> Preset:
    # arXiv:2308.03281; attention is bidirectional and the text ends in <|endoftext|>: both in its own code.
    model = f"Alibaba-NLP/gte-Qwen2-{size}-instruct"
    return Preset(model, dim, 32768, "lasttoken", parameters, "Apache-2.0", _INSTRUCT, remote_code=True)


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "multilingual-e5-small": _e5("small", 384, 118),
        "multilingual-e5-base": _e5("base", 768, 278),
        "multilingual-e5-large": _e5("large", 1024, 560),
        # arXiv:2401.00368; the card advises no more than 4096 tokens.
        "e5-mistral-7b-instruct": Preset(
            "intfloat/e5-mistral-7b-instruct", 4096, 4096, "lasttoken", 7111, "MIT", _INSTRUCT, stored=2
        ),
        "gte-qwen2-1.5b-instruct": _gte_qwen2("1.5B", 1536, 1776),
        "gte-qwen2-7b-instruct": _gte_qwen2("7B", 3584, 7613),
        # arXiv:2407.19669; elastic sizes from 128 to 768.
        "gte-multilingual-base": Preset(
            "Alibaba-NLP/gte-multilingual-base", 768, 8192, "cls", 305, "Apache-2.0",
            matryoshka=(128, 256, 512), smallest=128, stored=2, remote_code=True,
        ),
        "qwen3-embedding-0.6b": _qwen3("0.6B", 1024, 596),
        "qwen3-embedding-4b": _qwen3("4B", 2560, 4022),
        "qwen3-embedding-8b": _qwen3("8B", 4096, 7568),
        # arXiv:2310.19923 and arXiv:2402.17016; ALiBi attention in their own code.
        "jina-embeddings-v2-base-zh": Preset(
            "jinaai/jina-embeddings-v2-base-zh", 768, 8192, "mean", 161, "Apache-2.0", stored=2, remote_code=True
        ),
        "jina-embeddings-v2-base-en": Preset(
            "jinaai/jina-embeddings-v2-base-en", 768, 8192, "mean", 137, "Apache-2.0", stored=2, remote_code=True
        ),
        # arXiv:2409.10173; the task picks a LoRA adapter.
        "jina-embeddings-v3": Preset(
            "jinaai/jina-embeddings-v3", 1024, 8192, "mean", 572, "CC-BY-NC-4.0",
            matryoshka=(32, 64, 128, 256, 512, 768), stored=2, remote_code=True,
            query="Represent the query for retrieving evidence documents: ", query_task="retrieval.query",
            passage="Represent the document for retrieval: ", passage_task="retrieval.passage",
        ),
        "xiaobu-embedding-v2": Preset("lier007/xiaobu-embedding-v2", 1792, 512, "mean", 326, _UNSTATED,
            note=_WIDENED,
        ),
        "m3e-small": _m3e("small", 512, 24),
        "m3e-base": _m3e("base", 768, 102),
        "m3e-large": _m3e("large", 1024, 340),
        # arXiv:2205.13147; the card advises multiples of 128, cut before normalising.
        "stella-mrl-large-zh-v3.5-1792d": Preset(
            "dunzhang/stella-mrl-large-zh-v3.5-1792d", 1792, 512, "mean", 326, "MIT",
            matryoshka=tuple(range(128, 1792, 128)),
            note=_WIDENED,
        ),
        "bge-small-zh-v1.5": _bge_zh("small", 512, 24),
        "bge-base-zh-v1.5": _bge_zh("base", 768, 102),
        "bge-large-zh-v1.5": _bge_zh("large", 1024, 326),
        # arXiv:1908.10084; English, trained on 128 tokens, read up to 256.
        "all-minilm-l6-v2": Preset("sentence-transformers/all-MiniLM-L6-v2", 384, 256, "mean", 23, "Apache-2.0"),
    }
)  # fmt: skip
"""Presets by name, in lower case."""


def preset_for(name: str) -> Preset | None:
    """Find the preset of a name or of a hub id, whatever its case."""
    wanted = name.lower()
    if wanted in PRESETS:
        return PRESETS[wanted]
    return next((preset for preset in PRESETS.values() if preset.model.lower() == wanted), None)


def preset_of(path: str) -> Preset | None:
    """Find the preset of a folder or hub id by its last part: ``./models/bge-small-zh-v1.5`` holds that model.

    Hugging Face's cache is ``models--ORG--NAME/snapshots/COMMIT``; ModelScope's is alike, or ``ORG/NAME`` with
    ``___`` for a dot.
    """
    parts = [part for part in path.replace("\\", "/").split("/") if part]
    if len(parts) > 2 and parts[-2] == "snapshots":
        parts = parts[:-2]
    name = parts[-1].rpartition("--")[2].replace("___", ".") if parts else ""
    return next((found for key, found in PRESETS.items() if name.lower() in {key, _last(found.model)}), None)


def _last(model: str) -> str:
    return model.rpartition("/")[2].lower()
