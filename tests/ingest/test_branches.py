"""Hotels without ids: branches of a chain in several files, and in the next run, stay what they were called."""

import pytest

from ingest import CorpusOptions, ReadOptions, ingest
from schemas.spaces import Shelf
from tests.ingest.test_naming import standing
from tests.kept import contents, points

LEXICAL = CorpusOptions(spaces=("tfidf",))
PIKE, MAIN = "Hilton,1 Pike St,Close to the market.", "Hilton,9 Main St,Close to the harbour."


def hotels(path, *rows, header="name,address,description"):
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tables").mkdir()
    return tmp_path / "tables"


def texts(store):
    return {p["document_id"]: p["text"] for p, _ in points(store, "c", Shelf.DOCUMENTS).values()}


BOTH = {"Hilton": "Close to the market.", "Hilton (9 Main St)": "Close to the harbour."}


def test_branches_in_two_files_are_two_hotels_together_and_one_after_the_other(store, folder):
    seattle, boston = hotels(folder / "seattle.csv", PIKE), hotels(folder / "boston.csv", MAIN)
    ingest(seattle, "c", store=store, options=LEXICAL)
    report = ingest(boston, "c", store=store)
    assert (report.added, report.changed) == (1, 0)
    assert texts(store) == BOTH
    before = contents(store)
    for paths in (boston, seattle, [seattle, boston], [boston, seattle], folder):
        assert ingest(paths, "c", store=store, prune=True).nothing_changed
        assert contents(store) == before


def test_a_branch_keeps_its_name_when_the_row_before_it_is_gone(store, folder):
    path = hotels(folder / "hotels.csv", PIKE, MAIN)
    ingest(path, "c", store=store, options=LEXICAL)
    hotels(path, MAIN)
    assert ingest(path, "c", store=store).nothing_changed
    assert texts(store) == BOTH
    assert ingest(path, "c", store=store, prune=True).removed == 1
    assert list(texts(store)) == ["Hilton (9 Main St)"]
    assert ingest(path, "c", store=store, prune=True).nothing_changed


def test_branches_in_another_order_keep_their_names(store, folder):
    path = hotels(folder / "hotels.csv", PIKE, MAIN)
    ingest(path, "c", store=store, options=LEXICAL)
    hotels(path, MAIN, PIKE)
    assert ingest(path, "c", store=store, prune=True).nothing_changed


def test_a_table_that_is_renamed_or_split_has_the_same_hotels(store, folder):
    path = hotels(folder / "hotels.csv", PIKE, MAIN, "Inn,2 Lake Rd,Quiet.")
    ingest(path, "c", store=store, options=LEXICAL)
    moved = path.rename(folder / "renamed.csv")
    assert ingest(moved, "c", store=store, prune=True).nothing_changed
    assert set(standing(store).values()) == {str(moved)}
    hotels(moved, PIKE)
    rest = hotels(folder / "rest.csv", MAIN, "Inn,2 Lake Rd,Loud.")
    report = ingest([moved, rest], "c", store=store, prune=True)
    assert (report.added, report.changed, report.removed) == (0, 1, 0)
    assert report.warnings == []


def test_an_address_that_is_edited_in_its_file_makes_no_other_hotel(store, folder):
    path = hotels(folder / "hotels.csv", PIKE)
    ingest(path, "c", store=store, options=LEXICAL)
    hotels(path, PIKE.replace("1 Pike St", "1 Pike Street"))
    report = ingest(path, "c", store=store)
    assert (report.added, report.changed) == (0, 1)
    assert list(texts(store)) == ["Hilton"]


def test_a_new_branch_above_an_old_one_loses_neither(store, folder):
    path = hotels(folder / "hotels.csv", PIKE)
    ingest(path, "c", store=store, options=LEXICAL)
    hotels(path, MAIN, PIKE)
    ingest(path, "c", store=store)
    assert sorted(texts(store).values()) == sorted(BOTH.values())
    assert ingest(path, "c", store=store, prune=True).nothing_changed


@pytest.mark.parametrize("header", ["name,description", "name,address,description"])
def test_names_alone_are_the_same_hotel_in_every_file_which_is_told_of(store, folder, header):
    blank = "," * header.count("address")
    reading = ReadOptions(kind="hotels")
    old = hotels(folder / "old.csv", f"Hilton,{blank}Close to the market.", header=header)
    new = hotels(folder / "new.csv", f"Hilton,{blank}Close to the harbour.", header=header)
    ingest(old, "c", store=store, reading=reading, options=LEXICAL)
    report = ingest(new, "c", store=store, reading=reading)
    assert report.changed == 1
    assert texts(store) == {"Hilton": "Close to the harbour."}
    assert [warning.startswith(f"1 documents of {old} are now as {new} has them") for warning in report.warnings] == (
        [True] if header == "name,description" else []
    )


def test_many_hotels_are_looked_up_batch_by_batch(store, folder, monkeypatch):
    monkeypatch.setattr("ingest.readers.tables._LOOKED_UP_ROWS", 3)
    rows = [f"Inn {n % 4},{n} Lake Rd,Room {n} is quiet." for n in range(10)]
    path = hotels(folder / "hotels.csv", *rows)
    ingest(path, "c", store=store, options=LEXICAL)
    before = texts(store)
    other = hotels(folder / "other.csv", *reversed(rows))
    assert ingest(other, "c", store=store).nothing_changed
    assert texts(store) == before
