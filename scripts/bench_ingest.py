"""Ingest rate and peak memory with the dense space left out, on text made here.

Makes a file of Chinese records of the given size, ingests it in a fresh process, and prints MB a
minute, the seconds of each stage, and the process's peak resident memory.

    python scripts/bench_ingest.py [--megabytes 12] [--text FILE]

``--text`` takes its sentences from a UTF-8 file instead of the sample tale.
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


def child(path: str, store: str, spaces: str) -> None:
    """One ingest in this process; prints its report and peak memory as JSON."""
    from ingest import CorpusOptions, ingest

    report = ingest([path], "bench", store=store, options=CorpusOptions(spaces=tuple(spaces.split(","))))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"report": report.model_dump(mode="json"), "peak_mb": peak / 1024}))


def main() -> None:
    """Make the file, ingest it, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=12)
    parser.add_argument("--text", type=Path, default=ROOT / "samples" / "tale.txt")
    parser.add_argument("--spaces", default="tfidf,word2vec")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.child, arguments.spaces)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.jsonl"
        make(path, arguments.text.read_text(encoding="utf-8"), arguments.megabytes)
        size = path.stat().st_size / 1e6
        command = [sys.executable, __file__, "--spaces", arguments.spaces, "--child", str(path), f"{folder}/store"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        found = json.loads(done.stdout)
        seconds = found["report"]["seconds"]
        print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        print(f"{size:.1f} MB of records, spaces {arguments.spaces}: {size / seconds['total'] * 60:.1f} MB a minute")
        print("seconds by stage: " + ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items()))
        print(f"{found['report']['passages']:,} passages, {found['report']['terms']:,} terms")
        print(f"peak memory {found['peak_mb']:.0f} MB")


if __name__ == "__main__":
    main()
