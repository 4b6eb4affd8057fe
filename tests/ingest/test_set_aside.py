"""Files that cannot be read among others: they are set aside, and the rest goes in."""

import gzip
import json
import zipfile

import pytest

from ingest import CorpusOptions, ReadOptions, ingest
from schemas.errors import InputError, XunyiError
from tests.ingest.test_naming import book, chapters_of, standing
from tests.readers.test_files import refuse

LEXICAL = CorpusOptions(spaces=("tfidf",))
NOVEL = ReadOptions(kind="novel")


@pytest.fixture
def mix(tmp_path, monkeypatch):
    """A folder with a good book and two that are damaged."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mix").mkdir()
    book(tmp_path / "mix/good.txt", "Ann")
    (tmp_path / "mix/broken.txt").write_bytes(("天气很好，我们去公园。\n" * 9).encode() + b"\xff\n")
    with zipfile.ZipFile(tmp_path / "mix/empty.epub", "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
    return tmp_path / "mix"


def test_damaged_books_are_set_aside_and_the_others_go_in(store, mix):
    report = ingest("mix", "c", store=store, options=LEXICAL, rejected="bad.jsonl")
    assert set(standing(store)) == chapters_of("good")
    assert report.rejected == 2
    bad = [json.loads(line) for line in (mix.parent / "bad.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["source"], row["line"], row["row"]) for row in bad] == [
        ("mix/broken.txt", None, ""),
        ("mix/empty.epub", None, ""),
    ]
    assert bad[0]["reason"].startswith("line 10, byte 306: the bytes ff")
    assert [row.source for row in report.rejected_rows] == ["mix/broken.txt", "mix/empty.epub"]


def test_a_damaged_book_is_fatal_if_strict_alone_or_where_none_is_whole(store, mix):
    for paths, strict in ((["mix"], True), (["mix/broken.txt"], False), (["mix/broken.txt", "mix/empty.epub"], False)):
        with pytest.raises(InputError, match=r"broken\.txt, line 10"):
            ingest(paths, "c", store=store, options=LEXICAL, strict=strict)
    assert store.list_corpora() == []


def test_prune_removes_nothing_of_a_book_that_is_set_aside(store, mix):
    whole = book(mix / "broken.txt", "Bob")
    ingest("mix", "c", store=store, reading=NOVEL, options=LEXICAL)
    whole.write_bytes(b"\xff\xff\x00\x01" * 99)
    book(mix / "good.txt", "Ann", chapters=1)
    for dry_run in (True, False):
        report = ingest("mix", "c", store=store, reading=NOVEL, prune=True, dry_run=dry_run)
        assert (report.removed, report.not_pruned) == (1, ["mix/broken.txt", "mix/empty.epub"])
    assert set(standing(store)) == chapters_of("broken") | chapters_of("good", numbers=(1,))


@pytest.mark.parametrize("name", ["v.txt", "v.jsonl"])
@pytest.mark.parametrize("content", ["", " \n"])
def test_prune_removes_nothing_of_a_file_that_is_empty_now(store, mix, name, content):
    book(mix / name, "Bob") if name == "v.txt" else (mix / name).write_text('{"id": "r", "text": "Row."}\n')
    ingest("mix", "c", store=store, options=LEXICAL)
    before = standing(store)
    (mix / name).write_text(content, encoding="utf-8")
    report = ingest("mix", "c", store=store, prune=True)
    assert (report.removed, report.rejected) == (0, 3)
    assert f"mix/{name}" in report.not_pruned
    assert standing(store) == before


def test_prune_removes_nothing_of_a_file_that_is_there_and_is_passed_over(store, mix):
    (mix / "r.jsonl").write_text('{"id": "r", "text": "Row."}\n', encoding="utf-8")
    ingest("mix", "c", store=store, options=LEXICAL)
    before = standing(store)
    report = ingest("mix", "c", store=store, reading=NOVEL, prune=True)
    assert (report.removed, report.passed_over) == (0, {".jsonl": 1})
    assert standing(store) == before
    (mix / "r.jsonl").unlink()
    assert ingest("mix", "c", store=store, reading=NOVEL, prune=True).removed == 1


@pytest.mark.parametrize("function", ["scandir", "stat"])
def test_prune_removes_nothing_below_a_folder_that_cannot_be_looked_into(store, mix, monkeypatch, function):
    book(mix / "closed/v.txt", "Bob")
    book(mix / "closed/deep/w.txt", "Cy")
    book(mix / "gone.txt", "Di")
    ingest("mix", "c", store=store, options=LEXICAL)
    (mix / "gone.txt").unlink()
    closed = [
        place for name in ("closed", "closed/v.txt", "closed/deep/w.txt") for place in (f"mix/{name}", mix / name)
    ]
    with monkeypatch.context() as patched:
        refuse(patched, function, *closed[0 if function == "scandir" else 2 :])
        report = ingest("mix", "c", store=store, prune=True)
    assert report.removed == 2
    told = ["mix/closed"] if function == "scandir" else ["mix/closed/deep/w.txt", "mix/closed/v.txt"]
    assert report.not_pruned == sorted(["mix/broken.txt", "mix/empty.epub", *told])
    assert set(standing(store)) == chapters_of("good", "v", "w")


def test_a_damaged_book_keeps_its_name_from_others(store, mix):
    whole = book(mix / "v.txt", "Bob")
    ingest(whole, "c", store=store, options=LEXICAL)
    whole.write_bytes(b"\xff\xff\x00\x01" * 99)
    book(mix / "b/v.txt", "Cy")
    assert ingest("mix", "c", store=store).changed == 0
    assert chapters_of("v", "b/v") < set(standing(store))


def test_what_is_passed_over_in_a_folder_is_told_once(store, mix):
    for name in ("a.pdf", "b.pdf", "c.docx", "rows.csv", "README"):
        (mix / name).write_text("text\nx\n", encoding="utf-8")
    report = ingest("mix", "c", store=store, reading=NOVEL, options=LEXICAL)
    assert report.passed_over == {".pdf": 2, ".docx": 1, ".csv": 1, "without a suffix": 1}
    assert report.warnings == [
        "Files passed over that are not read as novel: 2 .pdf, 1 .csv, 1 .docx, 1 without a suffix."
    ]
    assert ".csv" not in ingest("mix", "c", store=store, dry_run=True).passed_over


@pytest.mark.parametrize(
    ("name", "start", "remedy"),
    [
        ("x.jsonl.gz", gzip.compress(b'{"text": "x"}\n'), "is compressed; unpack it"),
        ("x.zip", b"PK\x03\x04 whatever", "is compressed; unpack it"),
        ("x.txt.zst", b"(\xb5/\xfd whatever", "is compressed; unpack it"),
        ("x.pdf", b"%PDF-1.7 whatever", "is a PDF file, which is not read; export its text"),
        ("x", b"%PDF-1.7 whatever", "is a PDF file, which is not read; export its text"),
        ("x.docx", b"PK\x03\x04 whatever", "is a DOCX file, which is not read; export its text"),
    ],
)
def test_archives_and_foreign_files_that_are_named_say_what_to_do(tmp_path, name, start, remedy):
    path = tmp_path / name
    path.write_bytes(start)
    with pytest.raises(XunyiError, match=remedy):
        ingest(path, "c", store=tmp_path / "store")
