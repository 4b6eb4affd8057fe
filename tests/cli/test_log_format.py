"""``--log-format json``: every line on stderr is JSON, however the command ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
JSON = ("--log-format", "json")


def events(said):
    found = [json.loads(line) for line in said.split("\n")[:-1]]
    assert all({"time", "level", "logger", "event"} <= set(event) for event in found)
    return found


def xunyi(tmp_path, *arguments, **environment):
    command = [sys.executable, "-m", "cli", *arguments]
    settings = {**os.environ, "XUNYI_STORE": str(tmp_path / "store"), **environment}
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, encoding="utf-8", check=False)
    return done.returncode, events(done.stderr)


def test_rows_set_aside_and_warnings_are_events(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": "é", "text": "x"}\n' + '{"id": "é", "text": "y"}\n' * 22 + "{broken\n", encoding="utf-8")
    ingest = ("ingest", str(rows), "--corpus", "c", "--spaces", "tfidf")
    # A stderr that cannot take é must not make it \\xe9, which is no JSON.
    code, found = xunyi(tmp_path, *ingest, *JSON, PYTHONIOENCODING="ascii")
    aside = [event for event in found if event["event"] == "set aside"]
    assert code == 0
    assert [event.get("line") for event in aside] == [*range(2, 22), None]
    assert "repeats the id 'é'" in aside[0]["reason"]
    assert {event["level"] for event in aside} == {"warning"}
    assert aside[-1]["more"] == 3
    code, found = xunyi(tmp_path, *ingest, "--prune", "--log-format=json")
    assert code == 0
    assert [event["level"] for event in found if event["event"].startswith("Nothing was removed")] == ["warning"]


def test_every_stage_of_a_refit_says_how_much_it_is_about(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": "1", "text": "a lake"}\n{"id": "2", "text": "a house"}\n', encoding="utf-8")
    xunyi(tmp_path, "ingest", str(rows), "--corpus", "c", "--spaces", "tfidf", *JSON)
    code, found = xunyi(tmp_path, "refit", "c", *JSON)
    assert code == 0
    stages = [event["event"] for event in found if event["logger"] == "xunyi.build"]
    assert stages == ["read", "fit", "encode", "write", "optimize", "total"]
    assert {(event["documents"], event["passages"]) for event in found if event["event"] in stages} == {(2, 2)}


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (("ingest", "none.csv", "--corpus", "c", *JSON), 3, "InputError"),
        (("ingest", "none.csv", *JSON), 2, "UsageError"),
        (("ingest", *JSON, "--nonsense"), 2, "UsageError"),
        (("ingest", "--corpus", "../c", "none.csv", *JSON), 2, "UsageError"),
        (("refit", "none", "--log-format=json"), 4, "CorpusNotFound"),
        (("rebuild", "none", "--max-tokens", "many", *JSON), 2, "UsageError"),
        (("spaces", "add", "none", "bundled", *JSON), 4, "CorpusNotFound"),
        (("serve", "--host", "0.0.0.0", *JSON), 2, "UsageError"),
        (("nonsense", *JSON), 2, "UsageError"),
    ],
    ids=str,
)
def test_an_error_is_one_event_with_its_kind_and_exit_code(tmp_path, arguments, code, kind):
    ended, (event,) = xunyi(tmp_path, *arguments)
    assert (ended, event["level"], event["kind"], event["exit_code"]) == (code, "error", kind, code)
    assert not event["event"].startswith("xunyi:")


def test_bytes_that_are_no_text_are_a_decode_error(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes('{"text": "酒店"}\n'.encode("gb18030"))
    code, (event,) = xunyi(
        tmp_path, "ingest", str(path), "--corpus", "c", "--encoding", "utf-8", "--as", "novel", *JSON
    )
    assert (code, event["kind"], event["exit_code"]) == (3, "DecodeError", 3)


def run(program, tmp_path, *arguments):
    code = f"import os, signal, sys, warnings\nsys.argv = {['xunyi', *arguments]!r}\n{program}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, events(done.stderr)


def test_a_librarys_warning_and_a_defect_are_events(tmp_path):
    program = """
import ingest, logging
def broken(*args, **kwargs):
    warnings.warn("old")
    logging.getLogger("library").warning("hm")
    raise RuntimeError("a\\ndefect")
ingest.ingest = broken
from cli.entry import main
main()
"""
    code, found = run(program, tmp_path, "ingest", "a.csv", "--corpus", "c", *JSON)
    assert code == 1
    assert [event["logger"] for event in found] == ["py.warnings", "library", "xunyi.cli"]
    assert (found[-1]["event"], found[-1]["kind"]) == ("a\ndefect", "RuntimeError")
    assert "Traceback" in found[-1]["traceback"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("module", ["cli.main", "cli.ingest", "ingest.run"])
def test_a_command_that_is_stopped_says_so_in_one_event(tmp_path, module, number, code):
    program = f"""
class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), {int(number)})
sys.meta_path.insert(0, Stop())
from cli.entry import main
main()
"""
    ended, (event,) = run(program, tmp_path, "ingest", "a.csv", "--corpus", "c", *JSON)
    assert (ended, event["kind"], event["exit_code"], event["level"]) == (code, "Stopped", code, "error")
    assert event["event"].startswith("Stopped. ")
    assert event["logger"] == "xunyi.cli"


def test_the_last_option_counts_and_none_after_two_dashes():
    from cli.asked import json_log

    assert json_log(["ingest", "--log-format", "text", "--log-format=json"])
    assert not json_log(["ingest", *JSON, "--log-format", "text"])
    assert not json_log(["ingest", "--", *JSON])
    assert not json_log(["ingest", "--log-format"])
