"""Spaces added to a corpus that stands, on both stores and from the command line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.main import cli, main
from ingest import CorpusOptions, ingest
from ingest.refit import refit
from ingest.spaces import add_spaces, give_up, remove_spaces
from schemas.errors import CorpusError, EncoderMismatch, UsageError, XunyiError
from schemas.spaces import Shelf
from search import Corpus, search
from stores.opening import open_store
from tests.kept import PLACES, Stopped, points, stop_at, without

pytest.importorskip("torch")
pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

ROOT = Path(__file__).resolve().parent.parent.parent
LEXICAL = CorpusOptions(spaces=("tfidf", "word2vec"))
TFIDF = CorpusOptions(spaces=("tfidf",))  # Word2Vec trains in a process of its own, which takes a second each time


def records(path, count=150, extra=""):
    rows = [
        {"id": f"r{n}", "title": f"House {n}", "text": f"A quiet hotel near the {PLACES[n % 8]}, room {n}. {extra}"}
        for n in range(count)
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_added_spaces_are_those_of_an_ingest_and_all_others_stay_to_the_bit(store, tmp_path, bge_folder):
    rows = records(tmp_path / "r.jsonl", 20)
    ingest([rows], "c", store=store, options=LEXICAL)
    before = {shelf: points(store, "c", shelf) for shelf in Shelf}
    report = add_spaces("c", str(bge_folder), store=store, options={"precision": "float32"})
    assert report.added == {"dense": "dense", "sparse": "sparse"}
    for shelf in Shelf:
        assert without(points(store, "c", shelf), "dense", "sparse") == before[shelf]
    whole = CorpusOptions(
        encoder=str(bge_folder), encoder_options={"precision": "float32"}, max_tokens=60, spaces=("dense", "sparse")
    )
    ingest([rows], "d", store=store, options=whole)
    for shelf, spaces in ((Shelf.PASSAGES, ("dense", "sparse")), (Shelf.DOCUMENTS, ("dense",))):
        found = {p["document_id"]: v for p, v in points(store, "c", shelf).values()}
        for payload, vectors in points(store, "d", shelf).values():
            mine = found[payload["document_id"]]
            assert mine["dense"] == pytest.approx(vectors["dense"], abs=1e-5)
            for space in spaces[1:]:
                assert mine[space]["indices"] == vectors[space]["indices"]
    again = add_spaces("c", str(bge_folder), store=store, options={"precision": "float32"})
    assert (again.added, again.stood) == ({}, ["dense", "sparse"])
    assert {name.split(".")[1] for name in store.list_collections() if name.startswith("c.")} == {"g2"}


def test_a_second_dense_model_gets_a_name_of_its_own_and_each_is_asked_alone(store, tmp_path, bge_folder, qwen_folder):
    ingest([records(tmp_path / "r.jsonl", 12)], "c", store=store, options=CorpusOptions(encoder=str(bge_folder)))
    report = add_spaces("c", str(qwen_folder), store=store, options={"dimensions": 16})
    second = f"dense-{qwen_folder.name}"
    assert report.added == {second: "dense"}
    with Corpus("c", store) as opened:
        assert opened.manifest.spaces[second].dim == 16
        hits = opened.search("客栈", spaces=[second]).hits
        assert [m.encoder is not None for m in opened.encoder._members] == [False, True]
        assert set(hits[0].spaces) == {second}
        assert {"dense", "sparse", second} <= set(opened.search("客栈").hits[0].spaces)
    rows = records(tmp_path / "r.jsonl", 13)
    assert ingest([rows], "c", store=store).added == 1
    for shelf in (Shelf.PASSAGES, Shelf.DOCUMENTS):
        assert all(second in vectors for _, vectors in points(store, "c", shelf).values())


def test_a_taken_name_is_refused_with_both_encoders(store, tmp_path, bge_folder, qwen_folder):
    ingest([records(tmp_path / "r.jsonl", 6)], "c", store=store, options=CorpusOptions(encoder=str(bge_folder)))
    with pytest.raises(CorpusError, match=r"bge-m3.*small-qwen2.*--as dense="):
        add_spaces("c", str(qwen_folder), store=store, names={"dense": "dense"})
    for spaces, names in ((["colour"], {}), (None, {"dense": "tfidf"}), (None, {"dense": "a,b"}), (None, {"x": "y"})):
        with pytest.raises(UsageError):
            add_spaces("c", str(qwen_folder), store=store, spaces=spaces, names=names)
    with pytest.raises(UsageError, match="fitted"):
        add_spaces("c", "tfidf", store=store)
    with pytest.raises(EncoderMismatch, match="spaces add"):
        ingest([records(tmp_path / "r.jsonl", 6)], "c", store=store, options=CorpusOptions(encoder=str(qwen_folder)))


def test_a_stopped_run_is_taken_up_where_it_was_also_over_an_ingest(store, tmp_path, bge_folder):
    rows = records(tmp_path / "r.jsonl", 160)
    ingest([rows], "c", store=store, options=TFIDF)
    with pytest.raises(Stopped):
        add_spaces("c", str(bge_folder), store=store, progress=stop_at(128))
    before = points(store, "c", Shelf.PASSAGES)
    assert search("quiet hotel", "c", store=store).hits
    with pytest.raises(CorpusError, match="--unfinished"):
        refit("c", store=store)
    with pytest.raises(CorpusError, match=r"sparse.*unfinished"):
        add_spaces("c", str(bge_folder), store=store, spaces=["dense"])
    report = add_spaces("c", str(bge_folder), store=store)
    assert report.taken_over == 128
    assert without(points(store, "c", Shelf.PASSAGES), "dense", "sparse") == before
    undisturbed = points(store, "c", Shelf.PASSAGES)
    remove_spaces("c", ["dense", "sparse"], store=store)
    assert points(store, "c", Shelf.PASSAGES) == before
    with pytest.raises(Stopped):
        add_spaces("c", str(bge_folder), store=store, progress=stop_at(128))
    # Documents are made in the order in which they were ingested: fifteen of those that stand are gone now.
    rows.write_text("".join(rows.read_text(encoding="utf-8").splitlines(keepends=True)[15:]), encoding="utf-8")
    ingest([rows], "c", store=store, prune=True)
    report = add_spaces("c", str(bge_folder), store=store)
    assert report.taken_over == 128 - 15
    found = points(store, "c", Shelf.PASSAGES)
    assert found == {point: value for point, value in undisturbed.items() if point in found}
    assert len(found) == len(points(store, "c", Shelf.DOCUMENTS)) == 145


def test_an_unfinished_change_can_be_given_up(store, tmp_path, bge_folder):
    ingest([records(tmp_path / "r.jsonl", 20)], "c", store=store, options=TFIDF)
    before = {shelf: points(store, "c", shelf) for shelf in Shelf}
    with pytest.raises(Stopped):
        add_spaces("c", str(bge_folder), store=store, progress=stop_at(1))
    assert give_up("c", store=store).removed == ["dense", "sparse"]
    assert {name.split(".")[1] for name in store.list_collections()} == {"g1"}
    assert {shelf: points(store, "c", shelf) for shelf in Shelf} == before
    assert refit("c", store=store).generation == 2
    for wrong in ("tfidf", "dense"):
        with pytest.raises(UsageError):
            remove_spaces("c", [wrong], store=store)


# -- from the command line -----------------------------------------------------------------------


@pytest.fixture
def xunyi(tmp_path):
    def start(*args):
        return subprocess.Popen(
            [sys.executable, "-m", "cli", *map(str, args)],
            cwd=ROOT,
            env={**os.environ, "XUNYI_STORE": str(tmp_path / "store"), "PYTHONIOENCODING": "utf-8"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    return start


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """Runs a command in this process, where torch is loaded already; a process of its own takes seconds to load it."""

    def run(*args):
        monkeypatch.setenv("XUNYI_STORE", str(tmp_path / "store"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(part) for part in args])
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_killed_while_it_encodes_it_goes_on_and_changed_weights_are_refused(xunyi, here, tmp_path, bge_folder, copied):
    import torch

    folder = copied(bge_folder)
    with open_store(str(tmp_path / "store")) as store:
        ingest([records(tmp_path / "r.jsonl", 250)], "c", store=store, options=TFIDF)
    command = ("spaces", "add", "c", folder, "--spaces", "sparse,colbert", "--precision", "float32")
    process = xunyi(*command)
    with process:
        assert "encoding" in process.stderr.readline()
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
    code, out, err = here(*command, "--json")
    assert code == 0, err
    assert json.loads(out)["passages"] == 250
    code, out, err = here("search", "quiet hotel", "--corpus", "c", "--spaces", "colbert", "--json")
    assert code == 0, err
    assert json.loads(out)["hits"][0]["spaces"].keys() == {"colbert"}
    torch.save(torch.nn.Linear(64, 1).state_dict(), folder / "sparse_linear.pt")
    code, _, err = here("search", "quiet hotel", "--corpus", "c")
    assert code == 4
    assert err.count("revision sha256.") == 2
    assert "Traceback" not in err


def test_options_reach_the_encoder_and_search_loads_it_with_them(here, tmp_path, qwen_folder):
    rows = records(tmp_path / "r.jsonl", 5)
    options = ("--dimensions", 16, "--precision", "float32", "--encoder-option", "query_prompt=问：")
    made = ("ingest", rows, "--corpus", "c", "--encoder", qwen_folder, "--spaces", "dense", "--max-tokens", 40)
    code, _, err = here(*made, *options)
    assert code == 0, err
    with open_store(str(tmp_path / "store")) as store:
        manifest = store.read_manifest("c")
    assert manifest.spaces["dense"].dim == 16
    assert manifest.encoders["dense"].prompts["query"] == "问："
    code, out, err = here("search", "清溪", "--corpus", "c", "--json")
    assert code == 0, err
    assert json.loads(out)["hits"]
    store = ("--store", tmp_path / "other")
    for wrong, said in (
        (("--dimensions", 999), "48 dimensions"),
        (("--task", "x"), "query_prompt"),
        (("--encoder-option", "colour=red"), "no option 'colour'"),
        (("--encoder-option", "token_budget=many"), "whole number"),
        (("--device", "gpu"), "device"),
        (("--encoder-option", "x"), "KEY=VALUE"),
    ):
        with pytest.raises(XunyiError, match=said):
            cli.main([str(part) for part in (*made, *store, *wrong)], standalone_mode=False)
