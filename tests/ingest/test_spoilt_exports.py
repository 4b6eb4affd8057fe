"""Exported files that are spoilt or altered: one sentence that names the file, and nothing of them in the store."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.main import main
from ingest import CorpusOptions, ingest
from ingest.exchange import export_corpus, import_corpus
from schemas.errors import InputError
from schemas.manifest import Word2VecSettings
from stores.opening import open_store

ROWS = [
    {"id": "a", "title": "Lake lodge", "text": "A quiet lodge on the lake. Dogs are welcome.", "stars": 3},
    {"id": "b", "title": "机场酒店", "text": "酒店距离机场五分钟，提供免费班车。安静的客房。", "stars": 4},
    {"id": "c", "title": "Ski house", "text": "Ski in, ski out. A hot tub waits after the slopes.", "stars": 5},
]
OPTIONS = CorpusOptions(spaces=("tfidf", "word2vec"), word2vec=Word2VecSettings(dim=8, min_count=1))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A whole export, as a table."""
    folder = tmp_path_factory.mktemp("exported")
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    with open_store(":memory:") as store:
        ingest([rows], "c", store=store, options=OPTIONS)
        export_corpus("c", folder / "c.parquet", store=store)
    return pq.read_table(folder / "c.parquet")


@pytest.fixture
def refused(tmp_path):
    """Import a table; gives the sentence that refuses it, after a look at what is left of it."""

    def check(table):
        path = tmp_path / "spoilt.parquet"
        pq.write_table(table, path)
        with open_store(":memory:") as store:
            with pytest.raises(InputError, match=r"spoilt\.parquet .*; export the corpus again\.$") as error:
                import_corpus(path, store=store)
            assert (store.list_corpora(), store.list_collections()) == ([], [])
        assert "\n" not in str(error.value)
        return str(error.value)

    return check


def edited(table, column, change, shelf="passages"):
    """The table with one cell changed: that of the shelf's first row which has one there."""
    values, shelves = table.column(column).to_pylist(), table.column("shelf").to_pylist()
    row = next(n for n, value in enumerate(values) if value is not None and shelves[n] == shelf)
    values[row] = change(values[row])
    field = table.schema.field(column)
    return table.set_column(table.schema.get_field_index(column), field, pa.array(values, field.type))


def with_payload(table, shelf="passages", **fields):
    return edited(table, "payload", lambda text: json.dumps({**json.loads(text), **fields}), shelf)


def with_manifest(table, change):
    manifest = json.loads(table.schema.metadata[b"xunyi.manifest"])
    change(manifest)
    return table.replace_schema_metadata({**table.schema.metadata, b"xunyi.manifest": json.dumps(manifest)})


def test_a_table_that_was_only_rewritten_is_imported(exported, tmp_path):
    pq.write_table(exported, tmp_path / "c.parquet", row_group_size=2)
    with open_store(":memory:") as store:
        assert import_corpus(tmp_path / "c.parquet", store=store).points["passages"] == 3


@pytest.mark.parametrize(
    ("column", "change", "why"),
    [
        ("vector.tfidf.values", lambda found: found[:-1], "not as many values as indices"),
        ("vector.tfidf.values", lambda _: None, "not as many values as indices"),
        ("vector.tfidf.values", lambda found: [None, *found[1:]], "lacks a number"),
        ("vector.tfidf.values", lambda found: [float("nan"), *found[1:]], "NaN"),
        ("vector.tfidf.indices", lambda found: [found[0]] * len(found), "indices must rise, each once"),
        ("vector.tfidf.indices", lambda found: [999_999, *found[1:]], "beyond the"),
        ("vector.tfidf.indices", lambda found: [2**32 - 1, *found[1:]], "beyond the"),
        ("vector.word2vec", lambda found: found[:-1], "dimensions"),
        ("vector.word2vec", lambda _: [], "dimensions"),
        ("vector.word2vec", lambda found: [None] * len(found), "lacks a number"),
        ("vector.word2vec", lambda found: [float("nan")] * len(found), "NaN or infinity"),
        ("vector.word2vec", lambda found: [1e39] * len(found), "NaN or infinity"),
    ],
)
def test_a_vector_that_is_none_of_its_space_is_refused(exported, refused, column, change, why):
    said = refused(edited(exported, column, change))
    assert why in said
    assert "encode it again" not in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (lambda text: text[:-1] + ',"z":' + "[" * 100_000 + "]" * 100_000 + "}", "no JSON"),
        (lambda text: text[:-1] + ',"z":' + "[" * 60 + "]" * 60 + "}", "nested deeper"),
        (lambda text: text[:-1] + ',"z":123456789012345678901234567890}', "beyond 64 bits"),
        (lambda text: text[:-1] + ',"z":NaN}', "nan"),
        (lambda text: text[:-1] + ',"z":"\\ud800"}', "half a character"),
        (lambda text: text[:-1] + ',"position":1e400}', "inf"),
        (lambda text: text[:-1] + ',"document_id":"\\ud800"}', "half a character"),
        (lambda text: text[:9], "no JSON"),
        (lambda _: "[1]", "is a list"),
        (lambda _: None, "no JSON"),
    ],
)
def test_a_payload_that_no_store_takes_is_refused(exported, refused, text, why):
    assert why in refused(edited(exported, "payload", text))


@pytest.mark.parametrize(
    ("shelf", "fields", "why"),
    [
        ("passages", {"text": 5}, "text in the payload"),
        ("passages", {"title": None}, "title in the payload"),
        ("passages", {"document_id": None}, "document_id in the payload"),
        ("passages", {"position": 0.0}, "position in the payload"),
        ("passages", {"position": "0"}, "position in the payload"),
        ("passages", {"position": -1}, "position in the payload"),
        ("passages", {"position": 2**32 - 1}, "position in the payload"),
        ("passages", {"start": True}, "start in the payload"),
        ("passages", {"meta": []}, "meta in the payload"),
        ("passages", {"position": 1}, "is not that of its payload"),
        ("documents", {"stretches": [[0, 1]]}, "stretches.0 in the payload"),
        ("documents", {"passages": -3}, "passages in the payload"),
        ("documents", {"since_fit": {"terms": "5"}}, "since_fit.terms in the payload"),
        ("terms", {"index": 10**6}, "beyond the"),
        ("terms", {"idf": "high"}, "idf in the payload"),
    ],
)
def test_a_payload_that_its_shelf_does_not_have_is_refused(exported, refused, shelf, fields, why):
    assert why in refused(with_payload(exported, shelf, **fields))


def test_a_payload_that_lacks_a_field_is_refused(exported, refused):
    only = ("document_id", "position")
    lacking = edited(
        exported, "payload", lambda text: json.dumps({k: v for k, v in json.loads(text).items() if k in only})
    )
    assert "title in the payload" in refused(lacking)


def test_rows_that_are_there_twice_or_not_at_all_are_refused(exported, refused):
    refused(pa.concat_tables([exported, exported.slice(0, 2)]))
    refused(exported.slice(1))
    # As many rows as points, one of them twice.
    refused(pa.concat_tables([exported.slice(0, 1), exported.slice(0, 1), exported.slice(2)]))
    # As many rows in all, one more of one shelf.
    said = {**json.loads(exported.schema.metadata[b"xunyi.counts"])}
    said["passages"] += 1
    said["documents"] -= 1
    refused(exported.replace_schema_metadata({**exported.schema.metadata, b"xunyi.counts": json.dumps(said)}))


@pytest.mark.parametrize("counts", ['{"passages": 3}', '{"passages": -3}', '{"passages": "many"}', "[" * 9999, "[]"])
def test_counts_that_are_none_are_refused(exported, refused, counts):
    refused(exported.replace_schema_metadata({**exported.schema.metadata, b"xunyi.counts": counts}))


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest["spaces"].pop("word2vec"),
        lambda manifest: manifest["spaces"]["word2vec"].update(dim=7),
        lambda manifest: manifest["spaces"]["word2vec"].update(dim=None),
        lambda manifest: manifest["spaces"]["word2vec"].update(dim=10**12),
        lambda manifest: manifest["spaces"]["word2vec"].update(name="tfidf"),
        lambda manifest: manifest["spaces"]["tfidf"].update(kind="multi"),
        lambda manifest: manifest["counts"].update(documents=-5),
        lambda manifest: manifest["fit"].update(features=1),
        lambda manifest: manifest.update(corpus="../elsewhere"),
    ],
)
def test_a_manifest_that_the_rows_do_not_go_with_is_refused(exported, refused, change):
    refused(with_manifest(exported, change))


def test_columns_and_shelves_that_the_corpus_does_not_have_are_refused(exported, refused):
    refused(exported.drop_columns(["vector.tfidf.values"]))
    refused(exported.append_column("vector.dense", pa.nulls(len(exported), pa.list_(pa.float32()))))
    refused(edited(exported, "shelf", lambda _: "bogus"))
    refused(edited(exported, "shelf", lambda _: None))
    terms = exported.column("shelf").to_pylist().index("terms")
    values = exported.column("vector.tfidf.indices").to_pylist(), exported.column("vector.tfidf.values").to_pylist()
    for column, found, value in zip(("indices", "values"), values, (0, 1.0), strict=True):
        found[terms] = [value]
        at = exported.schema.get_field_index(f"vector.tfidf.{column}")
        exported = exported.set_column(at, exported.schema.field(at), pa.array(found, exported.schema.field(at).type))
    assert "not theirs" in refused(exported)


def test_vectors_come_back_to_the_bit_wherever_indices_are_sorted(exported, tmp_path):
    turned = edited(
        edited(exported, "vector.tfidf.indices", lambda v: v[::-1]), "vector.tfidf.values", lambda v: v[::-1]
    )
    with open_store(":memory:") as store:
        for name, table in (("one", exported), ("two", turned)):
            pq.write_table(table, tmp_path / "c.parquet")
            import_corpus(tmp_path / "c.parquet", name=name, store=store)
            export_corpus(name, tmp_path / f"{name}.parquet", store=store)
    one, two = (pq.read_table(tmp_path / f"{name}.parquet").to_pylist() for name in ("one", "two"))
    for row in (*one, *two):
        row.pop("id")
        for name, value in row.items():
            row[name] = tuple(np.float32(value)) if isinstance(value, list) else value
    assert set(map(repr, one)) == set(map(repr, two))


def test_the_command_ends_with_the_code_of_a_file_that_cannot_be_read(exported, tmp_path, capsys):
    path = tmp_path / "spoilt.parquet"
    pq.write_table(edited(exported, "vector.tfidf.values", lambda found: found[:-1]), path)
    with pytest.raises(SystemExit) as ended:
        main(["import", str(path), "--store", str(tmp_path / "store")])
    assert ended.value.code == 3
    assert "spoilt.parquet is damaged" in " ".join(capsys.readouterr().err.split())
