"""A server that goes away, or is changed by another command, while one is at work: what is said of it."""

import pytest

from ingest import CorpusOptions, ingest
from ingest.refit import refit
from schemas.errors import CorpusError, StoreUnavailable
from stores.opening import open_store
from tests.ingest.test_keeping import MORE, write


def test_the_error_says_how_many_passages_are_in_and_how_to_go_on(tmp_path, monkeypatch):
    path = write(tmp_path / "rows.jsonl", MORE)
    with open_store(":memory:") as store:
        upsert = store.upsert

        def losing(name, batch):
            if name.endswith(".documents"):
                raise store._connection._answers.unavailable("answers 503 again and again")
            upsert(name, batch)

        monkeypatch.setattr(store, "upsert", losing)
        with pytest.raises(StoreUnavailable, match="503") as error:
            ingest([path], "c", store=store, options=CorpusOptions(spaces=("tfidf",)))
    assert "run the same command again" in str(error.value)
    assert "12 passages are in" in str(error.value)


def test_a_refit_that_another_one_overtakes_says_so_and_leaves_the_others_work(tmp_path, monkeypatch):
    path = write(tmp_path / "rows.jsonl", MORE)
    with open_store(":memory:") as store:
        ingest([path], "c", store=store, options=CorpusOptions(spaces=("tfidf",)))
        upsert = store.upsert

        def overtaken(name, batch):
            monkeypatch.setattr(store, "upsert", upsert)
            refit("c", store=store)
            upsert(name, batch)

        monkeypatch.setattr(store, "upsert", overtaken)
        with pytest.raises(CorpusError, match="meanwhile; run the same command again"):
            refit("c", store=store)
        assert store.read_manifest("c").generation == 2
        assert store.count("c.g2.passages") == 12
