"""Exported files that are spoilt or altered: one sentence that names the file, and nothing of them in the store."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.main import main
from ingest.exchange import export_corpus, import_corpus
from stores.opening import open_store
from tests.exported import earlier, edited, refusal, whole_export, with_manifest, with_metadata, with_payload


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return whole_export(tmp_path_factory.mktemp("exported"))


@pytest.fixture
def refused(tmp_path):
    return lambda table: refusal(table, tmp_path)


@pytest.mark.parametrize("version", [lambda table: table, earlier])
def test_a_table_that_was_only_rewritten_is_imported(exported, tmp_path, version):
    pq.write_table(version(exported), tmp_path / "c.parquet", row_group_size=2)
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
    refused(with_metadata(exported, counts=json.dumps(said)))


@pytest.mark.parametrize("counts", ['{"passages": 3}', '{"passages": -3}', '{"passages": "many"}', "[" * 9999, "[]"])
def test_counts_that_are_none_are_refused(exported, refused, counts):
    refused(with_metadata(exported, counts=counts))


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
        for name, table in (("one", exported), ("two", earlier(turned))):
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
