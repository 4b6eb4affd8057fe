"""A corpus's beginnings: its manifest, its shelves, and whether a later ingest agrees with it."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from datetime import UTC, datetime

from encoders.analyzer_options import options_of, recommended_tfidf
from encoders.base import Encoder
from encoders.lsa import DIM
from ingest.payloads import index_type
from schemas.errors import CorpusError, CorpusNotFound, StoreDamaged, UsageError, XunyiError
from schemas.ingest import DEFAULT_LEXICAL, LEXICAL_SPACES, CorpusOptions
from schemas.manifest import AnalyzerSettings, CorpusManifest, SplitterSettings, TfidfSettings, Word2VecSettings
from schemas.names import check_corpus_name
from schemas.payload_paths import META
from schemas.spaces import Shelf, Space, SpaceKind
from schemas.storage import StorageSettings
from stores.base import Store, collection_name
from stores.opening import StoreLike, as_store

DEFAULT_MAX_TOKENS = 256
"""The token budget of a passage: half of what the bundled model reads, so that prompt and title fit."""


def new_manifest(corpus: str, options: CorpusOptions, encoder: Encoder | None) -> CorpusManifest:
    """The manifest of a corpus that is about to be made; refuses spaces that nothing fills."""
    word2vec = options.word2vec or Word2VecSettings()
    offered: dict[str, Space] = dict(encoder.spaces) if encoder is not None else {}
    offered["tfidf"] = Space(name="tfidf", kind=SpaceKind.SPARSE)
    offered["word2vec"] = Space(name="word2vec", kind=SpaceKind.DENSE, dim=word2vec.dim)
    learned = tuple(encoder.spaces) if encoder is not None else ()
    offered["lsa"] = Space(name="lsa", kind=SpaceKind.DENSE, dim=DIM)
    wanted = options.spaces or (*learned, *DEFAULT_LEXICAL)
    unknown = [name for name in wanted if name not in offered]
    if unknown:
        raise UsageError(
            f"--spaces: no encoder fills {', '.join(map(repr, unknown))}; choose among {', '.join(sorted(offered))}."
        )
    if "lsa" in wanted and "tfidf" not in wanted:
        raise UsageError("--spaces: lsa is made of TF-IDF; add tfidf to the spaces.")
    budget = options.max_tokens or min(DEFAULT_MAX_TOKENS, encoder.max_tokens if encoder else DEFAULT_MAX_TOKENS)
    if encoder is not None and budget > encoder.max_tokens:
        raise UsageError(
            f"--max-tokens {budget}: the encoder {encoder.identity.name} reads {encoder.max_tokens} tokens; "
            f"give at most that."
        )
    analyzer = _analyzer(options) or AnalyzerSettings()
    options_of(analyzer)  # refuses what cannot be meant
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return CorpusManifest(
        corpus=corpus,
        spaces={name: offered[name] for name in wanted},
        encoders={name: encoder.identity for name in wanted if name not in LEXICAL_SPACES} if encoder else {},
        analyzer=analyzer,
        tfidf=_tfidf(options, analyzer),
        word2vec=word2vec,
        splitter=SplitterSettings(max_tokens=budget, counter="encoder" if encoder else "estimate"),
        titles=analyzer.preset != "article" if options.titles is None else options.titles,
        storage=options.storage or StorageSettings(),
        created=now,
        updated=now,
    )


def require_agreement(manifest: CorpusManifest, options: CorpusOptions) -> None:
    """Refuse an ingest that asks for other settings than those the corpus was made with."""
    name = manifest.corpus
    asked = {
        "--spaces": (options.spaces and sorted(options.spaces), sorted(manifest.spaces)),
        "--analyzer": (_analyzer(options), manifest.analyzer),
        "--weighting": (options.weighting, manifest.tfidf.weighting),
        "--max-tokens": (options.max_tokens, manifest.splitter.max_tokens),
        "--titles": (options.titles, manifest.titles),
        "the storage settings": (options.storage, manifest.storage),
        "the TF-IDF settings": (options.tfidf, manifest.tfidf),
        "the Word2Vec settings": (options.word2vec, manifest.word2vec),
    }
    for option, (wanted, stands) in asked.items():
        if wanted is not None and wanted != () and wanted != stands:
            raise CorpusError(
                f"The corpus {name!r} was made with {option} {_shown(stands)}, not {_shown(wanted)}; "
                f"leave the option out, or change the corpus with: xunyi rebuild {name}"
            )


def _analyzer(options: CorpusOptions) -> AnalyzerSettings | None:
    return AnalyzerSettings(preset=options.analyzer) if isinstance(options.analyzer, str) else options.analyzer


def _tfidf(options: CorpusOptions, analyzer: AnalyzerSettings) -> TfidfSettings:
    settings = options.tfidf or recommended_tfidf(analyzer.preset)
    return settings.model_copy(update={"weighting": options.weighting}) if options.weighting else settings


def _shown(value: object) -> str:
    if isinstance(value, AnalyzerSettings):
        names = value.options.get("user_dict")
        return f"{value.preset} with {len(names)} names of a user dictionary" if names else value.preset
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def create_shelves(store: Store, manifest: CorpusManifest) -> None:
    """Make the passages and documents collections and the indexes of their payload, where they do not stand already."""
    passages = collection_name(manifest.corpus, manifest.generation, Shelf.PASSAGES)
    store.create_collection(passages, list(manifest.spaces.values()), manifest.storage)
    store.create_payload_index(passages, "document_id", "keyword")
    store.create_payload_index(passages, "position", "integer")
    store.create_payload_index(passages, "title", "keyword")
    store.create_payload_index(passages, "chapter", "keyword")
    documents = collection_name(manifest.corpus, manifest.generation, Shelf.DOCUMENTS)
    store.create_collection(documents, manifest.document_spaces, manifest.storage)
    store.create_payload_index(documents, "document_id", "keyword")
    store.create_payload_index(documents, "title", "keyword")
    store.create_payload_index(documents, "chapter", "keyword")
    store.create_payload_index(documents, "source", "keyword")
    for field, kind in manifest.payload_fields.items():
        for shelf in (passages, documents):
            store.create_payload_index(shelf, f"{META}.{field}", index_type(kind))


def drop_beginnings(store: Store, manifest: CorpusManifest) -> None:
    """Remove what stands of a new corpus before its manifest does: nobody could find it, and it takes room."""
    corpus = manifest.corpus
    with suppress(XunyiError):
        if store.read_manifest(corpus) is not None:
            return
        for shelf in Shelf:
            store.drop_collection(collection_name(corpus, manifest.generation, shelf))
        # Other generations are those of a corpus that lost its manifest, not this run's.
        if all(name.rsplit(".", 2)[0] != corpus for name in store.list_collections()):
            store.delete_corpus(corpus)


def open_corpus(stack: ExitStack, corpus: str, store: StoreLike, *, hold: bool = True) -> tuple[Store, CorpusManifest]:
    """The store, left by ``stack`` if it was opened here, and the corpus's manifest; raises ``CorpusNotFound``.

    An embedded corpus is held from before its manifest is read: what another command, still at work, makes of it is
    waited for, and not overwritten by what was so before. What only looks at its manifest need not ``hold`` it, and
    works beside a service and in a folder that cannot be written to.
    """
    check_corpus_name(corpus)
    opened = stack.enter_context(as_store(store))
    if hold:
        opened.hold(corpus)
    manifest = opened.read_manifest(corpus)
    if manifest is None:
        raise CorpusNotFound(f"{opened.location} has no corpus {corpus!r}; see `xunyi corpora list`.")
    return opened, manifest


def delete_corpus(name: str, store: StoreLike = None) -> None:
    """Remove a corpus with all its points, also one whose manifest is damaged.

    Raises ``CorpusNotFound`` where there is none.
    """
    with ExitStack() as stack:
        check_corpus_name(name)
        opened = stack.enter_context(as_store(store))
        with suppress(StoreDamaged):
            open_corpus(stack, name, opened)
        opened.delete_corpus(name)
