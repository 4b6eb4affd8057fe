"""What failed runs leave behind, and whether what the doctor advises brings a damaged corpus back."""

import json

import pytest

from ingest import CorpusOptions, ingest
from ingest.exchange import export_corpus, import_corpus
from ingest.refit import refit
from schemas.errors import InputError, StoreError
from stores.doctor import check_store
from stores.opening import open_store
from tests.kept import contents, opened_store

LEXICAL = CorpusOptions(spaces=("tfidf", "word2vec"), max_tokens=16)


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    found = [{"id": f"r{n}", "text": f"Room {n} of the lodge at the lake. " * 4} for n in range(8)]
    path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    return path


def test_a_failing_import_removes_what_it_made(kind, tmp_path, rows, monkeypatch):
    path = tmp_path / "c.parquet"
    with open_store(":memory:") as source:
        ingest([rows], "c", store=source, options=LEXICAL)
        export_corpus("c", path, store=source)
    data = bytearray(path.read_bytes())
    with opened_store(kind, tmp_path / "store") as store:
        # Half-way, when some points are in.
        with monkeypatch.context() as patched:
            patched.setattr(store, "optimize", lambda _: (_ for _ in ()).throw(StoreError("The disk is full.")))
            with pytest.raises(StoreError, match="disk"):
                import_corpus(path, store=store)
        assert store.list_collections() == []
        data[200] ^= 0xFF
        path.write_bytes(data)
        with pytest.raises(InputError, match="damaged"):
            import_corpus(path, store=store)
        assert store.list_collections() == []
    assert not (tmp_path / "store" / "c").exists()


def test_a_failing_import_leaves_other_generations_of_a_corpus_that_lost_its_manifest(tmp_path, rows):
    path = tmp_path / "c.parquet"
    with open_store(str(tmp_path / "store")) as store:
        ingest([rows], "c", store=store, options=LEXICAL)
        export_corpus("c", path, store=store)
        refit("c", store=store)
        standing = store.list_collections()
        (tmp_path / "store" / "c" / "manifest.json").unlink()
        data = bytearray(path.read_bytes())
        data[200] ^= 0xFF
        path.write_bytes(data)
        with pytest.raises(InputError, match="damaged"):
            import_corpus(path, store=store)
        assert store.list_collections() == standing


@pytest.mark.parametrize("shelf", ["passages", "documents", "terms"])
def test_a_shelf_that_does_not_open_is_moved_away_and_made_anew_as_the_doctor_says(tmp_path, rows, shelf):
    folder = tmp_path / "store"
    with open_store(str(folder)) as store:
        ingest([rows], "c", store=store, options=LEXICAL)
        whole = contents(store)
    for path in (folder / "c" / f"g1.{shelf}").rglob("segment.json"):
        path.write_text("{", encoding="utf-8")
    health = check_store(folder, repair=True)
    problem = next(found.problem for found in health.findings if not found.repaired)
    assert "move this folder elsewhere" in problem
    assert ("xunyi refit c" if shelf == "terms" else "ingest the same files again") in problem
    (folder / "c" / f"g1.{shelf}").rename(tmp_path / "elsewhere")
    with open_store(str(folder)) as store:
        refit("c", store=store) if shelf == "terms" else ingest([rows], "c", store=store)
        found = contents(store)
        for payload, _ in found["documents"].values():
            payload.pop("since_fit", None)
        assert found == whole
    assert check_store(folder).healthy


def test_a_lost_or_garbled_manifest_is_made_anew_by_an_ingest_as_the_doctor_says(tmp_path, rows):
    folder = tmp_path / "store"
    with open_store(str(folder)) as store:
        ingest([rows], "c", store=store, options=LEXICAL)
        whole = contents(store)
    manifest = folder / "c" / "manifest.json"
    manifest.write_text("{", encoding="utf-8")
    assert "remove the file and ingest again" in check_store(folder, repair=True).findings[0].problem
    manifest.unlink()
    assert "ingest its files again" in check_store(folder, repair=True).findings[0].problem
    with open_store(str(folder)) as store:
        ingest([rows], "c", store=store, options=LEXICAL)
        assert contents(store) == whole
