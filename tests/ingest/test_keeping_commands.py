"""The commands that keep and move a corpus, through the command line's own entry."""

import json
import logging

import pytest

from cli.main import main

ROWS = '{"id": "a", "text": "A quiet lodge on the lake."}\n{"id": "b", "text": ""}\n{"id": "c", "text": "Ski in."}\n'


@pytest.fixture
def xunyi(tmp_path, monkeypatch, capfdbinary):
    monkeypatch.setenv("XUNYI_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)

    def run(*args):
        with pytest.raises(SystemExit) as ended:
            main(list(args))
        out, err = capfdbinary.readouterr()
        return ended.value.code or 0, out.decode("utf-8"), err.decode("utf-8")

    return run


@pytest.fixture
def made(xunyi, tmp_path):
    (tmp_path / "rows.jsonl").write_text(ROWS, encoding="utf-8")
    code, out, err = xunyi(
        *("ingest", "rows.jsonl", "--corpus", "c", "--spaces", "tfidf"),
        *("--rejected", "bad.jsonl", "--log-format", "json", "--json"),
    )
    assert code == 0, err
    return json.loads(out), err


def test_an_ingest_logs_stages_as_json_and_names_the_rejected_file(made, tmp_path):
    report, err = made
    assert logging.getLogger("xunyi").handlers == [], "the log belongs to the process again"
    assert (report["added"], report["rejected"], report["rejected_file"]) == (2, 1, "bad.jsonl")
    assert json.loads((tmp_path / "bad.jsonl").read_text(encoding="utf-8"))["line"] == 2
    events = [json.loads(line) for line in err.splitlines()]
    assert {"read", "fit", "encode", "write", "optimize"} <= {event["event"] for event in events}
    (aside,) = (event for event in events if event["event"] == "set aside")
    assert (aside["level"], aside["source"], aside["line"]) == ("warning", "rows.jsonl", 2)
    events.remove(aside)
    assert all({"time", "level", "logger", "corpus", "seconds"} <= set(event) for event in events)


def test_a_dry_run_with_prune_only_says(xunyi, made, tmp_path):
    (tmp_path / "rows.jsonl").write_text(ROWS.splitlines()[0], encoding="utf-8")
    arguments = ("ingest", "rows.jsonl", "--corpus", "c", "--prune")
    code, out, _ = xunyi(*arguments, "--dry-run")
    assert code == 0
    assert "1 removed" in out
    assert "nothing was written" in out
    report = json.loads(xunyi(*arguments, "--json")[1])
    assert (report["removed"], report["documents"], report["nothing_changed"]) == (1, 1, False)


def test_refit_export_import_and_info(xunyi, made):
    code, out, _ = xunyi("refit", "c", "--json")
    assert (code, json.loads(out)["generation"]) == (0, 2)
    assert json.loads(xunyi("export", "c", "c.parquet", "--json")[1])["points"]["documents"] == 2
    assert json.loads(xunyi("import", "c.parquet", "--as-corpus", "d", "--json")[1])["corpus"] == "d"
    info = json.loads(xunyi("corpora", "info", "d", "--json")[1])
    assert info["staleness"] == {"documents_since": 0, "unknown_share": 0.0}
    assert "passages" in xunyi("corpora", "info", "d")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("refit", "none"), 4, "none"),
        (("export", "none", "x.parquet"), 4, "none"),
        (("export", "c", "missing/x.parquet"), 2, "missing"),
        (("import", "rows.jsonl"), 3, "rows.jsonl"),
        (("import", "missing.parquet"), 3, "missing.parquet"),
        (("corpora", "download", "nonsense"), 2, "seattle-hotels"),
        (("corpora", "download", "seattle-hotels", "--url", "nowhere"), 2, "nowhere"),
        (("ingest", "rows.jsonl", "--corpus", "c", "--rejected", "missing/bad.jsonl"), 2, "missing"),
    ],
)
def test_an_error_is_one_sentence_and_its_code(xunyi, made, arguments, code, said):
    ended, out, err = xunyi(*arguments)
    assert (ended, out) == (code, "")
    assert said in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1


def test_a_damaged_book_in_a_folder_is_told_and_can_be_read_with_its_bytes_replaced(xunyi, tmp_path):
    (tmp_path / "mix").mkdir()
    (tmp_path / "mix/good.txt").write_text("Chapter 1\n\nThe lodge is quiet.\n", encoding="utf-8")
    (tmp_path / "mix/x.pdf").write_bytes(b"%PDF-1.7")
    book = ("第一回　歸來\n" + "他聽了這話，心裡不覺一驚。\n" * 9).encode("gb18030")
    (tmp_path / "mix/bad.txt").write_bytes(book + b"\xff\n")
    arguments = ("ingest", "mix", "--corpus", "c", "--spaces", "tfidf")
    code, out, err = xunyi(*arguments)
    assert code == 0
    assert "1 added" in " ".join(out.split())
    assert f"set aside  mix/bad.txt: line 11, byte {len(book)}: the bytes ff are no text in gb18030; " in err
    assert "Files passed over that are not read: 1 .pdf." in err
    code, out, err = xunyi(*arguments, "--encoding-errors", "replace")
    assert (code, "set aside" in err) == (0, False)
    assert "plain text in gb18030, 1 byte replaced; 1 chapter." in " ".join(out.split())
    _, out, _ = xunyi(*arguments, "--encoding-errors", "replace")
    assert "Nothing changed: all 2 documents stand" in " ".join(out.split())
