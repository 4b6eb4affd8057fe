"""``xunyi doctor`` as a person meets it."""

import json

from click.testing import CliRunner

from cli.main import cli
from ingest import CorpusOptions, ingest
from stores.opening import open_store


def test_a_corpus_in_use_is_said_and_is_nothing_wrong(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"id": "a", "text": "A room at the lake."}) + "\n", encoding="utf-8")
    folder = str(tmp_path / "store")
    with open_store(folder) as store:
        ingest([rows], "c", store=store, options=CorpusOptions(spaces=("tfidf",)))
        said = CliRunner().invoke(cli, ["doctor", "--store", folder])
        assert said.exit_code == 0
        assert "c: not checked:" in said.output
        assert "Nothing is wrong with what could be checked." in said.output
        found = json.loads(CliRunner().invoke(cli, ["doctor", "--store", folder, "--json"]).output)
        assert found["healthy"] is True
        assert "in use by" in found["in_use"]["c"]
    said = CliRunner().invoke(cli, ["doctor", "--store", folder])
    assert "Nothing is wrong.\n" in said.output
