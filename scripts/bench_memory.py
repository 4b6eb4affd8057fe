"""Peak memory of ``xunyi ingest`` as its input grows.

Makes files of records of each size, ingests each with a process of its own, and prints the peak
resident memory (of that process, or of one it started where that held more), how much of its own was
not file-backed, what all took together (the one that trains Word2Vec, those that join segments), and
the first as a ratio to the smallest file's.

    python scripts/bench_memory.py [--megabytes 10 30 100] [--language zh|en] [--format jsonl|csv]
    python scripts/bench_memory.py --megabytes 10 100 1000        # several hours
    python scripts/bench_memory.py --megabytes 20 60 200 --part-points 40000

With ``--part-points`` a collection's parts are so small, and a few hundred MB make as many of them as some GB do.

The text is made here, so that the vocabulary grows as it does in real text (Heaps' law): words
by Zipf's law from a vocabulary without an end. ``--text FILE`` takes sentences from a UTF-8 file
instead, in random order; its vocabulary then stops growing.
"""

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

IN_PARTS = """
import sys
from pathlib import Path
from ingest import CorpusOptions, ingest
from stores.embedded import EdgeStore

path, folder, spaces, points = sys.argv[1:]
with EdgeStore(Path(folder), part_points=int(points)) as store:
    print(ingest(path, "bench", store=store, options=CorpusOptions(spaces=spaces.split(","))).model_dump_json())
"""
"""An ingest like the command line's, with parts of so many points."""

ROOT = Path(__file__).resolve().parent.parent
WORDS_A_RECORD = {"zh": 200, "en": 60}
ZIPF = 1.25
"""Exponent over ranks without end: about what novels of a few MB show once the commonest words are past."""


def words_of(language: str) -> Callable[[int], str]:
    """Word number ``rank`` of a made language: the same in every run, longer where it is rarer."""
    letters = [chr(code) for code in range(0x4E00, 0x4E00 + 4000)] if language == "zh" else list("etaoinshrdlucmfwyp")

    def word(rank: int) -> str:
        number, made = rank * 2654435761 % 2**40, ""
        length = min(4, 1 + (rank > 300) + (rank > 50_000)) if language == "zh" else 2 + len(str(rank))
        for _ in range(length):
            # Squared: letters themselves are unevenly frequent.
            made += letters[int((number % 1009 / 1009) ** 2 * len(letters))]
            number = number * 6364136223846793005 // 1009 % 2**40
        return made

    return word


def made_texts(language: str, seed: int = 5) -> Iterator[str]:
    """Texts without end, one a record."""
    rng = np.random.default_rng(seed)
    word = words_of(language)
    stop, blank = ("。", "") if language == "zh" else (". ", " ")
    while True:
        ranks = np.minimum(rng.zipf(ZIPF, WORDS_A_RECORD[language]), 2**40).tolist()
        sentences = [ranks[at : at + 15] for at in range(0, len(ranks), 15)]
        yield stop.join(blank.join(map(word, sentence)) for sentence in sentences) + stop.strip()


def texts_from(path: Path, seed: int = 5) -> Iterator[str]:
    """Texts without end, of eight sentences of a file each."""
    rng = np.random.default_rng(seed)
    text = path.read_text(encoding="utf-8").replace("\n", " ").replace("。", "。\0").replace(". ", ". \0")
    found = [sentence for sentence in text.split("\0") if len(sentence) > 4]
    while True:
        yield "".join(found[at] for at in rng.integers(0, len(found), 8))


def write_records(path: Path, texts: Iterator[str], megabytes: float) -> None:
    """A JSONL or CSV file of at least so many bytes."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file) if path.suffix == ".csv" else None
        if table is not None:
            table.writerow(["id", "title", "text"])
        number = 0
        while number % 100 or file.tell() < megabytes * 1e6:
            row = [str(number), f"Record {number}", next(texts)]
            if table is not None:
                table.writerow(row)
            else:
                file.write(json.dumps(dict(zip(("id", "title", "text"), row, strict=True)), ensure_ascii=False) + "\n")
            number += 1


def memory_of(process: int) -> tuple[float, float]:
    """Resident and anonymous MB of a process now, where the system says (Linux)."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    # Not its maps: to add those up holds the process up, five times a second.
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.startswith(("VmRSS", "RssAnon"))}
    return sizes.get("VmRSS", 0.0), sizes.get("RssAnon", 0.0)


def children_of(process: int) -> list[int]:
    """The children of a process, and theirs."""
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:
            continue
    return [*found, *(later for child in found for later in children_of(child))]


def ingest(path: Path, store: Path, spaces: str, trace: Path | None, part_points: int | None) -> dict:
    """One ``xunyi ingest`` in a process of its own: its report and its peaks in MB."""
    if part_points is None:
        command = [sys.executable, "-m", "cli", "ingest", str(path), "--corpus", "bench", "--store", str(store)]
        command += ["--as", "records", "--spaces", spaces, "--json"]
    else:
        command = [sys.executable, "-c", IN_PARTS, str(path), str(store), spaces, str(part_points)]
    report = store.with_suffix(".json")
    anonymous = together = 0.0
    started = time.monotonic()
    with report.open("wb") as out, subprocess.Popen(command, stdout=out, cwd=ROOT) as child:
        samples = []
        while True:
            done, status, usage = os.wait4(child.pid, os.WNOHANG)
            if done:
                child.returncode = os.waitstatus_to_exitcode(status)
                break
            resident, own = memory_of(child.pid)
            anonymous = max(anonymous, own)
            together = max(together, resident + sum(memory_of(other)[0] for other in children_of(child.pid)))
            samples.append(f"{time.monotonic() - started:.1f}\t{resident:.0f}\t{own:.0f}\n")
            time.sleep(0.2)
    if child.returncode:
        raise SystemExit(f"xunyi ingest ended with {child.returncode}")
    if trace is not None:
        with trace.open("a") as file:
            file.writelines(samples)
    # ru_maxrss counts in KB on Linux, in bytes on macOS.
    peak = usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    return {"report": json.loads(report.read_text()), "peak": peak, "anonymous": anonymous, "together": together}


def main() -> None:
    """Make the files, ingest them, print the curve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, nargs="+", default=[10, 30, 100])
    parser.add_argument("--language", choices=["zh", "en"], default="zh")
    parser.add_argument("--format", choices=["jsonl", "csv"], default="jsonl")
    parser.add_argument("--text", type=Path, help="take sentences from this UTF-8 file")
    parser.add_argument("--spaces", default="tfidf,word2vec")
    parser.add_argument("--folder", type=Path, help="where to work [default: the system's temporary folder]")
    parser.add_argument("--trace", type=Path, help="append seconds, resident and anonymous MB to this file")
    parser.add_argument("--part-points", type=int, help="points of a part of the store [default: as it has them]")
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {arguments.spaces}")
    print(
        f"{'input MB':>9} {'passages':>9} {'terms':>9} {'minutes':>8} {'peak MB':>8} {'own MB':>7} "
        f"{'together':>8} {'ratio':>6}"
    )
    first = None
    for megabytes in sorted(arguments.megabytes):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            path = Path(folder) / f"records.{arguments.format}"
            texts = texts_from(arguments.text) if arguments.text else made_texts(arguments.language)
            write_records(path, texts, megabytes)
            found = ingest(path, Path(folder) / "store", arguments.spaces, arguments.trace, arguments.part_points)
            report, peak = found["report"], found["peak"]
            first = first or peak
            print(
                f"{path.stat().st_size / 1e6:9.1f} {report['passages']:9,} {report['terms']:9,} "
                f"{report['seconds']['total'] / 60:8.1f} {peak:8.0f} {found['anonymous']:7.0f} "
                f"{found['together']:8.0f} {peak / first:6.2f}",
                flush=True,
            )
            print("          seconds: " + ", ".join(f"{k} {v:.0f}" for k, v in report["seconds"].items()), flush=True)


if __name__ == "__main__":
    main()
