"""Ingest rate and peak memory with the dense space left out, on text made here.

Makes a file of Chinese records of the given size, ingests it in a fresh process, and prints MB a
minute, the seconds of each stage, the processor time and the peak resident memory. Then the same
command once more, where nothing has changed, and how many times faster that is.

    python scripts/bench_ingest.py [--megabytes 12] [--text FILE --encoding E] [--spaces A,B] [--workers 0 1 2]

``--text`` takes its sentences from a file (UTF-8 or ``--encoding``) instead of the sample tale. Where
the processor time is far below the total of one core, something else was running: measure again.
"""

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def make(path: Path, text: str, megabytes: float) -> None:
    """Records of about 300 characters: sentences in random order, with a rare name each."""
    rng = random.Random(3)
    sentences = [s + "。" for s in text.replace("\n", "").split("。") if len(s) > 4]
    letters = sorted({c for c in "".join(sentences) if "一" <= c <= "鿿"})
    names = ["".join(rng.choices(letters, k=2)) for _ in range(20_000)]
    written = number = 0
    with path.open("w", encoding="utf-8") as file:
        while written < megabytes * 1e6:
            body = rng.choice(names) + "说：" + "".join(rng.choices(sentences, k=8))
            line = json.dumps({"_id": str(number), "title": f"第{number}条", "text": body}, ensure_ascii=False) + "\n"
            file.write(line)
            written += len(line.encode())
            number += 1


def child(path: str, store: str, spaces: str, workers: int) -> None:
    """One ingest in this process; prints its report, processor time and peak memory as JSON."""
    from ingest import CorpusOptions, ingest

    options = CorpusOptions(spaces=tuple(spaces.split(",")))
    report = ingest([path], "bench", store=store, options=options, workers=workers)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(one.ru_utime + one.ru_stime for one in used)
    print(json.dumps({"report": report.model_dump(mode="json"), "cpu": cpu, "peak_mb": used[0].ru_maxrss / 1024}))


def run(path: Path, store: Path, spaces: str, workers: int) -> dict[str, Any]:
    """One ingest in a fresh process; what ``child`` printed."""
    command = [sys.executable, __file__, "--spaces", spaces, "--workers", str(workers)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "--child", str(path), str(store)], check=True, capture_output=True, text=True, env=environment
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Make the file, ingest it, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=12)
    parser.add_argument("--text", type=Path, default=ROOT / "samples" / "tale.txt")
    parser.add_argument("--encoding", default="utf-8")
    parser.add_argument("--spaces", default="tfidf,word2vec")
    parser.add_argument("--workers", type=int, nargs="+", default=[0])
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.child, arguments.spaces, arguments.workers[0])
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.jsonl"
        make(path, arguments.text.read_text(encoding=arguments.encoding), arguments.megabytes)
        size = path.stat().st_size / 1e6
        print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        for workers in arguments.workers:
            store = Path(folder) / f"store{workers}"
            found = run(path, store, arguments.spaces, workers)
            again = run(path, store, arguments.spaces, workers)
            _print(found, again, size, f"spaces {arguments.spaces}, {workers} workers")


def _print(found: dict[str, Any], again: dict[str, Any], size: float, what: str) -> None:
    seconds = found["report"]["seconds"]
    total = seconds["total"]
    print(f"{size:.1f} MB of records, {what}: {size / total * 60:.1f} MB a minute")
    print("  seconds by stage: " + ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items()))
    print(f"  {found['report']['passages']:,} passages, {found['report']['terms']:,} terms")
    print(f"  processor time {found['cpu']:.1f} s, peak memory {found['peak_mb']:.0f} MB")
    second = again["report"]["seconds"]["total"]
    print(f"  the same again, unchanged: {second:.2f} s, {total / second:.0f} times faster")


if __name__ == "__main__":
    main()
