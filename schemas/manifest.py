"""The manifest: what made a corpus. A mismatch is refused against it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.spaces import Space, SpaceKind
from schemas.storage import StorageSettings


class EncoderIdentity(BaseModel):
    """Which encoder made a space, exactly enough to refuse another.

    ``revision`` is a package version, a hub commit or a hash of the weights. ``prompts`` maps
    ``query`` and ``passage`` to the text put before the input. ``options`` are the encoder's own
    settings that change its vectors.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    revision: str
    prompts: dict[str, str] = Field(default_factory=dict)
    precision: str = "float32"
    options: dict[str, Any] = Field(default_factory=dict)


class AnalyzerSettings(BaseModel):
    """How text becomes the terms of ``tfidf`` and the words of ``word2vec``.

    ``preset`` names an analyser of ``encoders.analyzer_options``; ``options`` overrides its settings.
    """

    model_config = ConfigDict(frozen=True)

    preset: str = "default"
    options: dict[str, Any] = Field(default_factory=dict)


class TfidfSettings(BaseModel):
    """``tfidf``: scikit-learn's definition (smooth idf, L2), or BM25 (Robertson & Zaragoza 2009).

    ``unit`` says what document frequencies count: passages, or whole documents.
    """

    model_config = ConfigDict(frozen=True)

    weighting: Literal["tfidf", "bm25"] = "tfidf"
    unit: Literal["passages", "documents"] = "passages"
    min_df: float = 1
    max_df: float = 1.0
    max_features: int | None = None
    sublinear_tf: bool = False
    k1: float = 1.2
    b: float = 0.75


class Word2VecSettings(BaseModel):
    """``word2vec``: gensim's skip-gram with negative sampling (Mikolov et al. 2013).

    ``epochs=0`` chooses by the size of the corpus; ``learning_rate`` is the first, falling to 0.0001.
    ``sample`` leaves out frequent words at random, within the range that gensim's authors advise: below
    0.001 training is twice as fast, and the window reaches further. Of words that stand ``min_count`` times the
    ``max_words`` most frequent get vectors (0: all do), which bounds the memory of training and of an ingest.
    ``phrases`` makes two words that belong together one word more, as ``new york`` (``encoders/phrases.py``).
    """

    model_config = ConfigDict(frozen=True)

    dim: int = 100
    window: int = 8
    min_count: int = 3
    max_words: int = 200_000
    epochs: int = 0
    negative: int = 3
    sample: float = 1e-4
    skip_gram: bool = True
    learning_rate: float = 0.1
    seed: int = 20130116
    sif_a: float = 1e-3
    remove_components: int = 1
    phrases: bool = False


class SplitterSettings(BaseModel):
    """How documents become passages: the most tokens of one, and how they are counted."""

    model_config = ConfigDict(frozen=True)

    max_tokens: int = 256
    counter: str = "encoder"


class FitStats(BaseModel):
    """What TF-IDF and Word2Vec were fitted on."""

    model_config = ConfigDict(frozen=True)

    passages: int = Field(default=0, ge=0)
    tokens: int = Field(default=0, ge=0)
    features: int = Field(default=0, ge=0)
    words: int = Field(default=0, ge=0)
    average_length: float = 0.0
    extra: dict[str, Any] = Field(default_factory=dict)


class Counts(BaseModel):
    """How many points each shelf holds."""

    model_config = ConfigDict(frozen=True)

    documents: int = Field(default=0, ge=0)
    passages: int = Field(default=0, ge=0)
    terms: int = Field(default=0, ge=0)


class CorpusSettings(BaseModel):
    """What a corpus's points are made by: with the same settings and documents they come out the same.

    ``encoder_spaces`` maps a space to what its encoder calls it, where the corpus calls it otherwise.
    """

    model_config = ConfigDict(frozen=True)

    spaces: dict[str, Space]
    encoders: dict[str, EncoderIdentity]
    encoder_spaces: dict[str, str] = Field(default_factory=dict)
    analyzer: AnalyzerSettings = AnalyzerSettings()
    tfidf: TfidfSettings = TfidfSettings()
    word2vec: Word2VecSettings = Word2VecSettings()
    splitter: SplitterSettings = SplitterSettings()
    titles: bool = True
    storage: StorageSettings = StorageSettings()

    @property
    def term_spaces(self) -> list[Space]:
        """The spaces of the vocabulary: a word's own vector, and a feature's row of LSA's components."""
        return [self.spaces[name] for name in ("word2vec", "lsa") if name in self.spaces]

    @property
    def term_storage(self) -> StorageSettings:
        """How the vocabulary is kept: without a graph, since its words are compared one by one, and whole."""
        searched = {"quantization", "rescore", "oversampling", "hnsw_m", "hnsw_ef_construct"}
        return StorageSettings(**self.storage.model_dump(exclude=searched), quantization="none", hnsw_m=0)

    @property
    def document_spaces(self) -> list[Space]:
        """The spaces of whole documents: a dense one is the mean of its passages, a lexical one of the text.

        What an encoder says of single tokens, sparse or multi-vector, has no mean.
        """
        return [s for s in self.spaces.values() if s.kind is SpaceKind.DENSE or s.name not in self.encoders]

    @property
    def settings(self) -> dict[str, Any]:
        """These fields alone, by name, as another manifest or rebuild takes them."""
        return {name: getattr(self, name) for name in CorpusSettings.model_fields}


class Rebuild(CorpusSettings):
    """A generation that is being made beside the one in use, with these settings; kept over a crash.

    ``command`` is what a person called it by. ``resplit``: passages are cut anew; ``refit``: the lexical
    spaces are fitted again.
    """

    generation: int
    command: str = "spaces add"
    resplit: bool = False
    refit: bool = False


class CorpusManifest(CorpusSettings):
    """All that a search or a later ingest must agree with.

    ``rebuild`` is the generation in the making; ``kept`` are the manifests of earlier generations that
    stand and can be brought back, the one used last at the end; ``newest`` is the highest number that a
    generation ever had, since no number is used twice. ``heading`` is the pattern of the chapter headings of
    its novels, where one was named.
    """

    format: int = 1
    corpus: str
    generation: int = 1
    complete: bool = False
    fit: FitStats = FitStats()
    counts: Counts = Counts()
    payload_fields: dict[str, str] = Field(default_factory=dict)
    search: dict[str, Any] = Field(default_factory=dict)
    heading: str | None = None
    rebuild: Rebuild | None = None
    kept: list[CorpusManifest] = Field(default_factory=list)
    newest: int = 0
    created: str = ""
    updated: str = ""

    @property
    def alone(self) -> CorpusManifest:
        """The same corpus without its other generations, as it is kept or goes elsewhere."""
        return self.model_copy(update={"kept": [], "rebuild": None, "newest": 0})

    @property
    def next_generation(self) -> int:
        """The number of the generation that is made next."""
        return max(self.generation, self.newest, *(manifest.generation for manifest in self.kept)) + 1
