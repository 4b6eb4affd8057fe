"""Each title of a corpus as a query that must find its own document: BEIR's queries.jsonl and qrels.tsv.

Ingest the corpus with ``--no-titles``, or the titles are found as themselves:

    xunyi ingest novel.txt --corpus novel --as novel --no-titles
    python scripts/title_queries.py novel --queries queries.jsonl --qrels qrels.tsv
    xunyi evaluate novel --queries queries.jsonl --qrels qrels.tsv
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from schemas.spaces import Shelf
from search import Corpus


def title_queries(corpus: Corpus) -> dict[str, tuple[str, list[str]]]:
    """Query ids with the title's text and the documents that bear it; equal titles are one query."""
    by_title: dict[str, list[str]] = {}
    wanted = ["title", "document_id"]
    for record in corpus.store.scroll(corpus.collection(Shelf.DOCUMENTS), payload=wanted):
        payload = record.payload or {}
        if title := " ".join(str(payload["title"]).split()):
            by_title.setdefault(title, []).append(str(payload["document_id"]))
    return {f"title-{number}": item for number, item in enumerate(sorted(by_title.items()), 1)}


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", help="the corpus's name")
    parser.add_argument("--store", help="a folder or a URL [default: as the command line's]")
    parser.add_argument("--queries", type=Path, required=True, help="the queries.jsonl to write")
    parser.add_argument("--qrels", type=Path, required=True, help="the qrels.tsv to write")
    given = parser.parse_args()
    with Corpus(given.corpus, given.store) as corpus:
        made = title_queries(corpus)
        indexed = corpus.manifest.titles
    with given.queries.open("w", encoding="utf-8", newline="\n") as file:
        for query, (title, _) in made.items():
            file.write(json.dumps({"_id": query, "text": title}, ensure_ascii=False) + "\n")
    with given.qrels.open("w", encoding="utf-8", newline="\n") as file:
        file.write("query-id\tcorpus-id\tscore\n")
        for query, (_, documents) in made.items():
            file.writelines(f"{query}\t{document}\t1\n" for document in documents)
    print(f"{len(made):,} titles of {given.corpus} as queries: {given.queries}, {given.qrels}")
    if indexed:
        print("The corpus has its titles indexed, so that they find themselves: ingest it with --no-titles.")


if __name__ == "__main__":
    main()
