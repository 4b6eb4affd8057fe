import json
import os
import threading

import pytest

from schemas.errors import InputError, UsageError
from search.evaluation import compare_runs, evaluate
from search.query_files import read_qrels, read_queries, read_questions, write_trec_run

QUERIES = {"q1": "airport", "q2": "tale", "q3": "nobody judged this"}
QRELS = {"q1": {"a": 2, "b": 1}, "q2": {"c": 1}}


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "query-id\tcorpus-id\tscore\nq1\ta\t2\nq1\tb\t1\nq2\tc\t1\n",
        "q1\ta\t2\nq1\tb\t1\nq2\tc\t1\n",
        "q1 0 a 2\nq1 0 b 1\nq2 0 c 1\n",
        "topic iteration document relevance\nq1 0 a 2\nq1 0 b 1\nq2 0 c 1\n",
        "QUERY_ID\tdoc_id\tgrade\nq1\ta\t2\nq1\tb\t1\nq2\tc\t1\n",
    ],
    ids=["BEIR", "BEIR without header", "TREC", "TREC with a header", "another header"],
)
def test_qrels_are_read_in_the_shapes_that_people_have(tmp_path, text):
    assert read_qrels(write(tmp_path / "qrels.tsv", text)) == QRELS


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("q1\ta\t2\nq1\tb\n", "line 2: 2 columns"),
        ("q1\ta\t2\nq1\tb\tgood\n", "line 2: the grade 'good'"),
        ("q1\ta\t2\nq1\ta\t1\n", "two grades"),
        ("q1\ta\t2\nq1\tb\t99999999999999999999\n", "line 2: the grade 99999999999999999999 is beyond"),
        ("q1\ta\t-10001\n", "line 1: the grade -10001 is beyond"),
        ("query-id\tcorpus-id\tscore\n", "no judgment"),
        ("q1\ta\tgood\nq2\tb\t1\n", "line 1: the grade 'good'.*begin a header with query-id"),
        ("q1 0 a\nq2 0 b 1\n", "line 1: the grade 'a'"),
        ("\nqid\tdocid\trel\nquery\tb\tgood\n", "line 3: the grade 'good'"),
    ],
)
def test_bad_qrels_are_refused_with_their_line(tmp_path, text, why):
    with pytest.raises(InputError, match=why):
        read_qrels(write(tmp_path / "qrels.tsv", text))


def test_queries_are_read_from_beirs_jsonl(tmp_path):
    lines = [json.dumps({"_id": "q1", "text": "白骨精"}), "", json.dumps({"id": 7, "text": "tale"})]
    assert read_queries(write(tmp_path / "queries.jsonl", "\n".join(lines))) == {"q1": "白骨精", "7": "tale"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"_id": "q1"\n', "line 1: not JSON"),
        ('{"text": "x"}\n', "has no _id"),
        ('{"_id": "q", "text": "x"}\n{"_id": "q", "text": "y"}\n', "stands twice"),
        ("just words\n", "line 1: write"),
        ('{"_id": "q", "text": "x"}\n' + '{"a":' * 5000 + "1" + "}" * 5000, "line 2: nested too deep"),
        ('{"_id": ' + "9" * 5000 + "}", "line 1: nested too deep, or a number too long"),
        ("\n", "no query"),
    ],
)
def test_bad_queries_are_refused_with_their_line(tmp_path, text, why):
    with pytest.raises(InputError, match=why):
        read_queries(write(tmp_path / "queries.jsonl", text))


def test_a_missing_or_binary_file_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_queries(tmp_path / "none.jsonl")
    (tmp_path / "bad.tsv").write_bytes(b"q1\t\xff\t1\n")
    with pytest.raises(InputError, match="UTF-8"):
        read_qrels(tmp_path / "bad.tsv")


def perfect(texts):
    return [{"airport": [("a", 0.9), ("b", 0.8)], "tale": [("c", 0.9)]}[text] for text in texts]


def poor(texts):
    return [{"airport": [("x", 0.9), ("b", 0.8), ("a", 0.8)], "tale": []}[text] for text in texts]


def test_every_configuration_is_measured_over_the_judged_queries_only():
    report, runs = evaluate({"hybrid": perfect, "dense": poor}, QUERIES, QRELS)
    assert report.queries == 2
    assert report.means["hybrid"] == pytest.approx(dict.fromkeys(("nDCG@10", "RR@10", "AP", "R@100"), 1.0))
    assert report.per_query["dense"]["RR@10"] == {"q1": 0.5, "q2": 0.0}
    assert report.per_query["dense"]["R@100"] == {"q1": 1.0, "q2": 0.0}
    assert report.comparison is not None
    assert report.comparison.baseline == "dense"
    assert report.comparison.wins == 2
    assert runs["hybrid"]["q2"] == [("c", 0.9)]
    assert report.rows()[1] == ["hybrid", "1.0000", "1.0000", "1.0000", "1.0000"]
    assert json.loads(report.model_dump_json())["means"]["dense"]["RR@10"] == 0.25


def test_the_first_configuration_is_tested_against_every_other_with_one_correction():
    report, _ = evaluate({"hybrid": perfect, "dense": poor, "tfidf": perfect}, QUERIES, QRELS)
    assert [found.baseline for found in report.comparisons] == ["dense", "tfidf"]
    assert report.comparison == report.comparisons[1]
    dense, tfidf = report.comparisons
    # Holm: the lowest p counts twice, the other once, and none is lower than one before it.
    assert dense.p < tfidf.p == tfidf.p_holm == 1.0
    assert dense.p_holm == pytest.approx(2 * dense.p)
    alone, _ = evaluate({"hybrid": perfect}, QUERIES, QRELS)
    assert alone.comparison is None
    assert alone.comparisons == []


def test_the_order_given_counts_where_scores_tie():
    report, _ = evaluate({"one": lambda texts: [[("b", 1.0), ("a", 1.0)]]}, {"q": "t"}, {"q": {"b": 1}}, ["RR@10"])
    assert report.means["one"]["RR@10"] == 1.0


def test_unknown_measures_and_unjudged_queries_are_refused():
    with pytest.raises(UsageError, match="nDGC"):
        evaluate({"one": perfect}, QUERIES, QRELS, ["nDGC@10"])
    with pytest.raises(InputError, match="same ids"):
        evaluate({"one": perfect}, {"other": "x"}, QRELS)


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ("RBP(p=0.8)", "nothing that is installed"),
        ("INST", "not known"),
        ("P@0", "cutoff"),
        ("nDCG@99999999999999999999", "cutoff"),
        ("AP(rel=0)", "cannot all be computed"),
    ],
)
def test_a_measure_that_cannot_be_computed_is_a_usage_error(measure, said):
    with pytest.raises(UsageError, match=said):
        evaluate({"one": perfect}, QUERIES, QRELS, [measure])


def test_a_line_of_a_megabyte_without_a_tab_is_one_query_soon(tmp_path):
    # check_query refuses it by its length; a quadratic search for the tab took minutes before.
    with pytest.raises(InputError, match="line 2"):
        read_questions(write(tmp_path / "queries", "ok\n" + "火锅 hotpot " * 100_000))


def test_a_tab_with_nothing_before_it_or_two_of_them_are_part_of_the_query(tmp_path):
    for line in ("\thotpot", "1\ttea\tcup", "tea\t"):
        (question,) = read_questions(write(tmp_path / "queries", line))
        assert question == (None, line.strip())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("text", ['{"_id": "a", "text": "one"}\n{"_id": "b", "text": "two"}\n', "a\tone\nb\ttwo\n"])
def test_questions_may_come_through_a_pipe(tmp_path, text):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(text,))
    writer.start()
    assert [(found.id, found.text) for found in read_questions(tmp_path / "pipe")] == [("a", "one"), ("b", "two")]
    writer.join()


def test_the_paired_test_tells_a_steady_gain_from_noise():
    base = {f"q{n}": 0.5 for n in range(40)}
    better = {query: 0.5 + 0.01 * (1 + n % 3) for n, query in enumerate(base)}
    noise = {query: 0.5 + (0.1 if n % 2 else -0.1) for n, query in enumerate(base)}
    assert compare_runs("a", "b", better, base, "AP").p < 0.001
    noisy = compare_runs("a", "b", noise, base, "AP")
    assert noisy.p > 0.5
    assert noisy.low < 0 < noisy.high
    assert compare_runs("a", "b", base, base, "AP").p == 1.0


def test_a_trec_run_keeps_the_order_in_strictly_falling_scores(tmp_path):
    write_trec_run(tmp_path / "run.txt", {"q1": [("a", 0.5), ("b", 0.5), ("c", 0.1)]}, "xunyi")
    rows = [line.split() for line in (tmp_path / "run.txt").read_text(encoding="utf-8").splitlines()]
    assert [row[:4] for row in rows] == [["q1", "Q0", name, str(rank)] for rank, name in enumerate("abc", 1)]
    scores = [float(row[4]) for row in rows]
    assert scores[0] > scores[1] > scores[2]
    with pytest.raises(UsageError, match="white space"):
        write_trec_run(tmp_path / "run.txt", {"q1": [("a b", 0.5)]}, "xunyi")
