"""A disk that has room for an ingest's points and none to index them."""

import json

import pytest
from click.testing import CliRunner

from cli.main import cli
from ingest import CorpusOptions, ingest
from ingest.exchange import export_corpus, import_corpus
from schemas.errors import CorpusError, StoreFull
from search import Corpus
from stores.disk_room import require_room
from stores.opening import open_store
from tests.ingest.test_keeping import MORE, ROWS, write
from tests.kept import contents

LEXICAL = CorpusOptions(spaces=("tfidf", "word2vec"))


def without_room_to_index(store, path, monkeypatch, folder):
    """Ingest ``path`` where there is no room to optimize; gives the error."""
    with monkeypatch.context() as patched:
        patched.setattr(store, "optimize", lambda name: require_room(folder, 1 << 60))
        with pytest.raises(StoreFull) as error:
            ingest([path], "c", store=store, options=LEXICAL)
    return str(error.value)


def test_it_is_said_that_only_indexing_is_left_and_the_same_command_finishes_it(store, tmp_path, monkeypatch):
    path = write(tmp_path / "rows.jsonl", MORE + ROWS)
    said = without_room_to_index(store, path, monkeypatch, tmp_path)
    assert said.startswith("All is written and can be searched, only indexing is left. The disk is full")
    assert said.endswith("run the same command again.")
    with Corpus("c", store) as corpus:
        assert corpus.search("quiet lodge lake").hits[0].document_id == "a"
    report = ingest([path], "c", store=store, options=LEXICAL)
    assert (report.unchanged, report.documents) == (15, 15)
    assert store.read_manifest("c").complete


def test_an_unfinished_corpus_goes_to_another_disk_and_is_finished_there(tmp_path, monkeypatch):
    path, file = write(tmp_path / "rows.jsonl", MORE + ROWS), tmp_path / "c.parquet"
    with open_store(tmp_path / "full") as full, open_store(tmp_path / "roomy") as roomy:
        without_room_to_index(full, path, monkeypatch, tmp_path)
        assert export_corpus("c", file, store=full).unfinished
        assert import_corpus(file, store=roomy).unfinished
        assert contents(roomy) == contents(full)
        assert not roomy.read_manifest("c").complete
        ingest([path], "c", store=roomy)
        assert roomy.read_manifest("c").complete
        assert not export_corpus("c", file, store=roomy).unfinished
        ingest([path], "c", store=full)
        assert contents(roomy) == contents(full)


def test_the_command_warns_of_an_unfinished_export(tmp_path, monkeypatch):
    path, file = write(tmp_path / "rows.jsonl", ROWS), tmp_path / "c.parquet"
    with open_store(tmp_path / "store") as store:
        without_room_to_index(store, path, monkeypatch, tmp_path)
    arguments = ["export", "c", str(file), "--store", str(tmp_path / "store")]
    shown = CliRunner().invoke(cli, arguments)
    assert shown.exit_code == 0
    assert "c is unfinished: run its ingest again" in shown.stderr
    assert json.loads(CliRunner().invoke(cli, [*arguments, "--json"]).stdout)["unfinished"] is True


def test_an_unfinished_corpus_of_a_server_is_not_exported_while_its_ingest_may_run(tmp_path, monkeypatch):
    with open_store(":memory:") as store:
        without_room_to_index(store, write(tmp_path / "rows.jsonl", ROWS), monkeypatch, tmp_path)
        with pytest.raises(CorpusError, match="unfinished"):
            export_corpus("c", tmp_path / "c.parquet", store=store)
