"""``xunyi evaluate`` and ``xunyi tune`` over a small judged corpus, as a person runs them."""

import json
import random
from contextlib import contextmanager

import ir_measures
import pytest
from click.testing import CliRunner

from cli.main import cli
from search import Corpus

TOPICS = {
    "airport": ["shuttle", "runway", "terminal", "flight", "luggage"],
    "garden": ["roses", "hedge", "fountain", "lawn", "gardener"],
    "山寺": ["和尚", "敲钟", "香火", "方丈", "经书"],
    "渔港": ["渔船", "撒网", "码头", "海风", "灯塔"],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a corpus of 40 documents on four topics, and 20 judged queries."""
    folder = tmp_path_factory.mktemp("judged")
    choose = random.Random(4)
    documents, queries, qrels = [], [], []
    for n in range(40):
        topic = list(TOPICS)[n % 4]
        words = choose.sample(TOPICS[topic], 4)
        blank = "" if topic > "z" else " "
        text = blank.join([topic, *words, *choose.sample(words, 2)])
        documents.append({"_id": f"d{n}", "title": "", "text": f"{text}{'。' if not blank else '.'} {n} {n + 1}"})
        if n < 20:
            queries.append({"_id": f"q{n}", "text": blank.join(choose.sample(words, 2)) + f" {n}"})
            qrels.append(f"q{n}\td{n}\t1")
    write = lambda name, lines: (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")  # noqa: E731
    write("corpus.jsonl", [json.dumps(row, ensure_ascii=False) for row in documents])
    write("queries.jsonl", [json.dumps(row, ensure_ascii=False) for row in queries])
    write("qrels.tsv", ["query-id\tcorpus-id\tscore", *qrels])
    run(folder, "ingest", folder / "corpus.jsonl", "--corpus", "c", "--spaces", "tfidf,word2vec")
    return folder


def run(folder, *arguments, code=0):
    found = CliRunner().invoke(cli, [*map(str, arguments), "--store", str(folder / "store")])
    assert found.exit_code == code, found.output
    return found


def judged(folder):
    return ("--queries", folder / "queries.jsonl", "--qrels", folder / "qrels.tsv")


def test_json_holds_means_values_by_query_and_a_paired_test(place):
    report = json.loads(run(place, "evaluate", "c", *judged(place), "--json").stdout)
    assert report["queries"] == 20
    assert list(report["means"]) == ["hybrid", "tfidf", "word2vec"]
    assert set(report["means"]["tfidf"]) == {"nDCG@10", "RR@10", "AP@100", "R@100"}
    for name, by in report["per_query"].items():
        assert sum(by["nDCG@10"].values()) / 20 == pytest.approx(report["means"][name]["nDCG@10"])
    paired = report["comparison"]
    assert paired["name"] == "hybrid"
    best = max(("tfidf", "word2vec"), key=lambda name: report["means"][name]["nDCG@10"])
    assert paired["baseline"] == best
    assert paired["low"] <= paired["difference"] <= paired["high"]
    assert paired["wins"] + paired["losses"] + paired["ties"] == 20


def test_the_table_shows_every_space_and_says_what_the_test_found(place):
    shown = run(place, "evaluate", "c", *judged(place), "--measures", "nDCG@5,RR").stdout
    assert all(word in shown for word in ("hybrid", "tfidf", "word2vec", "nDCG@5", "RR"))
    assert "hybrid over" in shown
    assert "95 % interval" in shown


def test_the_run_file_measured_by_trecs_tools_gives_the_same_figures(place, tmp_path):
    path = tmp_path / "hybrid.run"
    report = json.loads(run(place, "evaluate", "c", *judged(place), "--run", path, "--json").stdout)
    qrels = [ir_measures.Qrel(f"q{n}", f"d{n}", 1) for n in range(20)]
    found = ir_measures.calc_aggregate(
        [ir_measures.nDCG @ 10, ir_measures.RR @ 10], qrels, ir_measures.read_trec_run(str(path))
    )
    for measure, value in found.items():
        assert value == pytest.approx(report["means"]["hybrid"][str(measure)], abs=1e-9)


def test_every_configurations_run_is_written_to_a_folder(place, tmp_path):
    folder = tmp_path / "new" / "runs"
    run(place, "evaluate", "c", *judged(place), "--runs", folder, "--run", tmp_path / "hybrid.run")
    assert sorted(path.name for path in folder.iterdir()) == ["hybrid.run", "tfidf.run", "word2vec.run"]
    assert (folder / "hybrid.run").read_bytes() == (tmp_path / "hybrid.run").read_bytes()
    assert (folder / "tfidf.run").read_text(encoding="utf-8").splitlines()[0].endswith("xunyi-tfidf")


def test_the_table_says_over_how_many_queries_it_was_measured(place, tmp_path):
    assert "Means over 20 queries." in run(place, "evaluate", "c", *judged(place)).stdout
    lines = (place / "qrels.tsv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "few.tsv").write_text("\n".join(lines[:13]) + "\n", encoding="utf-8")
    shown = run(place, "evaluate", "c", "--queries", place / "queries.jsonl", "--qrels", tmp_path / "few.tsv").stdout
    assert "Means over 12 queries of 20" in shown


def test_other_ways_to_search_are_measured_beside_the_default(place):
    def report(*more):
        return json.loads(run(place, "evaluate", "c", *judged(place), *more, "--json").stdout)

    default = report()
    assert (default["fusion"], default["weights"]) == (
        "zscore",
        {"tfidf": 1.0, "word2vec": 0.0, "tfidf:coverage": 0.75},
    )
    alike = report("--fusion", "rrf", "--rrf-k", "10", "--weights", "tfidf=0,word2vec=1")
    assert (alike["fusion"], alike["weights"]) == ("rrf", {"tfidf": 0.0, "word2vec": 1.0})
    # All weight on one space is that space alone, and the spaces alone are what they were.
    assert alike["means"]["hybrid"] == pytest.approx(alike["means"]["word2vec"])
    assert alike["means"]["word2vec"] == default["means"]["word2vec"]
    # What a filter leaves out is not found.
    few = report("--where", "document_id=d0|d1")
    assert 0 < few["means"]["tfidf"]["R@100"] <= 2 / 20


@contextmanager
def weighed(folder, **weights):
    """The corpus with other weights stored, for a while."""
    with Corpus("c", str(folder / "store")) as corpus:
        before = corpus.manifest
        corpus.store.write_manifest(before.model_copy(update={"search": {"fusion": "convex", "weights": weights}}))
    try:
        yield
    finally:
        with Corpus("c", str(folder / "store")) as corpus:
            corpus.store.write_manifest(before)


def test_tunings_default_is_what_a_search_with_no_weights_gives(place):
    with weighed(place, tfidf=1.0, word2vec=1.0):
        means = json.loads(run(place, "evaluate", "c", *judged(place), "--json").stdout)["means"]
        report = json.loads(run(place, "tune", "c", *judged(place), "--dry-run", "--json").stdout)
    assert report["default"] == pytest.approx(means["hybrid"]["nDCG@10"], abs=1e-4)


def test_tuning_says_that_a_space_alone_does_better_than_both(place):
    with weighed(place, tfidf=0.02, word2vec=0.98):
        report = json.loads(run(place, "tune", "c", *judged(place), "--dry-run", "--json").stdout)
        shown = " ".join(run(place, "tune", "c", *judged(place), "--dry-run").stdout.split())
    assert report["best_single"] == "tfidf"
    assert report["single_over_default"] > max(report["gain_over_default"], 0)
    assert f"--spaces tfidf does better than both: over the default {report['single_over_default']:+.4f}" in shown
    assert f"gain over the default {report['gain_over_default']:+.4f} (95 % interval" in shown


def test_a_measure_nobody_knows_and_files_that_do_not_fit_are_one_sentence(place, tmp_path):
    from schemas.errors import InputError, UsageError

    (tmp_path / "unnamed.jsonl").write_text('{"text": "roses"}\n', encoding="utf-8")
    (tmp_path / "others.jsonl").write_text('{"_id": "other", "text": "roses"}\n', encoding="utf-8")
    for arguments, error in [
        ((*judged(place), "--measures", "nDGC@10"), UsageError),
        ((*judged(place), "--measures", ""), UsageError),
        ((*judged(place), "--fusion", "zscore", "--rrf-k", "5"), UsageError),
        ((*judged(place), "--weights", "dense=1"), UsageError),
        ((*judged(place), "--runs", place / "qrels.tsv"), InputError),
        (("--queries", tmp_path / "none.jsonl", "--qrels", place / "qrels.tsv"), InputError),
        (("--queries", tmp_path / "unnamed.jsonl", "--qrels", place / "qrels.tsv"), InputError),
        (("--queries", tmp_path / "others.jsonl", "--qrels", place / "qrels.tsv"), InputError),
    ]:
        found = CliRunner().invoke(cli, ["evaluate", "c", *map(str, arguments), "--store", str(place / "store")])
        assert isinstance(found.exception, error), found.output
        assert "\n" not in str(found.exception)


@pytest.mark.models
def test_a_reranked_hybrid_is_measured_beside_the_plain_one(place, tiny_cross_encoder):
    report = json.loads(
        run(place, "evaluate", "c", *judged(place), "--rerank", f"cross-encoder:{tiny_cross_encoder}", "--json").stdout
    )
    assert list(report["means"]) == ["hybrid+cross-encoder", "hybrid", "tfidf", "word2vec"]
    assert report["comparison"]["name"] == "hybrid+cross-encoder"
    # Reranking moves hits and loses none.
    assert report["means"]["hybrid+cross-encoder"]["R@100"] == report["means"]["hybrid"]["R@100"]
    answer = json.loads(
        run(
            place,
            "search",
            "roses fountain",
            "--corpus",
            "c",
            "--rerank",
            f"cross-encoder:{tiny_cross_encoder}",
            "--json",
        ).stdout
    )
    scores = [hit["score"] for hit in answer["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert answer["hits"][0]["spaces"]["cross-encoder"]["rank"] == 1
    assert answer["rerank"].startswith("cross-encoder:")


def test_pages_of_diverse_hits_fit_together_and_repeat_none(place):
    def page(*more):
        out = run(place, "search", "roses fountain lawn", "--corpus", "c", "--diversity", "0.5", "--json", *more).stdout
        return [hit["passage_id"] for hit in json.loads(out)["hits"]]

    whole = page("--limit", "12")
    assert page("--limit", "4") + page("--limit", "8", "--offset", "4") == whole
    # The ten documents of that topic, of which no other shares a word with the query.
    assert len(set(whole)) == len(whole) == 10


def test_reranking_by_token_vectors_that_are_not_there_says_how_to_get_them(place):
    from schemas.errors import CorpusError

    found = CliRunner().invoke(
        cli, ["search", "roses", "--corpus", "c", "--rerank", "colbert", "--store", str(place / "store")]
    )
    assert isinstance(found.exception, CorpusError)
    assert "xunyi spaces add c bge-m3 --spaces colbert" in str(found.exception)


def test_tuning_reports_an_interval_stores_its_choice_and_searches_use_it(place, tmp_path):
    arguments = ("tune", "c", *judged(place))
    dry = json.loads(run(place, *arguments, "--dry-run", "--json").stdout)
    with Corpus("c", str(place / "store")) as corpus:
        assert "weights" not in corpus.manifest.search
        before = corpus.search("roses").weights
    report = json.loads(run(place, *arguments, "--json").stdout)
    assert report == dry
    assert not report["synthetic"]
    assert report["gain_interval"][0] <= report["gain"] <= report["gain_interval"][1]
    assert set(report["singles"]) == {"tfidf", "word2vec"}
    # The very figures that an evaluation gives.
    means = json.loads(run(place, "evaluate", "c", *judged(place), "--json").stdout)["means"]
    assert report["singles"] == pytest.approx({space: means[space]["nDCG@10"] for space in report["singles"]}, abs=1e-4)
    with Corpus("c", str(place / "store")) as corpus:
        answer = corpus.search("roses")
        if report["adopted"]:
            chosen = report["choice"]
            assert answer.fusion == chosen["method"]
            by_space = {name: weight for name, weight in answer.weights.items() if name != "tfidf:coverage"}
            assert by_space == pytest.approx({name: chosen["weights"][name] for name in by_space})
        else:
            assert answer.weights == before


def test_without_judged_queries_tuning_makes_its_own_and_says_so(place):
    shown = run(place, "tune", "c", "--dry-run").stdout
    assert "were made of the corpus itself" in shown
    assert "0 by title, 40 by sentence" in " ".join(shown.split())
    assert "Titles are indexed" in shown
    assert "gain over the default" in shown
    assert "not stored" in shown
    assert "95 % interval" in shown
    assert json.loads(run(place, "tune", "c", "--dry-run", "--json").stdout)["synthetic"]


def test_made_queries_are_titles_where_they_are_not_indexed_and_their_words_stand_in_bodies(place):
    rows = [
        {"_id": f"t{n}", "title": f"E{n:04}" if n % 2 else "Roses by the fountain", "text": f"Roses, lawn {n} hedge."}
        for n in range(12)
    ]
    path = place / "titled.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    run(place, "ingest", path, "--corpus", "titled", "--spaces", "tfidf", "--no-titles")
    report = json.loads(run(place, "tune", "titled", "--dry-run", "--json").stdout)
    assert report["kinds"] == {"title": 1, "sentence": 12}


def test_half_of_what_tuning_needs_is_a_usage_error(place):
    from schemas.errors import UsageError

    found = CliRunner().invoke(cli, ["tune", "c", "--queries", str(place / "queries.jsonl")])
    assert isinstance(found.exception, UsageError)
