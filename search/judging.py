"""Judged queries over a corpus: how good each space and the hybrid are, and which weights are better."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from schemas.documents import Document
from schemas.errors import CorpusError, InputError
from schemas.ids import document_point_id, point_text
from schemas.names import several
from schemas.spaces import Shelf, VectorBatch
from search.ask import Ask
from search.corpus import Corpus
from search.coverage import QueryMass
from search.evaluation import EvaluationReport, evaluate, judged, parse_measures
from search.fusion_choices import FusionChoice
from search.query_files import Ranking
from search.ranked_list import FusionMethod, ScoredList
from search.request import Request, chosen_spaces
from search.second_stage import COLBERT, Reranking
from search.synthetic import KINDS, SyntheticQuery, synthetic_qrels, synthetic_queries
from search.tuned_coverage import TunedCoverage
from search.tuning import TuningReport, tune
from search.view import CorpusView
from search.whole_documents import DOCUMENT_TFIDF, sparse_minima

HYBRID = "hybrid"
DEPTH = 100
"""Documents a query, as deep as the usual measures look."""

BATCH = 64
"""Queries encoded and asked together."""

DEFAULT_MEASURES = ("nDCG@10", "RR@10", "AP@100", "R@100")


def evaluate_corpus(
    corpus: Corpus,
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    *,
    measures: str | Iterable[str] = DEFAULT_MEASURES,
    spaces: str | Iterable[str] | None = None,
    where: str | Iterable[str] = (),
    fusion: FusionMethod | None = None,
    weights: Mapping[str, float] | None = None,
    rrf_k: int | None = None,
    rerank: Reranking = Reranking(),  # noqa: B008 - frozen
    spelling: bool = True,
) -> tuple[EvaluationReport, dict[str, Mapping[str, Ranking]]]:
    """Measure the hybrid and each of its spaces alone, by documents; the hybrid is tested against each of them.

    The options are those of ``Corpus.search_many``, by default as a search has them. What ``where`` leaves out
    is not found. With ``rerank`` the hybrid so reranked comes first, and is tested against the others.
    """
    view, measures = corpus.now(), several(measures)
    rerank.check(view.manifest)
    names = chosen_spaces(view.manifest, spaces)
    first = [name for name in names if spaces is not None or rerank.by != COLBERT or name != COLBERT] or names
    parse_measures(measures)
    ask = view.ask(names, Request(where=several(where), fusion=fusion, weights=weights, rrf_k=rrf_k))
    encoded = _Encoded(view, names, spelling)
    runners = {}
    if rerank:
        label = "+".join([HYBRID, *([rerank.name] if rerank.by else []), *(["mmr"] if rerank.diversity else [])])
        runners[label] = partial(_ranked_documents, view, replace(ask, spaces=first), encoded, rerank)
    if len(names) > 1:
        runners[HYBRID] = partial(_ranked_documents, view, ask, encoded, Reranking())
    for name in names:
        alone = Ask([name], view.search_weights([name]), ask.method, ask.query_filter)
        runners[name] = partial(_ranked_documents, view, alone, encoded, Reranking())
    counted = _require_documents(view, judged(queries, qrels).qrels)
    report, runs = evaluate(runners, queries, qrels, measures=measures)
    return report.model_copy(update={**counted, "fusion": ask.method, "weights": dict(ask.weights)}), dict(runs)


def _require_documents(corpus: CorpusView, qrels: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """How many relevant documents there are and how many of them the corpus lacks, by ``EvaluationReport``'s names.

    Raises :class:`InputError` where it lacks all: then the judgments are another corpus's.
    """
    relevant = sorted({document for by in qrels.values() for document, grade in by.items() if grade > 0})
    points = {document_point_id(corpus.name, document): document for document in relevant}
    found = {str(r.id) for r in corpus.store.retrieve(corpus.collection(Shelf.DOCUMENTS), list(points), payload=False)}
    if relevant and not found:
        raise InputError(
            f"the corpus {corpus.name!r} holds none of the {len(relevant):,} documents that are judged relevant, such "
            f"as {relevant[0]!r}; check that the judgments use the ids that a search shows as document_id."
        )
    return {"judged_documents": len(relevant), "missing_documents": len(relevant) - len(found)}


class _Encoded:
    """Queries' vectors in every space, and what their words weigh, kept between runs."""

    def __init__(self, corpus: CorpusView, spaces: Sequence[str], spelling: bool) -> None:
        self._corpus, self._spaces, self._spelling = corpus, spaces, spelling
        self._found: dict[tuple[str, ...], tuple[dict[str, VectorBatch], list[QueryMass]]] = {}

    def of(self, texts: tuple[str, ...]) -> tuple[dict[str, VectorBatch], list[QueryMass]]:
        if texts not in self._found:
            spelled = self._corpus.spelled(texts, spelling=self._spelling)
            masses = [of.mass for of in self._corpus.words(texts, spelled)]
            self._found[texts] = self._corpus.encode(texts, self._spaces, spelled), masses
        return self._found[texts]


def _ranked_documents(
    corpus: CorpusView, ask: Ask, encoded: _Encoded, rerank: Reranking, texts: Sequence[str]
) -> list[list[tuple[str, float]]]:
    """For each text the best documents with their scores, best first, at most ``DEPTH``.

    A document scores what its best passage does.
    """
    found: list[list[tuple[str, float]]] = []
    for start in range(0, len(texts), BATCH):
        batch = tuple(texts[start : start + BATCH])
        every, masses = encoded.of(batch)
        vectors = {space: every[space] for space in ask.spaces}
        rankings, _ = corpus.answerer.ranked(vectors, ask, DEPTH * 4, masses, rerank, batch)
        owners = corpus.document_ids({hit.id for ranking in rankings for hit in ranking})
        for ranking in rankings:
            documents: dict[str, float] = {}
            for hit in ranking:
                documents.setdefault(owners[hit.id], hit.score)
            found.append(list(documents.items())[:DEPTH])
    return found


def tune_corpus(
    corpus: Corpus,
    queries: Mapping[str, str] | None = None,
    qrels: Mapping[str, Mapping[str, int]] | None = None,
    *,
    folds: int = 5,
    save: bool = True,
) -> TuningReport:
    """Learn the fusion's method and weights by cross-validation, and store them with the corpus.

    Without judged queries some are made of the corpus itself: titles that must find their bodies, where they are
    not indexed with them, and parts of sentences that must find their documents. They favour words over meaning.
    """
    return _tune(corpus.now(), queries, qrels, folds, save)


def _tune(
    corpus: CorpusView,
    queries: Mapping[str, str] | None,
    qrels: Mapping[str, Mapping[str, int]] | None,
    folds: int,
    save: bool,
) -> TuningReport:
    synthetic = queries is None or qrels is None
    kinds: dict[str, int] = {}
    if queries is None or qrels is None:
        made = _made_queries(corpus)
        kinds = {kind: sum(query.kind == kind for query in made) for kind in KINDS}
        queries, qrels = {query.id: query.text for query in made}, synthetic_qrels(made)
    known = {query: grades for query, grades in qrels.items() if query in queries}
    _require_documents(corpus, judged(queries, known).qrels)
    names = list(corpus.manifest.spaces)
    used = corpus.search_weights(names)
    ask = Ask(names, used, corpus.fusion, every=True)
    wanted = [query for query in queries if query in qrels]
    collected: dict[str, Mapping[str, ScoredList]] = {}
    alone: dict[str, Mapping[str, ScoredList]] = {}
    beliefs: dict[str, Mapping[str, float]] = {}
    document_of: dict[str, str] = {}
    cover = TunedCoverage(corpus.manifest, document_of)
    for start in range(0, len(wanted), BATCH):
        batch = wanted[start : start + BATCH]
        asked = [queries[query] for query in batch]
        spelled = corpus.spelled(asked)
        masses = [of.mass for of in corpus.words(asked, spelled)]
        ranked = corpus.answerer.ranker.rank(corpus.encode(asked, names, spelled), ask, DEPTH, masses)
        beliefs.update(zip(batch, ranked.beliefs, strict=True))
        for kept, lists in ((collected, ranked.lists), (alone, ranked.asked)):
            # Whole documents are a witness of their own, but no space that can be searched alone.
            listed = names if kept is alone else (*names, DOCUMENT_TFIDF)
            written = [{space: _written(of[space]) for space in listed if space in of} for of in lists]
            kept.update(zip(batch, written, strict=True))
        found = [*ranked.lists, *ranked.asked]
        passages = {passage for lists in found for entries in lists.values() for passage, _ in entries}
        document_of.update((point_text(p), document) for p, document in corpus.document_ids(passages).items())
        if "tfidf" in names:
            for query, mass, fused in zip(batch, masses, ranked.lists, strict=True):
                candidates = {passage for entries in fused.values() for passage, _ in entries}
                cover.know(query, mass, corpus.answerer.ranker.columns(candidates))
    default = FusionChoice(method=corpus.fusion, weights=used)
    minima = sparse_minima(corpus.manifest, (*names, DOCUMENT_TFIDF))
    report = tune(
        collected,
        qrels,
        default=default,
        document_of=lambda passage: document_of[passage],
        minima=minima,
        beliefs=beliefs,
        cover=cover if "tfidf" in names else None,
        alone=alone,
        folds=folds,
        synthetic=synthetic,
    ).model_copy(update={"kinds": kinds})
    if save and report.adopted:
        chosen = {"fusion": report.choice.method, "weights": report.choice.weights}
        # As it is by now: what was ingested meanwhile must not be undone.
        standing = corpus.store.read_manifest(corpus.name) or corpus.manifest
        corpus.store.write_manifest(standing.model_copy(update={"search": {**standing.search, **chosen}}))
    return report


def _made_queries(corpus: CorpusView) -> list[SyntheticQuery]:
    """Queries made of the corpus; a title of which no body holds a word, such as a bare code, asks for nothing."""
    made = synthetic_queries(_documents(corpus), titles=not corpus.manifest.titles)
    if "tfidf" in corpus.manifest.spaces:
        words = corpus.words([query.text for query in made])
        made = [query for query, of in zip(made, words, strict=True) if query.kind != "title" or len(of.mass.columns)]
    if not made:
        raise CorpusError(f"The corpus {corpus.name!r} is too small to make queries of; give judged ones.")
    return made


def _written(entries: ScoredList[int]) -> ScoredList:
    """A ranking by the text of its ids."""
    return [(point_text(point), score) for point, score in entries]


def _documents(corpus: CorpusView) -> Iterator[Document]:
    for record in corpus.store.scroll(corpus.collection(Shelf.DOCUMENTS)):
        payload = record.payload or {}
        yield Document(
            id=str(payload["document_id"]),
            title=str(payload["title"]),
            text=str(payload["text"]),
            kind=str(payload["kind"]),
            source=str(payload["source"]),
        )
