"""The terms of a question: as a text's, with its codes spelled as the corpus spells them."""

from __future__ import annotations

from collections.abc import Sequence

from encoders.analysis import Analyzer
from encoders.base import TermLookup
from encoders.codes import codes_in, spellings
from encoders.normalize import normalize


def query_features(analyzer: Analyzer, texts: Sequence[str], lookup: TermLookup) -> list[list[str]]:
    """The features of each question, with repetitions.

    People leave out the blanks and hyphens of a part number, or put some in. Where the corpus knows a code by the
    words that stand apart in a question, it is added; where it does not know the question's code but its letters
    and numbers apart, those take its place. A code with joints that it does not know leaves its pieces alone, which
    would count twice otherwise. Texts are indexed as they are written.
    """
    found = [analyzer.features(text) for text in texts]
    if not analyzer.has_codes:
        return found
    plain = [normalize(text) for text in texts]
    others = [[(code, analyzer.features(" ".join(to))) for code, to in spellings(text)] for text in plain]
    joined = [{code for _, _, code in codes_in(text)} for text in plain]
    # One look into the vocabulary for all questions.
    wanted = set[str]().union(*joined, *([code, *to] for pairs in others for code, to in pairs)) - {""}
    if not wanted:
        return found
    features = {term for term, entry in lookup(wanted).items() if entry.index is not None}
    for row, pairs in enumerate(others):
        found[row] = [feature for feature in found[row] if feature not in joined[row] or feature in features]
        for code, to in pairs:
            if code in features or not to or not features.issuperset(to):
                continue
            if code:
                found[row] = [feature for feature in found[row] if feature != code]
            found[row].extend(to)
    return found
