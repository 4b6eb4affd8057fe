"""How well the stages of an ingest overlap: its wall time against that of its slowest stage alone.

Each round does every stage by itself, with all of its input in memory and its output thrown away: reading
the files, splitting and counting, sending blocks from a worker (their pickles), to disk and back, fitting,
encoding, writing to a fresh embedded store, indexing; then the two passes in which they overlap, and a whole
ingest as `xunyi ingest` does it. Prints medians of the rounds and three ratios: each pass to the slowest of
the stages in it, and the ingest to its slowest stage. What cannot overlap is that the vocabulary must be
fitted before the first TF-IDF vector is made, and that the encoder is loaded anew.

    python scripts/bench_overlap.py [--spaces dense,tfidf,word2vec] [--records 400] [--characters 120]
    python scripts/bench_overlap.py --spaces tfidf,word2vec --records 12000
    python scripts/bench_overlap.py --spaces dense,tfidf --milliseconds 20   # an encoder elsewhere

``--milliseconds`` takes the place of the bundled encoder by one that leaves the processors free and answers
after so long for each batch, as a GPU or an API does; its vectors are random.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import platform
import queue
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from encoders.base import Encoder
from encoders.bundled import BundledEncoder
from encoders.lexical import LexicalEncoder
from ingest import CorpusOptions, ReadOptions, stages
from ingest import write as writing
from ingest.blocks import Block, in_blocks
from ingest.corpus import create_shelves, new_manifest
from ingest.executors import make_executor
from ingest.fit import Fitter, write_fit
from ingest.payloads import FieldTypes
from ingest.plan import Planner
from ingest.readers import MetIds, open_sources
from ingest.reading import block_maker, documents_of, read_into
from ingest.run import ingest
from ingest.spool import Spool
from schemas.spaces import Shelf, VectorBatch
from stores.base import Store, collection_name
from stores.opening import open_store

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("read", "split", "send", "spool", "fit", "encode", "write", "optimize")
CORPUS = "bench"


class Elsewhere(BundledEncoder):
    """Answers after a while with random vectors, as a device or a server does; counts tokens as the bundled one."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def encode_passages(self, texts: Sequence[str]) -> dict[str, VectorBatch]:
        """Vectors of unit length."""
        time.sleep(self._seconds)
        rows = np.random.default_rng(len(texts)).normal(size=(len(texts), 384)).astype(np.float32)
        return {"dense": rows / np.linalg.norm(rows, axis=1, keepdims=True)}


def make(path: Path, records: int, characters: int) -> None:
    """Records of sentences of the sample tale in random order, with a rare name each."""
    pick = random.Random(3)
    text = (ROOT / "samples" / "tale.txt").read_text(encoding="utf-8")
    sentences = [part + "。" for part in text.replace("\n", "").split("。") if len(part) > 4]
    with path.open("w", encoding="utf-8") as file:
        for number in range(records):
            body = "".join(chr(pick.randint(0x4E00, 0x9F00)) for _ in range(2)) + "说："
            while len(body) < characters:
                body += pick.choice(sentences)
            file.write(
                json.dumps({"id": str(number), "title": f"第{number}条", "text": body}, ensure_ascii=False) + "\n"
            )


class Bench:
    """The stages of one ingest, each by itself and together: ``seconds``, and those of processors (``busy``)."""

    def __init__(self, path: Path, arguments: argparse.Namespace, folder: Path) -> None:
        self.path, self.folder, self.workers = path, folder, arguments.workers
        spaces = tuple(arguments.spaces.split(","))
        self.options = CorpusOptions(spaces=spaces)
        self.elsewhere = arguments.milliseconds is not None
        self.encoder: Encoder | None = None
        if "dense" in spaces:
            self.encoder = Elsewhere(arguments.milliseconds / 1000) if self.elsewhere else BundledEncoder()
            self.encoder.encode_passages(["warm"])
        self.manifest = new_manifest(CORPUS, self.options, self.encoder)
        self.lexical_spaces = any(name in spaces for name in ("tfidf", "word2vec"))
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self.busy: defaultdict[str, list[float]] = defaultdict(list)
        self.passages = self._stores = 0

    def round(self) -> None:
        """Every stage alone, then the passes, then all of it."""
        documents = self._timed("read", lambda: list(self._planned()))
        fitter = Fitter(self.manifest)
        blocks = self._timed("split", lambda: self._blocks(documents, fitter))
        self.passages = sum(block.passages for block in blocks)
        self._timed("send", lambda: [pickle.loads(pickle.dumps(block, 5)) for block in blocks])
        self._timed("spool", lambda: self._spool(blocks))
        with self._store() as store:
            lexical = self._timed("fit", lambda: self._fit(fitter, store))
            fitter.close()
            target = self._target(store, lexical)
            batches = self._timed("encode", lambda: list(writing._encoded(blocks, target, writing.Timings())))
            self._timed("write", lambda: self._write(batches, target))
            self._timed("optimize", lambda: [store.optimize(name) for name in (target.passages, target.documents)])
        spool, fitter = Spool(), Fitter(self.manifest)
        self._timed("reading pass", lambda: self._reading_pass(spool, fitter))
        fitter.close()
        with self._store() as store:
            target = self._target(store, lexical)
            self._timed("writing pass", lambda: [*writing.write_documents(spool, target)])
        spool.close()
        self._timed("ingest", self._ingest)

    def _ingest(self) -> None:
        """A whole ingest; an encoder elsewhere has no name by which it could be asked for."""
        load = stages.encoder_for
        if self.elsewhere:
            stages.encoder_for = lambda _: self.encoder
        try:
            ingest([self.path], CORPUS, store=self._folder(), options=self.options, workers=self.workers)
        finally:
            stages.encoder_for = load

    def _timed(self, what: str, run: Callable[[], Any]) -> Any:
        start, busy = time.perf_counter(), time.process_time()
        result = run()
        self.seconds[what].append(time.perf_counter() - start)
        self.busy[what].append(time.process_time() - busy)
        return result

    def _planner(self) -> Planner:
        return Planner(None, CORPUS, None, titles=True)  # type: ignore[arg-type] - a new corpus is not looked up

    def _items(self) -> Iterator[Any]:
        return documents_of(open_sources([self.path], ReadOptions()), ReadOptions(), False, MetIds())

    def _planned(self) -> Iterator[Any]:
        return self._planner().run(self._items(), lambda _: None)

    def _blocks(self, documents: Sequence[Any], fitter: Fitter) -> list[Block]:
        pool = make_executor(self.workers)
        maker = block_maker(self.manifest, self.encoder, sentences=self.lexical_spaces)
        blocks = []
        for block in pool.map(maker, in_blocks(documents), fitter.counts):
            fitter.keep(block)
            blocks.append(block)
        pool.close()
        return blocks

    def _spool(self, blocks: Sequence[Block]) -> None:
        spool = Spool()
        for block in blocks:
            spool.append(block)
        for _ in spool:
            pass
        spool.close()

    def _reading_pass(self, spool: Spool, fitter: Fitter) -> None:
        pool = make_executor(self.workers)
        maker = block_maker(self.manifest, self.encoder, sentences=self.lexical_spaces)
        read_into(spool, self._items(), self._planner(), maker, pool, FieldTypes(), fitter, lambda _: None)
        pool.close()

    def _fit(self, fitter: Fitter, store: Store) -> LexicalEncoder | None:
        if not self.lexical_spaces:
            return None
        self.manifest, lexical = write_fit(fitter, store, self.manifest)
        return lexical

    def _write(self, batches: Sequence[Any], target: writing.Target) -> None:
        work: queue.Queue[Any] = queue.Queue()
        for batch in [*batches, None]:
            work.put(batch)
        timings = writing.Timings()
        writing._writer(work, target, timings)
        if timings.errors:
            raise timings.errors[0]

    def _target(self, store: Store, lexical: LexicalEncoder | None) -> writing.Target:
        create_shelves(store, self.manifest)
        names = [collection_name(CORPUS, 1, shelf) for shelf in (Shelf.PASSAGES, Shelf.DOCUMENTS)]
        return writing.Target(store, CORPUS, *names, self.encoder, lexical, self.manifest.titles)

    def _folder(self) -> str:
        self._stores += 1
        return str(self.folder / f"store{self._stores}")

    def _store(self) -> Any:
        return open_store(self._folder())


def main() -> None:
    """Run the rounds, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spaces", default="dense,tfidf,word2vec")
    parser.add_argument("--records", type=int, default=400)
    parser.add_argument("--characters", type=int, default=120, help="of a record, at least")
    parser.add_argument("--workers", type=int, default=0, help="processes that split and count")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--milliseconds", type=float, help="for each batch, of an encoder elsewhere")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.jsonl"
        make(path, arguments.records, arguments.characters)
        bench = Bench(path, arguments, Path(folder))
        for _ in range(arguments.rounds):
            bench.round()
            print(", ".join(f"{what} {taken[-1]:.2f}" for what, taken in bench.seconds.items()), flush=True)
    cores = os.cpu_count()
    print(f"{platform.machine()}, {cores} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}")
    print(f"{bench.passages:,} passages, {arguments.spaces}, {arguments.workers} workers, {arguments.rounds} rounds")
    middle = {what: statistics.median(taken) for what, taken in bench.seconds.items()}
    print("alone: " + ", ".join(f"{stage} {middle[stage]:.2f} s" for stage in STAGES))
    each = {stage: 1e6 * statistics.median(bench.busy[stage]) / bench.passages for stage in STAGES}
    print("processor time a passage: " + ", ".join(f"{stage} {each[stage]:.0f} µs" for stage in STAGES))
    for what, parts in (
        ("reading pass", ("read", "split", "spool")),
        ("writing pass", ("encode", "write")),
        ("ingest", STAGES),
    ):
        if what in middle:
            slowest = max(parts, key=middle.__getitem__)
            share = statistics.median(
                whole / part for whole, part in zip(bench.seconds[what], bench.seconds[slowest], strict=True)
            )
            print(f"{what} {middle[what]:.2f} s: {share:.2f} times {slowest} alone")


if __name__ == "__main__":
    main()
