"""``lsa`` as a space of a corpus: made at ingest, searched from the terms shelf alone, fitted anew by a refit."""

import json

import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from encoders.lsa import DIM, SEED
from ingest import CorpusOptions, ingest
from ingest.refit import refit
from schemas.errors import UsageError
from schemas.spaces import Shelf
from search import Corpus
from stores.embedded import EdgeStore
from stores.server import ServerStore

TEXTS = [
    "The pool is heated and the spa is open late.",
    "A heated pool with a sauna and a spa.",
    "温泉酒店有游泳池和桑拿。",
    "酒店的温泉和游泳池都在室内。",
    "The monk climbed the mountain to the temple.",
    "A temple on the mountain, and an old monk.",
    "山上的庙里有个老和尚。",
    "老和尚在山上的庙里敲钟。",
] * 2


def write(path, texts):
    rows = [{"_id": f"d{n}", "title": "", "text": f"{text} {n}"} for n, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(params=["embedded", "emulated"])
def store(request, tmp_path):
    with ServerStore(":memory:") if request.param == "emulated" else EdgeStore(tmp_path / "store") as store:
        yield store


def stored(corpus, space):
    records = corpus.store.scroll(corpus.collection(Shelf.PASSAGES), payload=["document_id"], vectors=[space])
    return {record.payload["document_id"]: np.asarray(record.vector[space]) for record in records}


def test_passages_and_queries_are_scikit_learns_and_a_refit_learns_anew(store, tmp_path):
    path = write(tmp_path / "corpus.jsonl", TEXTS)
    ingest([path], "c", store=store, options=CorpusOptions(spaces=("tfidf", "lsa")))
    with Corpus("c", store) as corpus:
        assert corpus.manifest.spaces["lsa"].dim == DIM
        texts = [f"{text} {n}" for n, text in enumerate(TEXTS)]
        cut = corpus.lexical.analyzer.features
        tfidf = TfidfVectorizer(analyzer=cut, sublinear_tf=True).fit(texts)
        kept = np.flatnonzero((tfidf.transform(texts) > 0).sum(axis=0) >= 2)
        rows = tfidf.transform([*texts, "heated spa"])[:, kept]
        model = TruncatedSVD(n_components=15, random_state=SEED).fit(rows[:-1])
        expected = model.transform(rows)[:, model.singular_values_ > 1e-5 * model.singular_values_[0]]
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        found = stored(corpus, "lsa")
        ours = np.array([found[f"d{n}"] for n in range(len(TEXTS))])
        assert np.allclose(ours @ ours.T, expected[:-1] @ expected[:-1].T, atol=1e-4)
        answer = corpus.search("heated spa", spaces=["lsa"], limit=16)
        for hit in answer.hits:
            assert hit.score == pytest.approx(float(expected[int(hit.document_id[1:])] @ expected[-1]), abs=1e-4)
        assert {hit.document_id for hit in answer.hits[:4]} == {"d0", "d1", "d8", "d9"}
    ingest([write(path, [*TEXTS, *["A lighthouse keeper mends the nets."] * 4])], "c", store=store)
    refit("c", store=store)
    with Corpus("c", store) as corpus:
        assert {hit.document_id for hit in corpus.search("nets", spaces=["lsa"], limit=4).hits} == {
            "d16", "d17", "d18", "d19",
        }  # fmt: skip


def test_lsa_needs_the_tfidf_that_it_is_made_of(tmp_path):
    path = write(tmp_path / "corpus.jsonl", TEXTS)
    with EdgeStore(tmp_path / "store") as store, pytest.raises(UsageError, match="add tfidf"):
        ingest([path], "c", store=store, options=CorpusOptions(spaces=("lsa",)))
