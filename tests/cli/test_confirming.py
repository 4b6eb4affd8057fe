"""Questions before something is lost, and numbers of generations as people write them."""

import json
from io import StringIO

import pytest

from cli.main import main
from ingest import CorpusOptions, ingest
from ingest.refit import refit
from stores.opening import open_store
from stores.snapshots import snapshots_of

ROWS = '{"id": "a", "text": "A quiet lodge on the lake."}\n{"id": "c", "text": "Ski in."}\n'


@pytest.fixture
def snapshot(tmp_path, monkeypatch):
    """A snapshot of a corpus that has kept a generation since."""
    monkeypatch.setenv("XUNYI_STORE", str(tmp_path / "store"))
    (tmp_path / "rows.jsonl").write_text(ROWS, encoding="utf-8")
    with open_store(str(tmp_path / "store")) as store:
        ingest([tmp_path / "rows.jsonl"], "c", store=store, options=CorpusOptions(spaces=("tfidf",)))
        made = snapshots_of(store).create("c")
        refit("c", store=store, keep_old=True)
    return made.name


@pytest.fixture
def xunyi(capfdbinary, monkeypatch):
    def run(*args, answer=""):
        monkeypatch.setattr("sys.stdin", StringIO(answer))
        with pytest.raises(SystemExit) as ended:
            main(list(args))
        out, err = capfdbinary.readouterr()
        return ended.value.code or 0, out.decode("utf-8"), err.decode("utf-8")

    return run


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_who_does_not_agree_is_told_that_nothing_was_changed(xunyi, snapshot, answer):
    before = xunyi("generations", "list", "c")
    code, out, err = xunyi("snapshots", "restore", "c", snapshot, answer=answer)
    assert (code, out) == (1, "")
    assert f"Replace c as it is now by its snapshot {snapshot}?" in err
    assert err.endswith("xunyi: Nothing was changed; with --yes it is done without asking.\n")
    assert xunyi("generations", "list", "c") == before


def test_a_signal_instead_of_an_answer_ends_with_its_code(xunyi, snapshot, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("click.termui.visible_prompt_func", stopped)
    code, _, err = xunyi("snapshots", "restore", "c", snapshot)
    assert code == 130
    assert "Nothing was changed" in err


def test_a_restore_says_which_generations_are_still_kept(xunyi, snapshot):
    code, out, _ = xunyi("snapshots", "restore", "c", snapshot, answer="y\n")
    assert code == 0
    assert out.endswith("generation 1 is still kept: xunyi generations list c\n")
    assert json.loads(xunyi("snapshots", "restore", "c", snapshot, "--json")[1])["kept"] == [1]
    assert xunyi("generations", "restore", "c", "1")[0] == 0


def test_a_corpus_whose_manifest_is_damaged_is_restored_after_a_question(xunyi, snapshot, tmp_path):
    (tmp_path / "store" / "c" / "manifest.json").write_text("{", encoding="utf-8")
    code, out, err = xunyi("snapshots", "restore", "c", snapshot, answer="y\n")
    assert (code, out) == (0, f"Restored c {snapshot}: 2 documents, 2 passages\n")
    assert "whose manifest cannot be read, with all its generations by" in err


@pytest.mark.parametrize("number", ["abc", "-1", "0", "1.5", "9" * 5000, "١"])
@pytest.mark.parametrize("command", ["drop", "restore"])
def test_what_is_no_number_of_a_generation_is_a_sentence(xunyi, command, number):
    code, out, err = xunyi("generations", command, "c", "--", number)
    assert (code, out) == (2, "")
    assert err == f"xunyi: {number!r} is no number of a generation; `xunyi generations list c` shows which there are.\n"
