"""Ctrl-C and SIGTERM, whenever they come: one sentence, the exit code of a shell, nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.stopping import SENTENCE

ROOT = Path(__file__).resolve().parent.parent.parent
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    made = ({"id": str(n), "title": f"Row {n}", "text": f"word{n} water{n % 97} " * 40} for n in range(20_000))
    path.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
    return path


@pytest.mark.parametrize("module", ["cli.main", "click", "cli.ingest", "numpy", "ingest.run"])
@pytest.mark.parametrize("number", CODES)
def test_a_command_that_is_stopped_while_it_loads_says_so_in_a_sentence(tmp_path, number, module):
    code = f"""
import os, sys
class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), {int(number)})
sys.meta_path.insert(0, Stop())
sys.argv = ["xunyi", "ingest", "missing.csv", "--corpus", "c", "--store", {str(tmp_path / "store")!r}]
from cli.entry import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.split("\n", 1)[1] == f"xunyi: {SENTENCE}\n"
    assert done.returncode == CODES[number]


@pytest.mark.parametrize("number", CODES)
def test_an_ingest_with_workers_that_is_stopped_leaves_no_semaphore_and_no_traceback(tmp_path, rows, number):
    command = [sys.executable, "-m", "cli", "ingest", str(rows), "--corpus", "c", "--spaces", "tfidf", "--workers", "2"]
    with subprocess.Popen(
        [*command, "--store", str(tmp_path / "store")], cwd=ROOT, stderr=subprocess.PIPE, text=True, process_group=0
    ) as process:
        try:
            assert process.stderr.readline() == "reading ...\n"
            # A terminal's Ctrl-C, and what a service manager sends, goes to the workers as well.
            os.killpg(process.pid, number)
            said = process.communicate(timeout=60)[1]
        finally:
            process.kill()
    assert said.strip() == f"xunyi: {SENTENCE}"
    assert process.returncode == CODES[number]


@pytest.mark.parametrize("number", CODES)
def test_ctrl_c_again_while_workers_are_let_go_changes_nothing(tmp_path, rows, number):
    """It broke off what ends the workers, for whom the command then waited for ever."""
    command = [sys.executable, "-m", "cli", "ingest", str(rows), "--corpus", "c", "--spaces", "tfidf", "--workers", "2"]
    with subprocess.Popen(
        [*command, "--store", str(tmp_path / "store")], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr.readline() == "reading ...\n"
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            for _ in range(10):
                time.sleep(0.05)
                process.send_signal(number)
            said = process.communicate(timeout=60)[1]
        finally:
            process.kill()
    assert said.strip() == f"xunyi: {SENTENCE}"
    assert process.returncode == CODES[signal.SIGINT]


def test_who_asks_again_later_is_obeyed_at_once(tmp_path):
    code = """
import os, signal, time
from cli import stopping
stopping.unwind()
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    os.kill(os.getpid(), signal.SIGINT)
    stopping.PATIENCE = 0
    os.kill(os.getpid(), signal.SIGTERM)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == (f"\nxunyi: {SENTENCE}\n", 143)


@pytest.mark.parametrize("number", CODES)
def test_a_signal_while_the_interpreter_ends_does_not_take_the_exit_codes_place(number):
    code = f"""
import os, sys
from cli import stopping
stopping.leave_at_once()
stopping.unwind()
class Late:
    def __del__(self, kill=os.kill, process=os.getpid()):
        kill(process, {int(number)})
sys.late = Late()
sys.exit(130)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 130)


def test_a_signal_that_was_ignored_stays_so():
    code = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.argv = ["xunyi", "--version"]
try:
    from cli.entry import main
    main()
finally:
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
