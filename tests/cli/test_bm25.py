"""A corpus weighted by BM25, from ingest to every command that reads it."""

import json
import math

import pytest
from click.testing import CliRunner

from cli.main import cli

TEXTS = {
    "a": "The harbour inn serves breakfast by the harbour from six.",
    "b": "酒店在西湖边，早餐丰富，湖边可以散步。",
    "c": "A quiet inn near the airport; the airport shuttle is free, the airport is close.",
    "d": "机场酒店有免费接驳车，适合早班飞机。",
    "e": "Mountain lodge with a hot spring and a view of the lake and the valley below, far from any airport.",
    "f": "山里的温泉旅馆，冬天可以看雪。",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bm25")
    rows = [{"_id": name, "title": "", "text": text} for name, text in TEXTS.items()]
    (folder / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "q.jsonl").write_text(
        "".join(
            json.dumps({"_id": name, "text": text}) + "\n"
            for name, text in {"1": "airport shuttle", "2": "温泉", "3": "西湖早餐"}.items()
        ),
        encoding="utf-8",
    )
    (folder / "r.tsv").write_text("query-id\tcorpus-id\tscore\n1\tc\t1\n2\tf\t1\n3\tb\t1\n", encoding="utf-8")
    run(folder, "ingest", folder / "c.jsonl", "--corpus", "c", "--weighting", "bm25", "--spaces", "tfidf,word2vec,lsa",
        "--word2vec", "min_count=1", "--word2vec", "epochs=2", "--word2vec", "dim=8")  # fmt: skip
    return folder


def run(folder, *arguments):
    found = CliRunner().invoke(cli, [*map(str, arguments), "--store", str(folder / "store"), "--json"])
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def test_a_score_of_the_space_alone_is_the_textbook_s(place):
    from encoders.analysis import make_analyzer

    cut = make_analyzer().features
    bags = {name: cut(text) for name, text in TEXTS.items()}
    average = sum(map(len, bags.values())) / len(bags)

    def bm25(query, bag):
        total = 0.0
        for term in cut(query):
            df, tf = sum(term in other for other in bags.values()), bag.count(term)
            norm = 1.2 * (0.25 + 0.75 * len(bag) / average)
            total += math.log(1 + (len(bags) - df + 0.5) / (df + 0.5)) * tf * 2.2 / (tf + norm)
        return total

    for query in ("airport shuttle", "西湖早餐"):
        found = run(place, "search", query, "--corpus", "c", "--spaces", "tfidf")
        scores = {hit["document_id"]: hit["score"] for hit in found["hits"]}
        expected = {name: bm25(query, bag) for name, bag in bags.items()}
        assert scores == pytest.approx({name: score for name, score in expected.items() if score > 0}, rel=1e-4)
        assert list(scores) == sorted(scores, key=lambda name: -scores[name])


def test_every_command_reads_it(place):
    assert run(place, "search", "airport", "--corpus", "c", "--explain")["hits"][0]["document_id"] == "c"
    queries = ("--queries", place / "q.jsonl", "--qrels", place / "r.tsv")
    assert run(place, "evaluate", "c", *queries)["means"]["tfidf"]["RR@10"] == 1
    assert run(place, "tune", "c", *queries, "--dry-run")["singles"]["tfidf"] == 1
    assert run(place, "words", "similar", "airport", "--corpus", "c")["words"]
    assert run(place, "recommend", "c", "--like", "c", "--spaces", "tfidf")["hits"][0]["document_id"] in ("a", "e")
    assert run(place, "topics", "c", "--topics", "2")["topics"]
    before = run(place, "search", "airport shuttle", "--corpus", "c", "--spaces", "tfidf")["hits"]
    assert run(place, "refit", "c")["corpus"] == "c"
    after = run(place, "search", "airport shuttle", "--corpus", "c", "--spaces", "tfidf")["hits"]
    assert [(hit["document_id"], hit["score"]) for hit in after] == [
        (hit["document_id"], hit["score"]) for hit in before
    ]


def test_two_texts_are_compared_by_what_bm25_weighs_and_not_by_bare_counts(place):
    def similarity(first, second):
        return run(place, "compare", first, second, "--corpus", "c")["similarities"]["tfidf"]

    assert similarity("airport shuttle", "shuttle airport") == pytest.approx(1)
    # 'inn' stands in two texts and 'shuttle' in one: sharing the rare word says more.
    assert similarity("inn shuttle", "harbour shuttle") > similarity("inn shuttle", "inn harbour")
