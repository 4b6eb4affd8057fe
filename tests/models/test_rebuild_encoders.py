"""Rebuilds with another encoder: only learned vectors are made, and they are those of a fresh ingest."""

import json

import pytest

from ingest import CorpusOptions, ingest
from ingest.generations import restore_generation
from ingest.rebuild import rebuild
from ingest.spaces import add_spaces
from schemas.errors import UsageError
from schemas.spaces import Shelf
from schemas.storage import StorageSettings
from search import search
from tests.kept import PLACES, contents, opened_store

pytest.importorskip("torch")
pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "r.jsonl"
    lines = [{"id": f"r{n}", "text": f"A quiet hotel near the {PLACES[n % 8]}, room {n}. " * 3} for n in range(12)]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def stop_at(passages):
    def progress(stage, done, _total):
        if stage == "encode" and done >= passages:
            raise KeyboardInterrupt

    return progress


def test_another_encoder_gives_the_vectors_of_a_fresh_ingest_and_lexical_ones_stay(
    kind, store, tmp_path, rows, bge_folder, qwen_folder
):
    first = {"encoder": str(bge_folder), "max_tokens": 20}
    second = {"encoder": str(qwen_folder), "encoder_options": {"dimensions": 16}}
    ingest([rows], "c", store=store, options=CorpusOptions(**first))
    before = contents(store)
    assert store.read_manifest("c").spaces.keys() == {"dense", "sparse", "tfidf", "word2vec"}
    report = rebuild("c", CorpusOptions(**second), store=store)
    assert (report.encoded, report.refitted, report.copied) == (["dense"], [], ["tfidf", "word2vec"])
    assert report.changed[0] == "without sparse"
    assert not report.resplit
    after = contents(store)
    for shelf in Shelf:
        kept = {p: (payload, {n: v for n, v in vs.items() if n in ("tfidf", "word2vec")}) for p, (payload, vs) in
                before[shelf].items()}  # fmt: skip
        assert {p: (payload, {n: v for n, v in vs.items() if n != "dense"}) for p, (payload, vs) in
                after[shelf].items()} == kept  # fmt: skip
    assert search("客栈", "c", store=store, spaces=["dense"]).hits
    # A named budget, even the same, has passages cut by the new encoder's tokens.
    report = rebuild("c", CorpusOptions(max_tokens=18), store=store)
    assert report.resplit
    with opened_store(kind, tmp_path / "fresh") as other:
        ingest([rows], "c", store=other, options=CorpusOptions(**second, max_tokens=18))
        assert contents(store) == contents(other)
    restore_generation("c", 1, store=store)
    assert contents(store) == before
    assert search("客栈", "c", store=store, spaces=["sparse"]).hits


def test_of_several_encoders_those_not_named_stay(store, rows, bge_folder, qwen_folder):
    ingest([rows], "c", store=store, options=CorpusOptions(encoder=str(bge_folder), spaces=("dense", "tfidf")))
    second = next(iter(add_spaces("c", str(qwen_folder), store=store, options={"dimensions": 16}).added))
    before = contents(store)
    other = CorpusOptions(encoder=str(qwen_folder), encoder_options={"dimensions": 24})
    with pytest.raises(UsageError, match=r"2 encoders.*--spaces"):
        rebuild("c", other, store=store)
    options = CorpusOptions(
        encoder=str(qwen_folder), encoder_options={"dimensions": 24}, spaces=("dense", second, "tfidf")
    )
    report = rebuild("c", options, store=store)
    assert (report.encoded, report.copied) == (["dense"], [second, "tfidf"])
    manifest = store.read_manifest("c")
    assert (manifest.spaces["dense"].dim, manifest.spaces[second].dim) == (24, 16)
    assert manifest.encoder_spaces == {second: "dense"}
    for shelf in (Shelf.PASSAGES, Shelf.DOCUMENTS):
        for point, (_, vectors) in contents(store)[shelf].items():
            assert vectors[second] == before[shelf][point][1][second]
            assert len(vectors["dense"]) == 24
    assert ingest([rows], "c", store=store).nothing_changed
    # Passages that are cut anew are encoded by both, and counted by the first.
    rebuild("c", CorpusOptions(max_tokens=16), store=store)
    assert all({"dense", second} <= vectors.keys() for _, vectors in contents(store)[Shelf.PASSAGES].values())


def test_sparse_and_multi_vectors_of_a_stopped_run_are_not_made_again(store, tmp_path, rows, bge_folder):
    ingest([rows], "c", store=store, options=CorpusOptions(spaces=("tfidf",)))
    settings = CorpusOptions(
        encoder=str(bge_folder),
        encoder_options={"precision": "float32"},
        spaces=("dense", "sparse", "colbert", "tfidf"),
        max_tokens=20,
        weighting="bm25",
    )
    with pytest.raises(KeyboardInterrupt):
        rebuild("c", settings, store=store, progress=stop_at(16))
    report = rebuild("c", settings, store=store)
    assert 16 <= report.taken_over < report.passages
    found = contents(store)
    # The first passages came from the stopped run, some of them in one batch with new ones.
    ingest([rows], "d", store=store, options=settings)
    expected = {payload["document_id"]: {} for payload, _ in contents(store, "d")[Shelf.DOCUMENTS].values()}
    for payload, vectors in contents(store, "d")[Shelf.PASSAGES].values():
        expected[payload["document_id"]][payload["position"]] = vectors
    assert len(found[Shelf.PASSAGES]) == sum(map(len, expected.values()))
    for payload, vectors in found[Shelf.PASSAGES].values():
        wanted = expected[payload["document_id"]][payload["position"]]
        assert vectors["tfidf"] == wanted["tfidf"]
        assert vectors["dense"] == pytest.approx(wanted["dense"], abs=1e-5)
        assert vectors["sparse"]["indices"] == wanted["sparse"]["indices"]
        assert vectors["sparse"]["values"] == pytest.approx(wanted["sparse"]["values"], abs=1e-5)
        for mine, other in zip(vectors["colbert"], wanted["colbert"], strict=True):
            assert mine == pytest.approx(other, abs=1e-5)


STORAGE = [
    StorageSettings(quantization="scalar", oversampling=2.0, on_disk=True, hnsw_m=8, hnsw_ef_construct=32),
    StorageSettings(datatype="float16", max_segment_mb=1, indexing_threshold_kb=1),
]


@pytest.mark.parametrize("storage", STORAGE, ids=["quantized", "half precision"])
def test_spaces_added_to_a_corpus_with_storage_settings_lie_as_the_others_do(kind, store, tmp_path, rows, storage,
                                                                             bge_folder):  # fmt: skip
    lexical = CorpusOptions(spaces=("tfidf", "word2vec"), storage=storage, max_tokens=20)
    ingest([rows], "c", store=store, options=lexical)
    before = contents(store)
    options = {"precision": "float32"}
    add_spaces("c", str(bge_folder), store=store, options=options, spaces=["dense", "sparse", "colbert"])
    assert store.read_manifest("c").storage == storage
    found = contents(store)
    for shelf in Shelf:
        assert {p: (payload, {n: v for n, v in vs.items() if n in ("tfidf", "word2vec")}) for p, (payload, vs) in
                found[shelf].items()} == before[shelf]  # fmt: skip
    # The same without any settings: vectors are what they are there, rounded where half precision rounds.
    plain = CorpusOptions(spaces=("tfidf", "word2vec"), max_tokens=20)
    with opened_store(kind, tmp_path / "plain") as other:
        ingest([rows], "c", store=other, options=plain)
        add_spaces("c", str(bge_folder), store=other, options=options, spaces=["dense", "sparse", "colbert"])
        expected = contents(other)
    close = 1e-3 if storage.datatype == "float16" else 0.0
    for point, (_, vectors) in expected[Shelf.PASSAGES].items():
        mine = found[Shelf.PASSAGES][point][1]
        assert mine["sparse"] == vectors["sparse"]
        assert mine["dense"] == pytest.approx(vectors["dense"], abs=close)
        for one, other_one in zip(mine["colbert"], vectors["colbert"], strict=True):
            assert one == pytest.approx(other_one, abs=close)
    for point, (_, vectors) in expected[Shelf.DOCUMENTS].items():
        assert found[Shelf.DOCUMENTS][point][1]["dense"] == pytest.approx(vectors["dense"], abs=close)
    assert {"dense", "sparse"} <= set(search("客栈", "c", store=store).hits[0].spaces)


def test_a_changed_sentence_costs_one_passage_in_all_spaces_of_bge_m3(store, tmp_path, bge_folder):
    body = [f"The {PLACES[n % 8]} lies in the valley number {n} of the land." for n in range(30)]
    path = tmp_path / "long.jsonl"
    options = CorpusOptions(encoder=str(bge_folder), max_tokens=20, spaces=("dense", "sparse", "colbert"))

    def rows(price):
        path.write_text(json.dumps({"id": "a", "text": "\n\n".join(body), "price": price}) + "\n", encoding="utf-8")
        return [path]

    ingest(rows(1), "c", store=store, options=options)
    body[4] = "Nothing is in the fifth valley any more."
    changed = ingest(rows(1), "c", store=store)
    # A shorter sentence may draw a neighbour's into its passage.
    assert changed.changed == 1
    assert changed.encoded <= 3 < changed.passages
    assert ingest(rows(2), "c", store=store).encoded == 0
    ingest(rows(2), "fresh", store=store, options=options)
    for shelf, found in contents(store, "c").items():
        there = [sorted(map(str, contents(store, name)[shelf].values())) for name in ("c", "fresh")]
        assert there[0] == there[1], (shelf, len(found))
