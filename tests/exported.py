"""A whole export as a table, to be spoilt or altered, and the sentence that refuses it."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest import CorpusOptions, ingest
from ingest.exchange import export_corpus, import_corpus
from ingest.exchange_seals import ROWS_KEY, SEAL_KEY, sealed
from schemas.errors import InputError
from schemas.manifest import Word2VecSettings
from stores.opening import open_store

ROWS = [
    {"id": "a", "title": "Lake lodge", "text": "A quiet lodge on the lake. Dogs are welcome.", "stars": 3},
    {"id": "b", "title": "机场酒店", "text": "酒店距离机场五分钟，提供免费班车。安静的客房。", "stars": 4},
    {"id": "c", "title": "Ski house", "text": "Ski in, ski out. A hot tub waits after the slopes.", "stars": 5},
]
OPTIONS = CorpusOptions(spaces=("tfidf", "word2vec"), word2vec=Word2VecSettings(dim=8, min_count=1))


def whole_export(folder, options=OPTIONS):
    """The rows as a corpus ``c``, exported."""
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    with open_store(":memory:") as store:
        ingest([rows], "c", store=store, options=options)
        export_corpus("c", folder / "c.parquet", store=store)
    return pq.read_table(folder / "c.parquet")


def refusal(table, folder):
    """Import a table; gives the sentence that refuses it, after a look at what is left of it."""
    path = folder / "spoilt.parquet"
    pq.write_table(table, path)
    with open_store(":memory:") as store:
        with pytest.raises(InputError, match=r"spoilt\.parquet .*; export the corpus again\.$") as error:
            import_corpus(path, store=store)
        assert (store.list_corpora(), store.list_collections()) == ([], [])
    assert "\n" not in str(error.value)
    return str(error.value)


def edited(table, column, change, shelf="passages"):
    """The table with one cell changed: that of the shelf's first row which has one there."""
    values, shelves = table.column(column).to_pylist(), table.column("shelf").to_pylist()
    row = next(n for n, value in enumerate(values) if value is not None and shelves[n] == shelf)
    values[row] = change(values[row])
    field = table.schema.field(column)
    return table.set_column(table.schema.get_field_index(column), field, pa.array(values, field.type))


def with_payload(table, shelf="passages", **fields):
    return edited(table, "payload", lambda text: json.dumps({**json.loads(text), **fields}), shelf)


def with_metadata(table, **said):
    """The table with other metadata, under a checksum of that."""
    new = {f"xunyi.{key}".encode(): value.encode() for key, value in said.items()}
    return table.replace_schema_metadata(sealed({**table.schema.metadata, **new}))


def with_manifest(table, change):
    manifest = json.loads(table.schema.metadata[b"xunyi.manifest"])
    change(manifest)
    return with_metadata(table, manifest=json.dumps(manifest))


def earlier(table):
    """The table as an earlier version wrote it, without checksums of its own."""
    kept = {key: value for key, value in table.schema.metadata.items() if key not in (ROWS_KEY, SEAL_KEY)}
    return table.replace_schema_metadata(kept)
