"""Blocks and workers: the same points wherever the work is done, and nothing left of a run that was killed."""

import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.bags import bags_of
from encoders.counting import TermCounter
from encoders.vocabulary import VocabularyBuilder
from ingest import CorpusOptions, ingest
from ingest.blocks import BlockSettings, Planned, analyze, indexed_text
from ingest.counts import BlockCounts
from ingest.executors import Processes, make_executor
from ingest.splitting import estimate_tokens, split
from schemas.documents import Document
from schemas.errors import EncoderError, UsageError
from schemas.manifest import AnalyzerSettings, TfidfSettings
from schemas.spaces import Shelf
from stores.base import collection_name
from stores.opening import open_store

ROOT = Path(__file__).resolve().parent.parent.parent
OPTIONS = CorpusOptions(spaces=("tfidf", "word2vec"), max_tokens=24)
WORDS = ["river", "lantern", "bridge", "temples", "山水之间", "古寺", "灯笼", "石桥", "北京大学生", "Café"]


def records(count):
    pick = random.Random(11)
    return [
        {
            "id": f"r{n}",
            "title": f"第{n}条 title",
            "text": "。".join(" ".join(pick.choices(WORDS, k=9)) for _ in range(n % 9 + 1)),
        }
        for n in range(count)
    ]


def contents(folder):
    with open_store(str(folder)) as store:
        manifest = store.read_manifest("c").model_copy(update={"created": "", "updated": ""})
        found = {"manifest": manifest.model_dump_json()}
        for shelf in Shelf:
            found[shelf] = [
                repr((record.id, record.payload, sorted(record.vector.items(), key=str)))
                for record in store.scroll(collection_name("c", 1, shelf), vectors=True)
            ]
        return found


def test_any_number_of_workers_writes_the_same_points(tmp_path, monkeypatch):
    # Several small blocks: the order in which workers end must not show.
    monkeypatch.setattr("ingest.blocks.BLOCK_CHARS", 2_000)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in records(200)), encoding="utf-8")
    found = {}
    for workers in (0, 1, 3):
        ingest([path], "c", store=str(tmp_path / f"store{workers}"), options=OPTIONS, workers=workers)
        found[workers] = contents(tmp_path / f"store{workers}")
    assert len(found[0][Shelf.PASSAGES]) > 400
    assert found[1] == found[0]
    assert found[3] == found[0]


@pytest.mark.parametrize("preset", ["default", "jieba-search", "char", "article"])
def test_a_document_has_the_same_rows_in_whatever_block(preset):
    settings = BlockSettings(AnalyzerSettings(preset=preset), True, True, True)
    planned = []
    for row in records(20):
        document = Document(row["id"], row["title"], row["text"], "records", "rows.jsonl")
        planned.append(Planned(document, split(document, max_tokens=24, count_tokens=estimate_tokens), ""))
    together = analyze(planned, settings)
    row = 0
    for number, one in enumerate(planned):
        alone = analyze([one], settings)
        for bags, whole in ((alone.features, together.features), (alone.words, together.words)):
            for at in range(len(one.passages)):
                assert counted(bags, at) == counted(whole, row + at)
            assert counted(bags, alone.document_rows[0]) == counted(whole, together.document_rows[number])
        row += len(one.passages)


def counted(bags, row):
    start, end = bags.counts.indptr[row : row + 2]
    return [
        (bags.terms[i], int(n))
        for i, n in zip(bags.counts.indices[start:end], bags.counts.data[start:end], strict=True)
    ]


def test_a_document_is_counted_as_its_whole_text_is():
    from encoders.analysis import make_analyzer

    settings = BlockSettings(AnalyzerSettings(), True, True, True)
    for row in records(9):
        document = Document(row["id"], row["title"], row["text"], "records", "rows.jsonl")
        passages = split(document, max_tokens=24, count_tokens=estimate_tokens)
        block = analyze([Planned(document, passages, "")], settings)
        whole = bags_of([make_analyzer().features(indexed_text(document.title, document.text, True))])
        assert counted(block.features, block.document_rows[0]) == counted(whole, 0)


def slow(number):
    time.sleep(0.01 * (number % 3))
    return number, os.getpid()


def test_results_come_in_the_order_of_the_items_and_only_a_few_are_worked_on_ahead():
    taken = []

    def items():
        for number in range(30):
            taken.append(number)
            yield number

    executor = Processes(2)
    try:
        ahead = 0
        for place, (number, process) in enumerate(executor.map(slow, items())):
            assert number == place
            assert process != os.getpid()
            ahead = max(ahead, len(taken) - place)
    finally:
        executor.close()
    assert ahead <= 6


def test_fewer_than_no_workers_are_refused():
    with pytest.raises(UsageError, match="workers"):
        make_executor(-1)


@pytest.mark.parametrize("option", [{"encoder_workers": 2}, {"ray_address": "head:6379"}])
def test_options_of_ray_are_refused_without_it(option):
    with pytest.raises(UsageError, match="--executor ray"):
        make_executor(0, **option)


def test_without_the_package_ray_a_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EncoderError, match=r'pip install "xunyi\[ray\]"'):
        make_executor(2, "ray")


@settings(deadline=None)
@given(texts=st.lists(st.lists(st.sampled_from("abcdefg"), max_size=6), max_size=12), limit=st.integers(1, 9))
def test_a_counter_arrives_whole_in_another_process(texts, limit):
    counter = TermCounter(limit)
    for text in texts:
        counter.add(text)
    there = pickle.loads(pickle.dumps(counter))
    there.add(["a", "z"])
    counter.add(["a", "z"])
    assert list(there.items()) == list(counter.items())


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 8), max_size=3), unit=st.sampled_from(["passages", "documents"]))
def test_counts_of_parts_add_up_to_those_of_the_whole(cuts, unit):
    planned = []
    for row in records(9):
        document = Document(row["id"], row["title"], row["text"], "records", "rows.jsonl")
        planned.append(Planned(document, split(document, max_tokens=24, count_tokens=estimate_tokens), ""))
    builder, apart = VocabularyBuilder(), VocabularyBuilder()
    BlockCounts(unit, builder).add(analyze(planned, BlockSettings(AnalyzerSettings(), True, True, True)))
    total = BlockCounts(unit, apart)
    ends = [0, *sorted(cuts), len(planned)]
    for start, end in pairwise(ends):
        part = total.empty()
        part.add(analyze(planned[start:end], BlockSettings(AnalyzerSettings(), True, True, True)))
        total.merge(pickle.loads(pickle.dumps(part)))
    whole, summed = (found.build(TfidfSettings(unit=unit)) for found in (builder, apart))
    assert summed.stats == whole.stats
    assert [(t.term, t.df, t.cf) for t in summed] == [(t.term, t.df, t.cf) for t in whole]
    assert list(apart._words.items()) == list(builder._words.items())


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_a_killed_ingest_leaves_no_file_and_no_process(tmp_path):
    path, temporary = tmp_path / "rows.jsonl", tmp_path / "tmp"
    temporary.mkdir()
    rows = records(100)
    path.write_text(
        "".join(json.dumps({**row, "id": f"{row['id']}-{k}"}) + "\n" for k in range(60) for row in rows),
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "cli", "ingest", str(path), "--corpus", "c", "--as", "records", "--workers", "2"]
    with subprocess.Popen(
        [
            *command,
            "--spaces",
            "tfidf,word2vec",
            "--store",
            str(tmp_path / "store"),
            "--rejected",
            str(tmp_path / "bad.jsonl"),
        ],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 60
        while len(group(process.pid)) < 3 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        workers = group(process.pid)
        process.send_signal(signal.SIGKILL)
    assert len(workers) >= 3
    deadline = time.monotonic() + 20
    while group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert group(process.pid) == []
    assert list(temporary.iterdir()) == []


def group(session):
    """The processes of a session that are not dead yet."""
    import psutil

    found = []
    for process in psutil.process_iter(["pid", "status"]):
        try:
            if os.getsid(process.pid) == session and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except ProcessLookupError:
            continue
    return found
