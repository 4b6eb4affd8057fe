"""A made catalogue of parts, and questions for its part numbers as people write them: the hybrid beside each space.

Part numbers are made in five ways of writing, many of them one letter or digit apart. They are asked for bare and in a
sentence, and bare with blanks for joints, without joints, and in lower case with hyphens for slashes.

    python scripts/part_numbers.py FOLDER [--parts 2500] [--pieces]

writes ``parts.jsonl`` into FOLDER, ingests it there and prints nDCG@10.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Callable
from pathlib import Path

from ingest import CorpusOptions, ingest
from schemas.manifest import AnalyzerSettings
from search import Corpus
from search.judging import evaluate_corpus

SEED = 7
KINDS = [
    "bearing",
    "valve",
    "relay",
    "gasket",
    "pump",
    "motor",
    "sensor",
    "bracket",
    "filter",
    "coupling",
    "switch",
    "fuse",
    "hose",
    "gear",
    "spring",
    "seal",
]
MATERIALS = ["stainless steel", "brass", "nylon", "cast iron", "aluminium", "bronze", "rubber", "ceramic"]
USES = ["presses", "cooling circuits", "conveyor lines", "generators", "marine engines", "lift doors", "forklift masts"]
REMARKS = ["Rated for continuous duty.", "Supplied with fixing screws.", "Store dry.", "Certified for food plants."]
FORMS = ["{}-{}-{}", "{}{}-{}", "{}-{}/{}", "{}{}{}", "{}.{}.{}"]
SENTENCES = ["do you have {} in stock", "where is a data sheet of {}", "I need a replacement for {}", "price of {}"]
WRITTEN: dict[str, Callable[[str], str]] = {
    "as written": str,
    "blanks": lambda code: re.sub("[-./]", " ", code),
    "joined": lambda code: re.sub("[-./]", "", code),
    "lower case": lambda code: code.lower().replace("/", "-"),
}


def catalogue(parts: int, rng: random.Random) -> dict[str, dict[str, str]]:
    """Records by part number; three in ten name another part that they replace."""
    families = ["".join(rng.choices("ABCDEFGHKLMNPRSTVWX", k=rng.choice((2, 2, 3)))) for _ in range(60)]
    found: dict[str, dict[str, str]] = {}
    while len(found) < parts:
        family, number = rng.randrange(len(families)), rng.randint(100, 9999)
        for suffix in rng.sample("BCDEFG12345", rng.choice((1, 2, 3))):
            code = FORMS[family % len(FORMS)].format(families[family], number, suffix)
            kind, use = rng.choice(KINDS), rng.choice(USES)
            text = f"{kind.capitalize()} {code} in {rng.choice(MATERIALS)} for {use}, {rng.randint(4, 250)} mm."
            text += f" {rng.choice(REMARKS)} {rng.choice(REMARKS)}"
            if found and rng.random() < 0.3:
                text += f" Can replace {rng.choice(list(found))}."
            found.setdefault(code, {"id": str(len(found)), "title": f"{kind} for {use}", "text": text})
    return found


def main() -> None:
    """Make, ingest, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", type=int, default=2500)
    parser.add_argument("--pieces", action="store_true", help="index the pieces of part numbers only")
    given = parser.parse_args()
    rng = random.Random(SEED)
    found = catalogue(given.parts, rng)
    given.folder.mkdir(parents=True, exist_ok=True)
    file, store = given.folder / "parts.jsonl", given.folder / "store"
    file.write_text("".join(json.dumps(record) + "\n" for record in found.values()), encoding="utf-8")
    analyzer = AnalyzerSettings(options={"codes": not given.pieces})
    ingest(file, corpus="parts", store=store, options=CorpusOptions(analyzer=analyzer))
    asked = rng.sample(list(found), min(300, len(found)))
    qrels = {code: {found[code]["id"]: 1} for code in asked}
    kinds = {name: {code: write(code) for code in asked} for name, write in WRITTEN.items()}
    kinds["in a sentence"] = {code: rng.choice(SENTENCES).format(code) for code in asked}
    with Corpus("parts", store) as corpus:
        for name, queries in kinds.items():
            report, _ = evaluate_corpus(corpus, queries, qrels, measures=["nDCG@10"])
            means = ", ".join(f"{space} {of['nDCG@10']:.4f}" for space, of in report.means.items())
            print(f"{name} ({len(queries)}): {means}", flush=True)


if __name__ == "__main__":
    main()
