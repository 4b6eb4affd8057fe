"""Files of queries and judgments as people have them, and small corpora."""

import json

import pytest
from click.testing import CliRunner

from cli.main import cli
from schemas.errors import XunyiError

ROWS = [
    {"_id": "inn 1", "title": "Airport Inn", "text": "A quiet inn near the airport with a shuttle.", "Room Rate": 80},
    {"_id": "2", "title": "西湖酒店", "text": "酒店在西湖边，早餐丰富。", "Room Rate": 300},
    {"_id": "3", "title": "Hot Spring Lodge", "text": "Lodge in the mountains, hot spring included.", "Room Rate": 200},
    {"_id": "4", "title": "西湖酒店", "text": "另一家酒店，也在湖边，没有早餐。", "Room Rate": 150},
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("asking")
    for name, rows in (("c", ROWS), ("two", ROWS[:2])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        made = run(folder, "ingest", folder / f"{name}.jsonl", "--corpus", name, "--spaces", "tfidf")
        assert made.exit_code == 0, made.output
    return folder


def run(folder, *arguments):
    return CliRunner().invoke(cli, [*map(str, arguments), "--store", str(folder / "store")])


def refused(found, *codes):
    """What was said of a call that was refused, as one of ours and with one of these exit codes."""
    assert isinstance(found.exception, XunyiError), found.output
    assert found.exception.exit_code in codes
    assert found.stdout == ""
    return str(found.exception)


def answers(place, tmp_path, content):
    path = tmp_path / "queries"
    path.write_bytes(content)
    found = run(place, "search", "--queries", path, "--corpus", "c", "--limit", "1")
    assert found.exit_code == 0, found.output
    rows = [json.loads(line) for line in found.stdout.split("\n") if line]
    return [(row.get("query_id"), row["query"], row["hits"][0]["document_id"] if row["hits"] else None) for row in rows]


@pytest.mark.parametrize(
    "content",
    [
        '{"_id": "q1", "text": "airport"}\n{"_id": "q2", "text": "温泉 hot spring"}\n'.encode(),
        b'\xef\xbb\xbf{"_id": "q1", "text": "airport"}\r\n\r\n'
        + '{"_id": "q2", "text": "温泉 hot spring"}\r\n\x1a'.encode(),
        "q1\tairport\nq2\t温泉 hot spring".encode(),
    ],
    ids=["BEIR", "BOM and CRLF", "tabs"],
)
def test_every_query_of_a_file_is_answered_in_one_line_under_its_id(place, tmp_path, content):
    assert answers(place, tmp_path, content) == [("q1", "airport", "inn 1"), ("q2", "温泉 hot spring", "3")]


def test_a_plain_file_has_a_query_a_line_whatever_separators_stand_in_it(place, tmp_path):
    content = "airport\u2028inn\n\n  西湖\u3000早餐  \nzzz\n".encode()
    assert answers(place, tmp_path, content) == [
        (None, "airport\u2028inn", "inn 1"),
        (None, "西湖\u3000早餐", "2"),
        (None, "zzz", None),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no query"),
        (b"\xef\xbb\xbf\r\n", "no query"),
        (b'{"_id": "1", "text": "x"}\n{"_id": "2", "text": \n', "line 2: not JSON"),
        (b'{"_id": "1", "text": "x"}\nplain\n', "line 2"),
        (b'{"_id": "1", "text": "x"}\n{"_id": "1", "text": "y"}\n', "twice"),
        (("ok\n" + "长" * 20_001).encode(), "line 2"),
        (b"caf\xe9\n", "UTF-8"),
    ],
)
def test_a_bad_line_is_named_before_anything_is_asked(place, tmp_path, content, said):
    path = tmp_path / "queries"
    path.write_bytes(content)
    found = run(place, "search", "--queries", path, "--corpus", "c")
    assert said in refused(found, 3)


def test_a_folder_or_nothing_in_place_of_the_file_is_one_sentence(place, tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        found = run(place, "search", "--queries", path, "--corpus", "c")
        assert "cannot be read" in refused(found, 3)


def judged(place, tmp_path, command, qrels, queries='{"_id": "q1", "text": "airport"}\n', *more):
    (tmp_path / "q.jsonl").write_text(queries, encoding="utf-8")
    (tmp_path / "r.tsv").write_bytes(qrels)
    return run(place, command, "c", "--queries", tmp_path / "q.jsonl", "--qrels", tmp_path / "r.tsv", *more)


@pytest.mark.parametrize(
    "qrels",
    [
        b"query-id\tcorpus-id\tscore\r\nq1\tinn 1\t1\r\n",
        b"q1\tinn 1\t1",
        b"\xef\xbb\xbf\r\nquery-id\tcorpus-id\tscore\r\nq1\tinn 1\t1\r\n\x1a",
    ],
    ids=["CRLF", "no header", "BOM and a blank line first"],
)
def test_judgments_are_read_as_windows_and_spreadsheets_write_them(place, tmp_path, qrels):
    found = judged(place, tmp_path, "evaluate", qrels, '{"_id": "q1", "text": "airport"}\n', "--json")
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    assert report["means"]["tfidf"]["RR@10"] == 1
    assert (report["judged_documents"], report["missing_documents"]) == (1, 0)


def test_judged_documents_that_the_corpus_lacks_are_counted_and_said(place, tmp_path):
    found = judged(place, tmp_path, "evaluate", b"q1\tinn 1\t1\nq1\tgone\t1\n")
    assert found.exit_code == 0
    assert "1 of 2 relevant documents are not in the corpus" in found.output


@pytest.mark.parametrize("command", ["evaluate", "tune"])
@pytest.mark.parametrize(
    ("qrels", "said"),
    [(b"q1\tgone\t1\n", "holds none of the 1 documents"), (b"other\tinn 1\t1\n", "use the same ids")],
)
def test_judgments_of_something_else_are_refused_and_not_measured_as_nothing(place, tmp_path, command, qrels, said):
    found = judged(place, tmp_path, command, qrels)
    assert said in refused(found, 3)


def test_one_judged_query_is_too_few_to_tune_with(place, tmp_path):
    found = judged(place, tmp_path, "tune", b"q1\tinn 1\t1\n")
    assert "at least 2" in refused(found, 3)


def test_queries_of_which_none_finds_anything_cannot_be_tuned_with(place, tmp_path):
    queries = '{"_id": "q1", "text": "zzz"}\n{"_id": "q2", "text": "qqq"}\n'
    found = judged(place, tmp_path, "tune", b"q1\t2\t1\nq2\t3\t1\n", queries)
    assert "finds anything" in refused(found, 3)


@pytest.mark.parametrize(("run_file", "said"), [("none/h.run", "no folder"), ("h.run", "white space")])
def test_a_run_file_that_cannot_be_is_refused_before_anything_is_measured(place, tmp_path, run_file, said):
    found = judged(place, tmp_path, "evaluate", b"q1\tinn 1\t1\n", '{"_id": "q1", "text": "airport"}\n',
                   "--run", tmp_path / run_file)  # fmt: skip
    assert said in refused(found, 2, 3)


def test_topics_are_at_most_as_many_as_documents_and_the_rest_is_said(place):
    found = run(place, "topics", "two", "--topics", "3", "--documents", "1", "--json")
    assert found.exit_code == 0, found.output
    topics = json.loads(found.stdout)["topics"]
    assert 1 <= len(topics) <= 2
    assert {document["document_id"] for topic in topics for document in topic["documents"]} <= {"inn 1", "2"}
    shown = run(place, "topics", "two", "--topics", "500", "--documents", "1")
    assert shown.exit_code == 0
    assert f"2 documents tell {len(topics)} topics apart, not 500." in shown.output
    assert "西湖酒店 (2)" in shown.output


def test_a_title_of_two_documents_asks_for_an_id_and_a_title_in_other_forms_is_found(place):
    found = run(place, "recommend", "c", "--like", "西湖酒店")
    assert "'2', '4'" in refused(found, 2)
    assert run(place, "recommend", "c", "--like", "  ＡＩＲＰＯＲＴ inn ", "--json").exit_code == 0
    assert "no name" in refused(run(place, "recommend", "c", "--like", " "), 2)


def test_a_field_whose_name_has_a_blank_can_be_filtered_by(place):
    found = run(place, "search", "酒店 inn lodge", "--corpus", "c", "--where", "Room Rate>=200", "--json")
    assert {hit["document_id"] for hit in json.loads(found.stdout)["hits"]} == {"2", "3"}


@pytest.mark.parametrize("pair", [("", "text"), ("text", " "), ("", "")])
def test_an_empty_text_cannot_be_compared(place, pair):
    found = run(place, "compare", *pair, "--corpus", "c")
    assert "empty" in refused(found, 2)


def test_explain_says_what_the_whole_document_is_and_its_weight_can_be_given(place):
    row = {"_id": "long", "title": "", "text": " ".join(f"The airport has a gate {n}." for n in range(200))}
    (place / "long.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    made = run(place, "ingest", place / "long.jsonl", "--corpus", "long", "--spaces", "tfidf,word2vec")
    assert made.exit_code == 0, made.output
    found = run(place, "search", "airport", "--corpus", "long", "--explain", "--weights", "tfidf:document=3")
    assert "tfidf:document is what a hit's whole document scores in tfidf" in " ".join(found.stdout.split())
    told = json.loads(run(place, "search", "airport", "--corpus", "long", "--json").stdout)
    assert told["weights"] == {"tfidf": 1.0, "tfidf:document": 1.0, "tfidf:coverage": 0.75, "word2vec": 0.0}
    assert "tfidf:coverage is how much of the query's words a hit holds" in " ".join(found.stdout.split())
    assert "whole document" not in run(place, "search", "airport", "--corpus", "c", "--explain").stdout


def test_a_comparison_has_a_row_for_what_a_corpus_lacks_and_says_how_to_get_it(place):
    found = json.loads(run(place, "compare", "酒店早餐", "早餐酒店", "--corpus", "c", "--ngram", "2", "--json").stdout)
    rows, reasons = found["similarities"], found["reasons"]
    assert list(rows) == ["words", "char_2grams", "tfidf", "word2vec", "dense", "sparse"]
    assert {name for name, value in rows.items() if value is None} == set(reasons) == {"word2vec", "dense", "sparse"}
    assert "xunyi rebuild c --spaces tfidf,word2vec" in reasons["word2vec"]
    assert "xunyi spaces add c bge-m3 --spaces sparse" in reasons["sparse"]
    shown = run(place, "compare", "酒店早餐", "早餐酒店", "--corpus", "c").output
    assert "spaces add c bge-m3" in " ".join(shown.replace("│", " ").split())


def test_words_that_are_split_already_are_seen_joined_and_weighed_as_they_were_split(place):
    def rows(first, second):
        return json.loads(run(place, "compare", first, second, "--pre-split", "--corpus", "c", "--json").stdout)

    same = rows("酒店/在/西湖", "酒店 在　西湖")["similarities"]
    assert [same[name] for name in ("words", "char_3grams", "tfidf")] == pytest.approx([1, 1, 1])
    # 湖边 reaches over two of the first text's words.
    parted = rows("西湖/边", "西/湖边")["similarities"]
    assert parted["char_3grams"] == pytest.approx(1)
    assert parted["words"] == 0
    assert 0 < parted["tfidf"] < 1
    assert "empty" in refused(run(place, "compare", "/", "text", "--pre-split"), 2)


def test_explain_says_rank_score_and_share_of_every_space(place):
    found = run(place, "search", "airport", "--corpus", "c", "--explain")
    assert "tfidf: rank 1, score 0." in found.output.replace("│", "")
    assert "share 100%" in found.output


def test_misspelt_words_are_taken_as_known_ones_and_that_is_said(place):
    found = run(place, "search", "airprot shutle", "--corpus", "c")
    assert "“airprot” is taken as “airport”, “shutle” is taken as “shuttle”; --no-spelling" in found.stdout
    assert "Airport Inn" in found.stdout
    as_written = run(place, "search", "airprot shutle", "--corpus", "c", "--no-spelling")
    assert as_written.stdout == "No hits.\n"
    told = json.loads(run(place, "search", "airprot", "--corpus", "c", "--json").stdout)
    assert told["spelled"] == {"airprot": "airport"}


def test_an_evaluation_may_ask_as_written(place, tmp_path):
    misspelt = b"q1\tinn 1\t1\n", '{"_id": "q1", "text": "airprot"}\n', "--measures", "nDCG@10", "--json"
    taken = json.loads(judged(place, tmp_path, "evaluate", *misspelt).stdout)
    assert taken["means"]["tfidf"]["nDCG@10"] == 1
    as_written = json.loads(judged(place, tmp_path, "evaluate", *misspelt, "--no-spelling").stdout)
    assert as_written["means"]["tfidf"]["nDCG@10"] == 0
