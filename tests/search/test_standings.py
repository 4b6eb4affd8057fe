"""What a hit says of itself in every space: held against the vectors themselves."""

import numpy as np
import pytest

from schemas.ids import document_point_id
from schemas.spaces import Shelf
from search import Corpus
from search.coverage import COVERAGE
from search.whole_documents import DOCUMENT_TFIDF

WEIGHTS = {"dense": 1.5, "tfidf": 1.0}


@pytest.fixture
def asked(filled):
    _, made = filled
    return {"dense": made.vectors["dense"][[3, 11]], "tfidf": made.vectors["tfidf"][[700, 500]]}


def own_scores(made, asked, row):
    return {
        "dense": made.vectors["dense"] @ asked["dense"][row],
        "tfidf": (made.vectors["tfidf"] @ asked["tfidf"][[row]].T).toarray().ravel(),
    }


def ranks(made, scores):
    order = sorted(range(len(scores)), key=lambda row: (-np.float32(scores[row]), made.ids[row]))
    return {made.ids[row]: rank for rank, row in enumerate(order, 1)}


@pytest.mark.parametrize("explain", ["scores", True])
@pytest.mark.parametrize("by_document", [False, True])
def test_every_hit_has_its_own_score_in_every_space_and_its_rank_where_a_list_reaches_it(
    filled, asked, explain, by_document
):
    store, made = filled
    answers = Corpus("demo", store).search_vectors(
        asked, limit=30, weights=WEIGHTS, explain=explain, by_document=by_document
    )
    deep = 0
    for row, response in enumerate(answers):
        scores = own_scores(made, asked, row)
        place = {space: ranks(made, found) for space, found in scores.items()}
        for hit in response.hits:
            assert set(hit.spaces) - {COVERAGE} == {"dense", "tfidf", DOCUMENT_TFIDF}
            for space, found in scores.items():
                told = hit.spaces[space]
                score = found[made.ids.index(hit.passage_id)]
                rank = place[space][hit.passage_id]
                assert told.score == pytest.approx(score, abs=2e-6)
                if space == "tfidf" and score == 0:
                    assert (told.rank, told.share) == (None, 0)
                elif rank <= 100 or explain is True:
                    assert told.rank == rank
                else:
                    # Documents are made of more passages than a page has.
                    assert told.rank is None or (by_document and told.rank == rank)
                deep += rank > 100
    assert deep > 0


def test_without_being_asked_to_explain_a_hit_says_the_lists_that_hold_it(filled, asked):
    store, _ = filled
    corpus = Corpus("demo", store)
    plain = corpus.search_vectors(asked, limit=30, weights=WEIGHTS)
    told = corpus.search_vectors(asked, limit=30, weights=WEIGHTS, explain="scores")
    for one, other in zip(plain, told, strict=True):
        for hit, whole in zip(one.hits, other.hits, strict=True):
            assert (hit.passage_id, hit.score) == (whole.passage_id, whole.score)
            assert hit.spaces.keys() <= whole.spaces.keys()
            assert all(standing.rank for standing in hit.spaces.values())
            assert sum(standing.share for standing in hit.spaces.values()) == pytest.approx(1, abs=2e-4)


def test_a_space_that_weighs_nothing_is_asked_only_to_explain(filled, asked):
    store, _ = filled
    corpus = Corpus("demo", store)
    weights = {"dense": 0.0, "tfidf": 1.0}
    plain = corpus.search_vectors(asked, limit=40, weights=weights)
    told = corpus.search_vectors(asked, limit=40, weights=weights, explain="scores")
    for one, other in zip(plain, told, strict=True):
        assert [(hit.passage_id, hit.score) for hit in one.hits] == [(hit.passage_id, hit.score) for hit in other.hits]
        assert not any("dense" in hit.spaces for hit in one.hits)
        assert all(hit.spaces["dense"].share == 0 for hit in other.hits)


def test_a_space_that_weighs_nothing_answers_where_all_others_found_nothing(filled, asked):
    store, _ = filled
    corpus = Corpus("demo", store)
    nothing = (asked["tfidf"] * np.float32([[0], [1]])).tocsr()
    nothing.eliminate_zeros()
    weights = {"dense": 0.0, "tfidf": 1.0}
    first, second = corpus.search_vectors({**asked, "tfidf": nothing}, limit=5, weights=weights)
    (alone,) = corpus.search_vectors({"dense": asked["dense"][[0]]}, limit=5)
    assert [hit.passage_id for hit in first.hits] == [hit.passage_id for hit in alone.hits]
    assert all("tfidf" in hit.spaces and "dense" not in hit.spaces for hit in second.hits)


def test_a_hit_says_what_its_whole_document_scores(filled, asked):
    store, _ = filled
    corpus = Corpus("demo", store)
    rows = {
        str(record.id): record.vector["tfidf"]
        for record in store.scroll(corpus.collection(Shelf.DOCUMENTS), vectors=["tfidf"])
    }
    (response, _) = corpus.search_vectors(asked, limit=20, weights=WEIGHTS, explain="scores")
    query = asked["tfidf"][[0]].toarray().ravel()
    scores = {point: float(query[row.indices] @ np.array(row.values)) for point, row in rows.items()}
    order = sorted((point for point in scores if scores[point] > 0), key=lambda point: (-scores[point], point))
    for hit in response.hits:
        told, own = hit.spaces[DOCUMENT_TFIDF], document_point_id("demo", hit.document_id)
        assert told.score == pytest.approx(scores[own], abs=2e-6)
        assert told.rank == (order.index(own) + 1 if own in order else None)


@pytest.mark.parametrize("fusion", ["zscore", "convex", "rrf", "dbsf"])
def test_shares_add_up_to_the_score(filled, asked, fusion):
    store, _ = filled
    for response in Corpus("demo", store).search_vectors(asked, limit=40, weights=WEIGHTS, fusion=fusion):
        assert len(response.hits) == 40
        for hit in response.hits:
            assert sum(space.share for space in hit.spaces.values()) == pytest.approx(1, abs=2e-4)


def test_a_hybrid_shows_the_scores_that_a_space_shows_alone(filled, asked):
    store, _ = filled
    corpus = Corpus("demo", store)
    hybrid = corpus.search_vectors(asked, limit=400, weights=WEIGHTS, explain="scores")
    for space in ("dense", "tfidf"):
        alone = corpus.search_vectors({space: asked[space]}, limit=100, explain="scores")
        for whole, part in zip(hybrid, alone, strict=True):
            own = {hit.passage_id: (hit.rank, hit.score) for hit in part.hits}
            shared = [hit for hit in whole.hits if hit.passage_id in own]
            assert shared
            for hit in shared:
                assert (hit.spaces[space].rank, hit.spaces[space].score) == own[hit.passage_id]


def test_pages_neither_repeat_nor_miss_a_passage_to_the_end(filled, asked):
    store, made = filled
    corpus = Corpus("demo", store)
    (whole, _) = corpus.search_vectors(asked, limit=1000, weights=WEIGHTS)
    assert len(whole.hits) == len(made.ids)
    pages = []
    for offset in range(0, 1000, 90):
        pages.extend(corpus.search_vectors(asked, limit=90, offset=offset, weights=WEIGHTS)[0].hits)
    assert [hit.passage_id for hit in pages] == [hit.passage_id for hit in whole.hits]


def test_an_answer_names_every_weight_that_counted_and_they_can_be_given_again(filled, asked):
    store, _ = filled
    corpus = Corpus("demo", store)
    only = {"dense": 0.0, "tfidf": 0.0, DOCUMENT_TFIDF: 1.0, COVERAGE: 0.0}
    for weights in (WEIGHTS, {DOCUMENT_TFIDF: 3.0}, {COVERAGE: 1.0}, only):
        (one, _) = corpus.search_vectors(asked, limit=30, weights=weights)
        assert set(one.weights) == {"dense", "tfidf", DOCUMENT_TFIDF, COVERAGE}
        assert all(one.weights[space] == weight for space, weight in weights.items())
        (other, _) = corpus.search_vectors(asked, limit=30, weights=one.weights)
        assert [(hit.passage_id, hit.score) for hit in one.hits] == [(hit.passage_id, hit.score) for hit in other.hits]
    # With no other weight the documents alone decide, among all that tfidf finds.
    assert all(hit.spaces[DOCUMENT_TFIDF].share == 1 for hit in one.hits)
    (alone, _) = corpus.search_vectors({"tfidf": asked["tfidf"]}, limit=5)
    assert set(alone.weights) == {"tfidf"}
