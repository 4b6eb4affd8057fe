"""Latency of a corpus's own queries, one by one and in batches, with encoding, snippets and all.

Asks the queries of a file (BEIR's ``queries.jsonl``) of a corpus that stands, in the two ways in turn, and
prints the medians over the rounds of what a query takes to encode and to search, and their ratios.

    python scripts/bench_queries.py papers --queries queries.jsonl [--batch 100] [--rounds 5] [--by document]
"""

import argparse
import os
import platform
import statistics
import time
from pathlib import Path

from search import Corpus
from search.query_files import read_queries

WARM = 20
"""Queries asked before anything is timed."""


def main() -> None:
    """Ask and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--store", help="folder or URL [default: XUNYI_STORE]")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--by", choices=["passage", "document"], default="passage")
    arguments = parser.parse_args()
    queries = list(read_queries(arguments.queries).values())[: arguments.batch]
    grouped = arguments.by == "document"
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {len(queries)} queries")
    with Corpus(arguments.corpus, arguments.store) as corpus:
        corpus.search_many(queries[:WARM], by_document=grouped)
        for query in queries[:WARM]:
            corpus.search(query, by_document=grouped)
        rounds = []
        for _ in range(arguments.rounds):
            started = time.perf_counter()
            alone = [corpus.search(query, by_document=grouped) for query in queries]
            singly = time.perf_counter() - started
            started = time.perf_counter()
            together = corpus.search_many(queries, by_document=grouped)
            batch = time.perf_counter() - started
            if [found.hits for found in alone] != [found.hits for found in together]:
                raise SystemExit("a batch found other hits than its queries one by one")
            encode = sum(found.took_ms.encode for found in alone), together[0].took_ms.encode
            search = sum(found.took_ms.search for found in alone), together[0].took_ms.search
            rounds.append((*encode, *search, 1e3 * singly, 1e3 * batch))
    columns = [[value / len(queries) for value in column] for column in zip(*rounds, strict=True)]
    print(f"{'ms a query':12} {'alone':>7} {'batch':>7} {'ratio':>6}")
    for place, name in enumerate(("encode", "search", "whole")):
        one, many = columns[2 * place], columns[2 * place + 1]
        ratio = statistics.median(a / b for a, b in zip(one, many, strict=True))
        print(f"{name:12} {statistics.median(one):7.2f} {statistics.median(many):7.2f} {ratio:6.2f}")


if __name__ == "__main__":
    main()
