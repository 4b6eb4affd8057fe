"""The command line as a person meets it: real processes, real files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import COMMANDS, cli

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def xunyi(tmp_path):
    def run(*args, **environment):
        return subprocess.run(
            [sys.executable, "-m", "cli", *map(str, args)],
            cwd=ROOT,
            env={**os.environ, "XUNYI_STORE": str(tmp_path / "store"), "PYTHONIOENCODING": "utf-8", **environment},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def hotels(tmp_path):
    path = tmp_path / "hotels.csv"
    path.write_text(
        "name,address,desc,city\n"
        'Runway Rest,"1 Field Rd","Five minutes from the airport, with a free shuttle.",Seattle\n'
        "湖畔客栈,湖滨路8号,推窗见湖，可带宠物，早餐自制。,杭州\n",
        encoding="utf-8",
    )
    return path


def test_headings_of_ones_own_are_named_by_a_pattern(xunyi, tmp_path):
    path = tmp_path / "tale.txt"
    path.write_text("No. 1 甲\n甲走了。\nNo. 2 乙\n乙走了。\n", encoding="utf-8")
    options = ("--corpus", "t", "--spaces", "tfidf", "--dry-run", "--heading")
    made = xunyi("ingest", path, *options, r"^No[.] \d (?P<title>.+)")
    assert made.returncode == 0, made.stderr
    assert "2 chapters (by --heading)" in " ".join(made.stdout.split())
    refused = xunyi("ingest", path, *options, "(")
    assert refused.returncode == 2
    assert "--heading '(': it is no regular expression" in refused.stderr


def test_ingest_then_search_then_delete(xunyi, hotels):
    made = xunyi("ingest", hotels, "--corpus", "h", "--spaces", "tfidf", "--json")
    assert made.returncode == 0, made.stderr
    report = json.loads(made.stdout)
    assert report["added"] == 2
    assert report["sources"][0]["kind"] == "hotels"

    found = xunyi("search", "airport shuttle", "--corpus", "h", "--json")
    assert found.returncode == 0, found.stderr
    answer = json.loads(found.stdout)
    assert {"query", "corpus", "hits", "took_ms"} <= set(answer)
    hit = answer["hits"][0]
    assert {"rank", "score", "document_id", "passage_id", "title", "chapter", "text", "payload", "spaces"} <= set(hit)
    assert hit["title"] == "Runway Rest"
    assert set(answer["took_ms"]) == {"encode", "search", "total"}
    assert set(hit["spaces"]["tfidf"]) >= {"rank", "score"}

    again = xunyi("ingest", hotels, "--corpus", "h")
    assert again.returncode == 0
    assert "Nothing changed" in again.stdout

    assert json.loads(xunyi("corpora", "list", "--json").stdout)["corpora"][0]["corpus"] == "h"
    info = json.loads(xunyi("info", "h", "--json").stdout)
    assert info == json.loads(xunyi("corpora", "info", "h", "--json").stdout)
    assert info["bytes_at_ten_times"] == sum(info["bytes_on_disk"].values()) + 9 * 2 * info["bytes_per_passage"]
    assert info["staleness"] == {"documents_since": 0, "unknown_share": 0.0}
    assert xunyi("corpora", "delete", "h", "--yes").returncode == 0
    assert xunyi("corpora", "info", "h").returncode == 4


def test_a_table_shows_title_and_passage(xunyi, hotels):
    xunyi("ingest", hotels, "--corpus", "h", "--spaces", "tfidf")
    shown = xunyi("search", "宠物", "--corpus", "h")
    assert shown.returncode == 0, shown.stderr
    assert "湖畔客栈" in shown.stdout
    assert "宠物" in shown.stdout


@pytest.mark.parametrize(
    ("name", "content", "code", "said"),
    [
        ("missing.csv", None, 3, "missing.csv"),
        ("empty.csv", b"", 3, "empty"),
        ("noise.csv", b"\x00\x01\x02\x03" * 50, 3, "noise.csv"),
        ("broken.txt", "天地玄黄".encode("gb18030") + b"\xff\xff\xff", 3, "broken.txt"),
    ],
)
def test_unreadable_input_is_one_sentence_and_nothing_is_written(xunyi, tmp_path, name, content, code, said):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    result = xunyi("ingest", path, "--corpus", "c", "--spaces", "tfidf")
    assert result.returncode == code, result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert json.loads(xunyi("corpora", "list", "--json").stdout) == {"corpora": []}


def test_a_store_that_does_not_answer_is_one_sentence(xunyi, hotels):
    result = xunyi("ingest", hotels, "--corpus", "c", "--spaces", "tfidf", "--store", "http://127.0.0.1:9")
    assert result.returncode == 5, result.stderr
    assert "127.0.0.1:9" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_wrong_corpus_says_which_there_are(xunyi, hotels):
    xunyi("ingest", hotels, "--corpus", "h", "--spaces", "tfidf")
    result = xunyi("search", "x", "--corpus", "g")
    assert result.returncode == 4
    assert "h" in result.stderr


def test_usage_errors_end_with_2(xunyi):
    assert xunyi("search").returncode == 2
    assert xunyi("nonsense").returncode == 2
    assert xunyi("ingest", "x", "--corpus", "../up").returncode == 2


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_and_option_has_help(name):
    def walk(command, path):
        assert command.help, path
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert parameter.help, (path, parameter.name)
        for child_name, child in getattr(command, "commands", {}).items():
            walk(child, [*path, child_name])

    walk(cli.get_command(None, name), [name])
    shown = CliRunner().invoke(cli, [name, "--help"])
    assert shown.exit_code == 0
    # Examples stand on lines of their own, as they can be copied.
    assert "\\b" not in shown.output
    assert all(
        line.startswith("    xunyi ") for line in shown.output.splitlines() if line.lstrip().startswith("xunyi ")
    )


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_is_in_the_readme(name):
    assert f"xunyi {name}" in (ROOT / "README.md").read_text(encoding="utf-8")
