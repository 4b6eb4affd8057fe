"""Word2Vec's settings, judged by the aliases and relations of Journey to the West's characters.

``data/journey_relations.tsv`` lists pairs that a reader knows to belong together. Every second pair
is for choosing settings, the others are held out. Of each pair, both ways: the rank of one among
the other's neighbours in the whole vocabulary (MRR, and the share within the first ten), and how
often its cosine is above that of two unrelated names (AUC; 0.5 says nothing).

    xunyi corpora download journey-to-the-west
    python scripts/word2vec_names.py journey_to_the_west.txt [--encoding gb18030] [--phrases] [--seeds 5]
"""

from __future__ import annotations

import argparse
import csv
import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from encoders.analysis import make_analyzer
from encoders.word2vec import train
from ingest.readers import ReadOptions, open_sources, read
from ingest.splitting import estimate_tokens, split
from schemas.documents import Document
from schemas.manifest import AnalyzerSettings, Word2VecSettings

DATA = Path(__file__).parent / "data"


class Score(NamedTuple):
    """How well known pairs are found, and the mean cosine of unrelated and of related names."""

    mrr: float
    within_ten: float
    auc: float
    unrelated: float
    related: float


def known_pairs() -> list[tuple[str, str]]:
    """The pairs of the list, in its order."""
    with (DATA / "journey_relations.tsv").open(encoding="utf-8", newline="") as file:
        return [(row["name"], row["other"]) for row in csv.DictReader(file, delimiter="\t")]


def names() -> list[str]:
    """The dictionary of names, as ``xunyi ingest --user-dict`` takes it."""
    return (DATA / "journey_names.txt").read_text(encoding="utf-8").split()


def word_lists(path: Path, encoding: str | None, user_dict: Sequence[str] = ()) -> list[list[str]]:
    """The words of each of the novel's passages."""
    options = ReadOptions(kind="novel", encoding=encoding)
    analyzer = make_analyzer(AnalyzerSettings(options={"user_dict": list(user_dict)}))

    def documents() -> Iterator[Document]:
        for source in open_sources([path], options):
            yield from (item for item in read(source, options) if isinstance(item, Document))

    passages = (p for d in documents() for p in split(d, max_tokens=256, count_tokens=estimate_tokens))
    return [analyzer.words(passage.text) for passage in passages]


def measure(words: Sequence[str], vectors: np.ndarray[Any, Any], half: Sequence[tuple[str, str]]) -> Score:
    """Judge unit vectors ``(words, dim)`` by some of the known pairs; a missing word finds nothing."""
    row = {word: number for number, word in enumerate(words)}
    related = {frozenset(pair) for pair in (*known_pairs(), *half)}
    reciprocal, within = [], []
    for asked, wanted in itertools.chain.from_iterable((pair, pair[::-1]) for pair in half):
        if asked not in row or wanted not in row:
            reciprocal.append(0.0)
            within.append(False)
            continue
        near = vectors @ vectors[row[asked]]
        # Its other known partners stand before it with right.
        above = [n for n in np.flatnonzero(near > near[row[wanted]]) if n != row[asked]]
        rank = 1 + sum(frozenset((asked, words[n])) not in related for n in above)
        reciprocal.append(1 / rank)
        within.append(rank <= 10)
    present = sorted({name for pair in half for name in pair if name in row})
    cosine = lambda a, b: float(vectors[row[a]] @ vectors[row[b]])  # noqa: E731
    yes = np.array([cosine(a, b) for a, b in half if a in row and b in row])
    no = np.sort([cosine(a, b) for a, b in itertools.combinations(present, 2) if frozenset((a, b)) not in related])
    if not len(yes) or not len(no):
        return Score(float(np.mean(reciprocal)), float(np.mean(within)), 0.0, 0.0, 0.0)
    auc = float(np.mean(np.searchsorted(no, yes) / len(no)))
    return Score(float(np.mean(reciprocal)), float(np.mean(within)), auc, float(no.mean()), float(yes.mean()))


def halves() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The pairs for choosing, and those held out."""
    pairs = known_pairs()
    return pairs[::2], pairs[1::2]


def gensim_defaults(lists: Sequence[Sequence[str]], seed: int = 1) -> tuple[list[str], np.ndarray[Any, Any]]:
    """What gensim gives where nobody chose anything: CBOW, window 5, 5 epochs, words from 5 occurrences."""
    from gensim.models import Word2Vec

    model = Word2Vec([list(words) for words in lists], workers=1, seed=seed)
    return list(model.wv.index_to_key), model.wv.get_normed_vectors()


def phrased(
    lists: Sequence[Sequence[str]], scoring: str = "default", threshold: float = 10.0, least: int = 5
) -> list[list[str]]:
    """Words that often follow each other as one (gensim's Phrases, Mikolov et al. 2013), by its defaults or others."""
    from gensim.models.phrases import Phrases

    found = Phrases(lists, min_count=least, threshold=threshold, scoring=scoring, delimiter=" ")
    return [[word.replace(" ", "") for word in found[words]] for words in lists]


Choice: TypeAlias = tuple[list[list[str]], Word2VecSettings | None]


def of_settings(plain: list[list[str]], cut: list[list[str]]) -> dict[str, Choice]:
    """Choices of Word2Vec's settings; ``cut`` are the words by the dictionary of names."""
    ours = Word2VecSettings()
    return {
        "gensim's defaults": (plain, None),
        "ours": (plain, ours),
        "ours, names": (cut, ours),
        "names, 20 epochs": (cut, ours.model_copy(update={"epochs": 20})),
        "names, window 5": (cut, ours.model_copy(update={"window": 5})),
        "names, sample 1e-3": (cut, ours.model_copy(update={"sample": 1e-3})),
        "names, sample 1e-5": (cut, ours.model_copy(update={"sample": 1e-5})),
        "names, CBOW, 20 epochs": (cut, ours.model_copy(update={"skip_gram": False, "epochs": 20})),
        "names, 200 dimensions": (cut, ours.model_copy(update={"dim": 200})),
    }


def of_phrases(plain: list[list[str]], cut: list[list[str]]) -> dict[str, Choice]:
    """Choices of which pairs are phrases, from none and many to few, without and with the dictionary of names."""
    ours = Word2VecSettings()
    choices: dict[str, Choice] = {}
    for name, lists in (("ours", plain), ("names", cut)):
        choices[name] = (lists, ours)
        choices[f"{name}, phrases=1"] = (lists, ours.model_copy(update={"phrases": True}))
        for scoring, threshold, least in (
            ("default", 10.0, 5),
            ("default", 100.0, 5),
            ("default", 1000.0, 5),
            ("npmi", 0.3, 5),
            ("npmi", 0.5, 5),
            ("npmi", 0.7, 5),
            ("npmi", 0.9, 5),
            ("npmi", 0.5, 10),
        ):
            joined = phrased(lists, scoring, threshold, least)
            choices[f"{name}, {scoring} {threshold:g}, {least} times"] = (joined, ours)
    return choices


def main() -> None:
    """Print a row for each choice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("novel", type=Path)
    parser.add_argument("--encoding", help="[default: found]")
    parser.add_argument("--phrases", action="store_true", help="compare which pairs of words are joined as phrases")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="train each N times: means, ± of the MRR")
    given = parser.parse_args()
    plain, cut = word_lists(given.novel, given.encoding), word_lists(given.novel, given.encoding, names())
    choices = (of_phrases if given.phrases else of_settings)(plain, cut)
    chosen, held_out = "chosen on: MRR        in 10   AUC", "held out: MRR        in 10   AUC unrelated related"
    print(f"{'':34}{chosen:36}{held_out:52}seconds")
    for name, (lists, settings) in choices.items():
        started = time.perf_counter()
        scores = []
        for seed in range(given.seeds):
            own = settings and settings.model_copy(update={"seed": settings.seed + seed})
            words, vectors = train(lists, own) if own else gensim_defaults(lists, seed + 1)
            # A phrase is compared with the list as it is written.
            words = [word.replace(" ", "") for word in words]
            scores.append([measure(words, vectors, half) for half in halves()])
        seconds = (time.perf_counter() - started) / given.seeds
        (first, second), (spread, other) = np.mean(scores, axis=0), np.std(scores, axis=0, ddof=int(given.seeds > 1))
        print(
            f"{name:34}{first[0]:14.3f} ±{spread[0]:.3f} {first[1]:6.3f} {first[2]:6.3f}"
            f"{second[0]:14.3f} ±{other[0]:.3f} {second[1]:6.3f} {second[2]:6.3f} "
            f"{second[3]:8.3f} {second[4]:8.3f} {seconds:8.1f}"
        )


if __name__ == "__main__":
    main()
