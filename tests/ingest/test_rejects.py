"""The file of rows set aside: what it holds can be mended and ingested."""

import csv
import json
import os
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from ingest import CorpusOptions, ingest
from schemas.errors import InputError, RowError
from stores.opening import open_store
from tests.kept import contents

LEXICAL = CorpusOptions(spaces=("tfidf",))
TAIL = "a quiet lodge on the lake " * 300
ROWS = [("1", "first"), ("1", f'dup, "so called"\n{TAIL}'), ("2", ""), ("3", "third")]


def jsonl(path):
    path.write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in ROWS), encoding="utf-8")


def table(path):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("id", "text"), *ROWS])


def parquet(path):
    ids, texts = zip(*ROWS, strict=True)
    pyarrow.parquet.write_table(pyarrow.table({"id": ids, "text": texts}), path)


@pytest.mark.parametrize(("name", "write"), [("a.jsonl", jsonl), ("a.csv", table), ("a.parquet", parquet)])
def test_rows_set_aside_are_mended_and_ingested(tmp_path, name, write):
    source, bad, store = tmp_path / name, tmp_path / "bad.jsonl", tmp_path / "store"
    write(source)
    ingest(source, "c", store=store, options=LEXICAL, rejected=bad)
    again, empty = (json.loads(line)["row"] for line in bad.read_text(encoding="utf-8").splitlines())
    if name == "a.csv":
        mended = tmp_path / "mended.csv"
        rows = ["id,text", again.replace("1", "4", 1), empty + "second"]
    else:
        mended = tmp_path / "mended.jsonl"
        rows = [again.replace('"1"', '"4"'), empty.replace('""', '"second"')]
    mended.write_text("".join(row + "\n" for row in rows), encoding="utf-8")
    report = ingest(mended, "c", store=store)
    assert (report.added, report.rejected) == (2, 0)
    with open_store(store) as opened:
        found = contents(opened, "c")
    assert json.dumps(f'dup, "so called"\n{TAIL}'.strip())[1:-20] in json.dumps(found, default=str)


def test_a_row_that_is_no_utf8_is_set_aside_and_says_so_unless_strict(tmp_path):
    source, bad = tmp_path / "a.jsonl", tmp_path / "bad.jsonl"
    jsonl(source)
    source.write_bytes(source.read_bytes() + b'{"id": "4", "text": "\xff\xfe"}\n')
    ingest(source, "c", store=tmp_path / "store", options=LEXICAL, rejected=bad)
    last = json.loads(bad.read_text(encoding="utf-8").splitlines()[-1])
    assert last == {
        "source": str(source),
        "line": 5,
        "reason": "holds the bytes ff fe, which are no text in utf-8",
        "row": '{"id": "4", "text": "\ufffd\ufffd"}',
        "undecodable": True,
    }
    source.write_bytes(b'{"id": "0", "text": "x"}\n{"id": "4", "text": "\xff\xfe"}\n')
    with pytest.raises(RowError, match="line 2: holds the bytes ff fe"):
        ingest(source, "d", store=tmp_path / "store", options=LEXICAL, strict=True)


def test_rows_set_aside_in_the_folder_that_is_read_are_no_rows_of_the_next_run(tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    jsonl(folder / "a.jsonl")
    for _ in range(2):
        report = ingest(folder, "c", store=tmp_path / "store", options=LEXICAL, rejected=folder / "bad.jsonl")
        assert (report.documents, report.rejected) == (2, 2)
    assert report.passed_over == {"with rejected rows": 1}
    with pytest.raises(InputError, match=r"bad.jsonl is a list of rows that an ingest set aside; mend each"):
        ingest(folder / "bad.jsonl", "c", store=tmp_path / "store", options=LEXICAL)


def test_a_link_or_device_that_rejected_rows_go_to_stays_what_it_is(tmp_path):
    jsonl(tmp_path / "a.jsonl")
    (tmp_path / "bad.jsonl").write_text("of before\n", encoding="utf-8")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "bad.jsonl")
    (tmp_path / "null.jsonl").symlink_to(os.devnull)
    for name in ("link.jsonl", "null.jsonl"):
        ingest(tmp_path / "a.jsonl", "c", store=tmp_path / "store", options=LEXICAL, rejected=tmp_path / name)
        assert (tmp_path / name).is_symlink()
    assert len((tmp_path / "bad.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    assert not Path(os.devnull).is_file()
