"""Exported files that can be read but are not what was written: checksums tell, or rows that do not go together."""

import json
import math
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.main import main
from ingest import CorpusOptions
from ingest.exchange import import_corpus
from ingest.exchange_manifest import FUSIONS
from ingest.exchange_seals import RowDigest
from schemas.errors import InputError
from schemas.manifest import Word2VecSettings
from search.ranked_list import FusionMethod
from stores.opening import open_store
from tests.exported import earlier, edited, refusal, whole_export, with_manifest, with_payload

OPTIONS = CorpusOptions(spaces=("dense", "tfidf", "word2vec"), word2vec=Word2VecSettings(dim=8, min_count=1))
ALTERED = [
    ("payload", "passages", {"text": "Another text."}, "the text of point"),
    ("payload", "passages", {"title": "Another title"}, "the text of point"),
    ("payload", "documents", {"passages": 5}, "other passages than they say"),
    ("payload", "terms", {"index": 1}, "two terms have the index 1"),
    ("payload", "terms", {"df": 0}, "df in the payload"),
    ("vector.dense", "passages", lambda vector: [2 * value for value in vector], "length 2, not 1"),
    ("vector.dense", "passages", lambda _: None, "no vector in the space 'dense'"),
    ("vector.word2vec", "documents", lambda vector: [2 * value for value in vector], "length 2, not 1"),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    whole_export(folder, OPTIONS)
    return folder / "c.parquet"


@pytest.fixture(scope="module")
def exported(file):
    return pq.read_table(file)


def altered(table, column, shelf, change):
    return with_payload(table, shelf, **change) if column == "payload" else edited(table, column, change, shelf)


def with_bit(data, at, bit, path):
    path.write_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
    return path


@pytest.mark.parametrize(("column", "shelf", "change", "why"), ALTERED)
def test_a_row_that_was_altered_differs_from_the_checksum_of_the_rows(exported, tmp_path, column, shelf, change, why):
    said = refusal(altered(exported, column, shelf, change), tmp_path)
    assert "its rows differ from their checksum" in said or why in said


@pytest.mark.parametrize(
    ("column", "shelf", "change"),
    [
        ("payload", "documents", {"text": "Another text."}),
        ("payload", "documents", {"hash": "0"}),
        ("payload", "passages", {"meta": {"stars": 1}}),
        ("vector.tfidf.values", "passages", lambda values: [2 * value for value in values]),
        ("vector.word2vec", "terms", lambda vector: vector[::-1]),
    ],
)
def test_what_no_other_row_tells_the_checksum_of_the_rows_does(exported, tmp_path, column, shelf, change):
    assert "its rows differ from their checksum" in refusal(altered(exported, column, shelf, change), tmp_path)


@pytest.mark.parametrize(("column", "shelf", "change", "why"), ALTERED)
def test_rows_of_an_earlier_version_must_agree_with_one_another(exported, tmp_path, column, shelf, change, why):
    assert why in refusal(earlier(altered(exported, column, shelf, change)), tmp_path)


def test_rows_of_an_earlier_version_that_agree_are_imported(exported, tmp_path):
    table = earlier(exported)
    # A document's hash was made otherwise once, and one that was to be written anew has none.
    for text in ("0" * 32, ""):
        pq.write_table(with_payload(table, "documents", hash=text), tmp_path / "c.parquet")
        with open_store(":memory:") as store:
            import_corpus(tmp_path / "c.parquet", store=store)


def test_the_passages_of_an_unfinished_corpus_may_be_others_than_its_documents_say(exported, tmp_path):
    unfinished = with_manifest(exported, lambda manifest: manifest.update(complete=False))
    pq.write_table(earlier(with_payload(unfinished, "documents", passages=5)), tmp_path / "c.parquet")
    with open_store(":memory:") as store:
        assert import_corpus(tmp_path / "c.parquet", store=store).unfinished


@pytest.mark.parametrize("key", ["manifest", "counts", "rows", "sha256", "format"])
def test_metadata_that_differs_from_its_checksum_is_refused(exported, tmp_path, key):
    metadata = dict(exported.schema.metadata)
    name = f"xunyi.{key}".encode()
    metadata[name] += b" "
    assert "differs from its checksum" in refusal(exported.replace_schema_metadata(metadata), tmp_path)
    # Without the checksum of the metadata, that of the rows tells that there was one.
    metadata.pop(b"xunyi.sha256")
    assert "differs from its checksum" in refusal(exported.replace_schema_metadata(metadata), tmp_path)


def test_a_bit_that_flipped_in_what_the_file_says_of_its_corpus_is_one_sentence(file, tmp_path):
    data = file.read_bytes()
    with open_store(":memory:") as store:
        for at in range(data.rindex(b"xunyi.manifest") + 20, data.rindex(b"xunyi.counts") - 8, 61):
            flipped = with_bit(data, at, at % 8, tmp_path / "flipped.parquet")
            with pytest.raises(InputError, match=r"flipped\.parquet "):
                import_corpus(flipped, store=store)
        assert store.list_collections() == []


def test_a_name_in_the_footer_that_is_no_text_is_one_sentence(file, tmp_path):
    data = file.read_bytes()
    flipped = with_bit(data, data.index(b"vector.word2vec", data.rindex(b"schema")), 7, tmp_path / "flipped.parquet")
    with open_store(":memory:") as store, pytest.raises(InputError, match="give one made by `xunyi export`"):
        import_corpus(flipped, store=store)


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [
        ("payload_fields", {"stars": "nonsense"}, 'payload_fields {"stars": "nonsense"}'),
        ("payload_fields", {'a"b': "keyword"}, "payload_fields"),
        ("fit.average_length", math.nan, "fit.average_length NaN"),
        ("fit.average_length", -1.0, "fit.average_length -1.0"),
        ("fit.features", 10**12, "fit.features"),
        ("fit.extra", {"component": [1.0]}, "fit.extra.component [1.0]"),
        ("fit.extra", {"component": "x"}, "fit.extra.component"),
        ("fit.extra", {"since": {"terms": "x"}}, "fit.extra.since"),
        ("fit.extra", {"word_tokens": "x"}, "fit.extra.word_tokens"),
        ("search", {"weights": "x"}, 'search.weights "x"'),
        ("search", {"weights": {"dense": "x"}}, "search.weights"),
        ("search", {"fusion": "sum"}, 'search.fusion "sum"'),
        ("search", {"fusion": ["rrf"]}, "search.fusion"),
        ("encoders", {}, "the space 'dense' without an encoder"),
        ("encoder_spaces", {"dense": "foo"}, 'encoder_spaces.dense "foo"'),
        ("encoder_spaces", {"other": "dense"}, "encoder_spaces"),
        ("word2vec.dim", 50, "word2vec.dim 50"),
        ("analyzer.preset", "unknown", "no analyser is called 'unknown'"),
        ("analyzer.options", {"char_ngrams": [0]}, "sizes start at 1"),
        ("splitter.max_tokens", 0, "splitter.max_tokens 0"),
        ("heading", "(", 'heading "("'),
        ("heading", "a{99999999999}", "heading"),
        ("tfidf.k1", math.inf, "tfidf.k1 Infinity"),
    ],
)
def test_a_manifest_that_does_not_agree_with_itself_is_refused(exported, tmp_path, place, value, why):
    def change(manifest):
        *above, last = place.split(".")
        for key in above:
            manifest = manifest[key]
        manifest[last] = value

    assert why in refusal(with_manifest(exported, change), tmp_path)


def test_such_a_manifest_ends_the_command_with_the_code_of_a_file(exported, tmp_path, capsys):
    pq.write_table(with_manifest(exported, lambda m: m["fit"].update(average_length=math.nan)), tmp_path / "c.parquet")
    with pytest.raises(SystemExit) as ended:
        main(["import", str(tmp_path / "c.parquet"), "--store", str(tmp_path / "store")])
    assert ended.value.code == 3
    assert "its manifest has fit.average_length NaN" in " ".join(capsys.readouterr().err.split())


def test_every_way_to_put_spaces_together_may_be_tuned():
    assert set(get_args(FusionMethod)) == FUSIONS


def test_paths_of_nested_fields_with_any_names_are_known(exported, tmp_path):
    fields = {"a-b": "float", '"Hotel Rating"': "dated", 'rooms[]."price, net".eur': "mixed", "größe.城市": "keyword"}
    pq.write_table(with_manifest(exported, lambda m: m["payload_fields"].update(fields)), tmp_path / "c.parquet")
    with open_store(":memory:") as store:
        import_corpus(tmp_path / "c.parquet", store=store)


def test_the_checksum_of_rows_does_not_depend_on_how_they_are_cut():
    texts, lists = ["a", None, "酒店", "", "e"], [[1.0], None, [], [2.0, 3.0], [4.0]]
    tokens = [[[1.0, 2.0]], None, [], [[3.0], [4.0, 5.0]], [[]]]
    table = pa.table({"t": texts, "l": lists, "m": tokens})

    def digest(*tables):
        found = RowDigest()
        for one in tables:
            found.add(one)
        return found.hexdigest()

    whole = digest(table)
    assert digest(table.slice(0, 0), table.slice(0, 2), *table.slice(2).to_batches(max_chunksize=1)) == whole
    seen = {whole, digest(table.slice(1)), digest(table.take(np.array([1, 0, 2, 3, 4])))}
    for column, values in (("t", ["a", "", "酒店", "", "e"]), ("l", [[1.0], [], [], [2.0, 3.0], [4.0]])):
        seen.add(digest(table.set_column(table.schema.get_field_index(column), column, pa.array(values))))
    assert len(seen) == 5


def test_a_file_says_of_itself_what_was_written(exported):
    assert json.loads(exported.schema.metadata[b"xunyi.counts"])["documents"] == 3
    assert {b"xunyi.rows", b"xunyi.sha256"} <= exported.schema.metadata.keys()
