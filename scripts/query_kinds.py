"""How a corpus answers queries of several kinds, made of its own documents: the hybrid beside each space alone.

Nobody's questions, but each has one right document, and the kinds differ: three rare words, half of a sentence, the
same with slips of the pen, numbers and codes that few documents hold, and titles where they are not indexed.

    python scripts/query_kinds.py papers [--store S] [--most 200] [--as-written]
"""

from __future__ import annotations

import argparse
import random
import re
from collections import Counter
from collections.abc import Callable

from encoders.stopwords import english_stop_parts
from schemas.errors import InputError
from schemas.sentences import sentences
from schemas.spaces import Shelf
from search import Corpus
from search.judging import evaluate_corpus

SEED = 20130116
_NUMBER = re.compile(r"[A-Za-z]*[-/]?\d[\w/.-]*\w|\d")
_CHINESE = re.compile("[\u4e00-\u9fff]")


def half(sentence: str, rng: random.Random) -> str:
    """Half of a sentence's words, or of its characters where it has no words apart, in one stretch."""
    words = sentence.split()
    pieces, glue = (words, " ") if len(words) >= 4 else (list(sentence), "")
    size = len(pieces) // 2
    start = rng.randrange(len(pieces) - size + 1)
    return glue.join(pieces[start : start + size]).strip()


def slips(text: str, rng: random.Random, rate: float = 0.12) -> str:
    """The text with characters left out, doubled or changed with a neighbour, Chinese ones or inside of words."""
    found: list[str] = []
    for at, char in enumerate(text):
        inside = 0 < at < len(text) - 1 and text[at - 1].isalpha() and text[at + 1].isalpha() and char.isalpha()
        if (inside or _CHINESE.match(char)) and rng.random() < (rate if _CHINESE.match(char) else rate / 2):
            found.append(rng.choice(("", char * 2, char + found.pop() if found else char)))
        else:
            found.append(char)
    return "".join(found)


def made_queries(corpus: Corpus, most: int) -> dict[str, list[tuple[str, str]]]:
    """Pairs of a query and its document, by kind; at most ``most`` of each."""
    rng = random.Random(SEED)
    wanted = ["document_id", "title", "text"]
    records = [r.payload or {} for r in corpus.store.scroll(corpus.collection(Shelf.DOCUMENTS), payload=wanted)]
    documents = [(str(p["document_id"]), " ".join(str(p["title"]).split()), str(p["text"])) for p in records]
    cut, stop = corpus.lexical.analyzer.words, english_stop_parts()
    words = {name: {w for w in cut(text) if len(w) > 1 and not w.isdigit()} - stop for name, _, text in documents}
    numbers = {name: set(_NUMBER.findall(text)) for name, _, text in documents}
    df, number_df = Counter(w for of in words.values() for w in of), Counter(n for of in numbers.values() for n in of)
    kinds: dict[str, list[tuple[str, str]]] = {"keywords": [], "half sentences": [], "slips": [], "numbers": []}
    if not corpus.manifest.titles:
        kinds["titles"] = [(title, name) for name, title, _ in documents if len(title) > 1]
    for name, _, text in documents:
        rare = sorted(w for w in words[name] if 2 <= df[w] <= max(3, 0.1 * len(documents)))
        if len(rare) >= 3:
            kinds["keywords"].append((" ".join(rng.sample(rare, 3)), name))
        if long := [text[start:end] for start, end in sentences(text) if end - start >= 8]:
            part = half(rng.choice(long), rng)
            kinds["half sentences"].append((part, name))
            kinds["slips"].append((slips(part, rng), name))
        if few := sorted(n for n in numbers[name] if number_df[n] == 1 and len(n) > 2):
            kinds["numbers"].append((rng.choice(few), name))
    sample: Callable[[list[tuple[str, str]]], list[tuple[str, str]]] = lambda of: rng.sample(of, min(most, len(of)))  # noqa: E731
    return {kind: sample([(query, name) for query, name in of if query.strip()]) for kind, of in kinds.items()}


def main() -> None:
    """Make, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", help="the corpus's name")
    parser.add_argument("--store", help="a folder or a URL [default: as the command line's]")
    parser.add_argument("--most", type=int, default=200, help="queries of a kind at most [200]")
    parser.add_argument("--as-written", action="store_true", help="ask without spelling")
    given = parser.parse_args()
    with Corpus(given.corpus, given.store) as corpus:
        for kind, made in made_queries(corpus, given.most).items():
            queries = {str(n): query for n, (query, _) in enumerate(made)}
            qrels = {str(n): {name: 1} for n, (_, name) in enumerate(made)}
            try:
                report, _ = evaluate_corpus(corpus, queries, qrels, measures=["nDCG@10"], spelling=not given.as_written)
            except InputError:
                print(f"{kind}: none can be made of this corpus")
                continue
            means = {name: of["nDCG@10"] for name, of in report.means.items()}
            best = max((name for name in means if name != "hybrid"), key=lambda name: means[name])
            shown = ", ".join(f"{name} {mean:.4f}" for name, mean in means.items())
            ahead = f"; hybrid {means['hybrid'] - means[best]:+.4f} to {best}" if "hybrid" in means else ""
            print(f"{kind} ({len(made)}): {shown}{ahead}", flush=True)


if __name__ == "__main__":
    main()
