"""Pages of a space that is searched by a graph, which finds other neighbours the more widely it is searched."""

from dataclasses import replace

from schemas.spaces import Shelf
from search import Corpus
from stores.base import collection_name
from stores.embedded import EdgeStore
from stores.nearest import Nearest
from tests.search.conftest import fill


class Approximate(EdgeStore):
    """A store whose narrow searches miss every fifth of the passages that a wider one finds, as a graph may."""

    def nearest(self, name, questions):
        found = super().nearest(name, questions)
        return [
            [(point, score) for place, (point, score) in enumerate(points) if question.limit > 150 or place % 5]
            for question, points in zip(questions, self._refilled(name, questions, found), strict=True)
        ]

    def _refilled(self, name, questions, found):
        wider = [replace(question, limit=question.limit * 5 // 4 + 1) for question in questions]
        narrow = [question.limit <= 150 and question.query_filter is None for question in questions]
        return [
            more if few else exact for more, exact, few in zip(super().nearest(name, wider), found, narrow, strict=True)
        ]


def test_pages_neither_repeat_nor_miss_what_a_wider_search_finds_late(tmp_path):
    with Approximate(tmp_path / "store") as store:
        made = fill(store, [5] * 120)
        corpus = Corpus("demo", store)
        asked = {"dense": made.vectors["dense"][[7]], "tfidf": made.vectors["tfidf"][[9]]}

        def page(limit, offset=0, **options):
            return [
                hit.passage_id for hit in corpus.search_vectors(asked, limit=limit, offset=offset, **options)[0].hits
            ]

        whole = page(600)
        assert sorted(whole) == sorted(made.ids)
        assert [passage for offset in range(0, 600, 70) for passage in page(70, offset)] == whole
        assert page(10) == whole[:10]
        documents = page(120, by_document=True)
        assert [passage for offset in range(0, 120, 11) for passage in page(11, offset, by_document=True)] == documents
        passages = collection_name("demo", 1, Shelf.PASSAGES)
        narrow, wide = (
            [point for point, _ in store.nearest(passages, [Nearest(asked["dense"][0], "dense", limit)])[0]]
            for limit in (100, 400)
        )
        assert narrow != wide[:100]
