"""What an ingest is asked for, and what it reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field

from schemas.errors import UsageError
from schemas.manifest import AnalyzerSettings, TfidfSettings, Word2VecSettings
from schemas.names import several
from schemas.storage import StorageSettings

LEXICAL_SPACES = ("tfidf", "word2vec", "lsa")
"""The spaces that are fitted to the corpus itself."""

DEFAULT_LEXICAL = ("tfidf", "word2vec")
"""Those of them that a corpus has where nobody chose."""


Weighting: TypeAlias = Literal["tfidf", "bm25"]

_KINDS: dict[str, Any] = {
    "encoder": str,
    "analyzer": str | AnalyzerSettings,
    "tfidf": TfidfSettings,
    "word2vec": Word2VecSettings,
    "titles": bool,
    "storage": StorageSettings,
}


@dataclass(frozen=True)
class CorpusOptions:
    """What a new corpus is made with; of a corpus that stands, only what is named must agree.

    ``spaces``: the vector spaces (default the encoder's own, ``tfidf`` and ``word2vec``). ``encoder`` fills
    the spaces that are not lexical (default the bundled one), with ``encoder_options`` as its class has
    them. ``max_tokens``: the token budget of a passage (default 256, at most what the encoder reads).
    ``titles``: whether a document's title is encoded with each of its passages (default yes, but not with
    the analyser ``article``, whose recipe reads descriptions only). ``analyzer`` is a preset's name or
    settings of one, ``tfidf`` defaults to what goes with it, and ``weighting`` overrides that one setting.
    ``storage``: how the engine lays the collections out.
    """

    spaces: tuple[str, ...] | None = None
    encoder: str | None = None
    encoder_options: Mapping[str, Any] = field(default_factory=dict)
    analyzer: str | AnalyzerSettings | None = None
    weighting: Weighting | None = None
    tfidf: TfidfSettings | None = None
    word2vec: Word2VecSettings | None = None
    max_tokens: int | None = None
    titles: bool | None = None
    storage: StorageSettings | None = None

    def __post_init__(self) -> None:
        if self.spaces is not None:
            object.__setattr__(self, "spaces", tuple(several(self.spaces)))
            if not self.spaces:
                raise UsageError("spaces is empty; name at least one, or leave it out.")
        if isinstance(self.encoder, Path):  # a model's folder
            object.__setattr__(self, "encoder", str(self.encoder))
        if self.weighting not in (None, *get_args(Weighting)):
            raise UsageError(f"weighting {self.weighting!r}: choose one of {', '.join(get_args(Weighting))}.")
        if self.max_tokens is not None and not (isinstance(self.max_tokens, int) and self.max_tokens >= 1):
            raise UsageError(f"max_tokens {self.max_tokens!r}: give a whole number of at least 1.")
        for name, kind in _KINDS.items():
            if not isinstance(getattr(self, name), kind | None):
                wanted = getattr(kind, "__name__", str(kind))
                raise UsageError(f"{name} is a {type(getattr(self, name)).__name__}; give {wanted}, or leave it out.")


def checked_options(options: CorpusOptions | None) -> CorpusOptions:
    """The options, the default ones for None; refuses anything else, such as a dict of them."""
    if options is None:
        return CorpusOptions()
    if not isinstance(options, CorpusOptions):
        raise UsageError(f"options is a {type(options).__name__}; give CorpusOptions(...).")
    return options


class SourceReport(BaseModel):
    """A file that was read, and what was decided about it."""

    model_config = ConfigDict(frozen=True)

    path: str
    kind: str
    encoding: str
    reason: str


class RejectedReport(BaseModel):
    """A row that was set aside."""

    model_config = ConfigDict(frozen=True)

    source: str
    line: int | None
    reason: str


class IngestReport(BaseModel):
    """What an ingest did, or with ``dry_run`` would do.

    Of a dry run ``documents`` are those that there would be; ``passages`` and ``terms``, which only writing
    tells, those that there are.
    ``encoded`` counts the passages that learned encoders made vectors of, ``taken_over`` those that stood
    unchanged in documents that were written again. ``seconds`` are by stage; they overlap, so they need
    not add up to ``total``. ``removed`` counts documents that were gone from the source; ``not_pruned`` are
    files of which none were removed, since they or rows of theirs were set aside; ``rejected_file`` holds every
    rejected row, where one was asked for. ``tokens_sent`` are those that an embeddings API counted;
    ``passed_over`` counts files in folders that are not read, by suffix, links to folders, and further names of one
    file; ``warnings`` say so too, and what the corpus had lost.
    """

    model_config = ConfigDict(frozen=True)

    corpus: str
    store: str
    sources: list[SourceReport]
    documents: int
    added: int
    changed: int
    unchanged: int
    passages: int
    encoded: int = 0
    taken_over: int = 0
    terms: int
    rejected: int
    rejected_rows: list[RejectedReport] = Field(default_factory=list)
    rejected_file: str | None = None
    tokens_sent: int = 0
    removed: int = 0
    not_pruned: list[str] = Field(default_factory=list)
    passed_over: dict[str, int] = Field(default_factory=dict)
    dry_run: bool = False
    warnings: list[str] = Field(default_factory=list)
    seconds: dict[str, float]

    @property
    def nothing_changed(self) -> bool:
        """Whether every document stood in the corpus already, and none was removed."""
        return self.added == 0 and self.changed == 0 and self.removed == 0
