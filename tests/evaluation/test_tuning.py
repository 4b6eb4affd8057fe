import random

import pytest

from schemas.documents import Document
from schemas.errors import InputError
from search.fusion import fuse
from search.fusion_choices import FusionChoice
from search.synthetic import synthetic_qrels, synthetic_queries
from search.tuning import tune

EQUAL = FusionChoice(method="convex", weights={"good": 0.5, "noise": 0.5})


def collect(queries, clean):
    """One space that puts the right document first ``clean`` of the time, and one of pure noise."""
    rng = random.Random(3)
    collected, qrels = {}, {}
    for n in range(queries):
        right = f"d{n % 20:02}"
        good = {f"d{m:02}": rng.random() for m in range(20)}
        if rng.random() < clean:
            good[right] = 1.2
        noise = {f"d{m:02}": rng.random() for m in range(20)}
        collected[f"q{n:03}"] = {
            name: sorted(scores.items(), key=lambda item: -item[1])
            for name, scores in (("good", good), ("noise", noise))
        }
        qrels[f"q{n:03}"] = {right: 1}
    return collected, qrels


def test_a_space_of_noise_loses_its_weight_and_the_gain_is_measured_on_unseen_queries():
    report = tune(*collect(60, 0.9), default=EQUAL)
    assert report.adopted
    assert report.choice.weights["good"] > 0.7
    assert report.tuned > report.default + 0.05
    assert report.gain_over_default_interval[0] > 0
    assert report.singles["good"] > report.singles["noise"]
    assert len(report.fold_choices) == report.folds == 5


def test_where_nothing_helps_the_default_stays():
    default = FusionChoice(method="convex", weights={"good": 1.0, "noise": 0.0})
    report = tune(*collect(40, 1.0), default=default)
    assert not report.adopted
    assert report.choice == default
    assert report.gain == pytest.approx(0)


def judged_by_two(queries, default_finds, alone_finds):
    """``good`` alone is right on the queries that ``alone_finds``, all mixtures on those that ``default_finds``."""
    collected, alone, qrels = {}, {}, {}
    wrong = [("x", 1.0)]
    for n in range(queries):
        right = [(f"d{n}", 1.0)]
        fused = right if default_finds(n) else wrong
        collected[f"q{n:03}"] = {"good": fused, "other": fused}
        alone[f"q{n:03}"] = {"good": right if alone_finds(n) else wrong, "other": wrong}
        qrels[f"q{n:03}"] = {f"d{n}": 1}
    return collected, qrels, alone


HALVES = FusionChoice(method="convex", weights={"good": 0.5, "other": 0.5})


def test_a_space_alone_that_is_surely_better_than_the_default_and_the_rest_is_adopted():
    collected, qrels, alone = judged_by_two(100, lambda n: n % 2, lambda n: n % 10)
    report = tune(collected, qrels, alone=alone, default=HALVES)
    assert report.adopted
    assert report.choice.weights == {"good": 1.0, "other": 0.0}
    assert report.best_single == "good"
    assert report.single_over_default == pytest.approx(0.4)
    assert report.single_over_default_interval[0] > 0


def test_queries_that_were_made_are_no_ground_to_search_one_space_alone():
    collected, qrels, alone = judged_by_two(100, lambda n: n % 2, lambda n: n % 10)
    report = tune(collected, qrels, alone=alone, default=HALVES, synthetic=True)
    assert report.single_over_default_interval[0] > 0
    assert not report.adopted
    assert report.choice == HALVES


def test_a_gain_that_may_be_a_loss_is_told_and_not_stored():
    # Of 40 queries the space alone is right on three that the default misses, and wrong on two that it finds.
    collected, qrels, alone = judged_by_two(40, lambda n: n >= 3, lambda n: n not in (10, 20))
    report = tune(collected, qrels, alone=alone, default=HALVES)
    assert report.single_over_default == pytest.approx(1 / 40)
    assert report.single_over_default_interval[0] < 0
    assert not report.adopted
    assert report.choice == HALVES


def test_a_space_alone_is_measured_by_its_own_list_and_not_by_the_one_that_was_fused():
    collected, qrels = collect(40, 0.6)
    # What was fused of `good` is better than what it finds alone, as where its query was moved by other spaces.
    alone = {query: {**lists, "good": lists["noise"]} for query, lists in collected.items()}
    found = tune(collected, qrels, default=EQUAL, alone=alone)
    assert found.singles["good"] == found.singles["noise"] < tune(collected, qrels, default=EQUAL).singles["good"]
    # A witness that cannot be searched alone is no space to be better than.
    without = {query: {"good": lists["good"]} for query, lists in alone.items()}
    assert set(tune(collected, qrels, default=EQUAL, alone=without).singles) == {"good"}


def test_tuning_sees_the_same_order_as_a_search():
    collected, qrels = collect(12, 0.5)
    report = tune(collected, qrels, default=EQUAL, methods=("convex",), folds=2)
    first = [fuse(collected[query], method="convex", weights=EQUAL.weights) for query in sorted(collected)]
    from search.evaluation import measure_run, parse_measures

    run = {query: [(hit.id, hit.score) for hit in hits] for query, hits in zip(sorted(collected), first, strict=True)}
    values = measure_run(run, qrels, parse_measures(["nDCG@10"]))["nDCG@10"]
    assert report.default == pytest.approx(sum(values.values()) / len(values))


def test_passages_are_grouped_by_their_document():
    lists = {"good": [("d1#0", 3.0), ("d1#1", 2.0), ("d2#0", 1.0)]}
    collected = {"q1": lists, "q2": lists}
    default = FusionChoice(method="convex", weights={"good": 1.0})
    grouped = tune(
        collected, {"q1": {"d2": 1}, "q2": {"d2": 1}}, default=default, document_of=lambda name: name.split("#")[0]
    )
    assert grouped.default == pytest.approx(0.6309, abs=1e-4)


def test_one_judged_query_is_too_few():
    collected, qrels = collect(1, 1.0)
    with pytest.raises(InputError, match="too few"):
        tune(collected, qrels, default=EQUAL)


def documents():
    for n in range(30):
        yield Document(
            id=f"d{n}",
            title=f"Title {n}" if n % 2 else "",
            text=f"The house number {n} stands near the old river bridge. 第{n}个和尚挑水吃在山上的庙里。",
            kind="records",
            source="x.csv",
        )


def test_queries_are_made_from_titles_and_parts_of_sentences_the_same_for_a_seed():
    made = synthetic_queries(documents(), limit=10, seed=1)
    assert made == synthetic_queries(documents(), limit=10, seed=1)
    assert made != synthetic_queries(documents(), limit=10, seed=2)
    assert sum(query.kind == "title" for query in made) == 10
    texts = {document.id: document.text for document in documents()}
    sentences = [query for query in made if query.kind == "sentence"]
    assert len(sentences) == 10
    assert all(query.text in texts[query.document_ids[0]] for query in sentences)
    assert synthetic_qrels(made)[made[0].id] == {made[0].document_ids[0]: 1}


def titled(titles):
    for n, title in enumerate(titles):
        yield Document(id=f"d{n}", title=title, text="", kind="records", source="x.csv")


def test_a_title_must_find_every_document_that_bears_it_however_few_are_drawn():
    titles = [f"Title {n % 90}" for n in range(180)]
    made = synthetic_queries(titled(titles), limit=5)
    assert len(made) == 5
    for query in made:
        assert query.document_ids == tuple(f"d{n}" for n, title in enumerate(titles) if title == query.text)
        assert synthetic_qrels(made)[query.id] == dict.fromkeys(query.document_ids, 1)


def test_titles_are_the_same_in_whatever_case_and_spacing():
    (query,) = synthetic_queries(titled(["Old  Bridge", "OLD BRIDGE", ""]))
    assert query.document_ids == ("d0", "d1")


def test_a_title_of_very_many_documents_names_none_and_is_not_asked():
    assert synthetic_queries(titled(["Hotel"] * 11)) == []
    assert len(synthetic_queries(titled(["Hotel"] * 10))) == 1


def test_titles_that_are_indexed_are_not_asked():
    assert {query.kind for query in synthetic_queries(documents(), titles=False)} == {"sentence"}


def test_what_is_better_by_luck_only_does_not_move_the_default():
    rng = random.Random(5)
    collected, qrels = {}, {}
    for n in range(12):
        right = f"d{rng.randrange(20):02}"
        lists = {name: {f"d{m:02}": rng.random() for m in range(20)} for name in ("good", "noise")}
        collected[f"q{n:02}"] = {
            name: sorted(scores.items(), key=lambda item: -item[1]) for name, scores in lists.items()
        }
        qrels[f"q{n:02}"] = {right: 1}
    report = tune(collected, qrels, default=EQUAL)
    # Of some hundred choices the best on twelve queries is far ahead, and each fold sees another one.
    near = [sum(abs(choice.weights[space] - 0.5) for space in choice.weights) for choice in report.fold_choices]
    assert sum(near) / len(near) < 0.5
    assert report.choice.method == "convex"
