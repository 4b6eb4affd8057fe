"""A server that goes away in the middle of an ingest: what is said of it."""

import pytest

from ingest import CorpusOptions, ingest
from schemas.errors import StoreUnavailable
from stores.opening import open_store
from tests.ingest.test_keeping import MORE, write


def test_the_error_says_how_many_passages_are_in_and_how_to_go_on(tmp_path, monkeypatch):
    path = write(tmp_path / "rows.jsonl", MORE)
    with open_store(":memory:") as store:
        upsert = store.upsert

        def losing(name, batch):
            if name.endswith(".documents"):
                raise store._connection._unavailable("answers 503 again and again")
            upsert(name, batch)

        monkeypatch.setattr(store, "upsert", losing)
        with pytest.raises(StoreUnavailable, match="503") as error:
            ingest([path], "c", store=store, options=CorpusOptions(spaces=("tfidf",)))
    assert "run the same command again" in str(error.value)
    assert "12 passages are in" in str(error.value)
