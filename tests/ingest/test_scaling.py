"""The sums of docs/scaling.md come out as it prints them, and the limits it names are those of the code."""

import contextlib
import io
import re
from pathlib import Path

from ingest.executors import AHEAD

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")


def test_the_program_for_a_billion_passages_prints_what_stands_below_it():
    [(program, printed)] = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", TEXT, re.DOTALL)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(program, "docs/scaling.md", "exec"), {})
    assert out.getvalue() == printed


def test_the_named_limits_are_those_of_the_code():
    from ingest import ray_executor, ray_results

    words = {2: "two", 3: "three", 16: "sixteen"}
    assert f"{words[AHEAD]} blocks a worker are in flight" in TEXT
    assert f"{words[AHEAD]} batches each are in flight" in TEXT
    assert f"{words[ray_executor.FAN_IN]} counts become one" in TEXT
    assert f"done again, {words[ray_results.RESTARTS]} times" in TEXT
