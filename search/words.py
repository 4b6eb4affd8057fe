"""The words of a corpus: what is near a word, how near two are, and what stands to one as two others stand.

All answers come from the Word2Vec vectors of the ``terms`` shelf, and agree with gensim's
``KeyedVectors.most_similar`` on the same vectors.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from qdrant_client import models

from encoders.normalize import normalize
from schemas.errors import CorpusError, UsageError
from schemas.ids import term_point_id
from schemas.names import several
from schemas.spaces import Shelf
from search.corpus import Corpus
from search.view import CorpusView

SPACE = "word2vec"

_AROUND = frozenset("'\"“”‘’「」『』《》〈〉()[]【】,.;:!?、。·-_")
"""Signs that stand around a word, or part it, without making it another."""


class WordScore(BaseModel):
    """A word, its cosine similarity (-1 to 1), and how often it occurs."""

    model_config = ConfigDict(frozen=True)

    word: str
    score: float
    count: int


def similar(corpus: Corpus, word: str, limit: int = 10) -> list[WordScore]:
    """The ``limit`` words nearest to ``word``, best first."""
    return analogy(corpus, [word], [], limit)


def similarity(corpus: Corpus, first: str, second: str) -> float:
    """The cosine of two words' vectors, -1 to 1."""
    vectors = corpus.ask(lambda view: _vectors(view, [_resolve(view, word) for word in (first, second)]))
    return float(np.clip(vectors[0] @ vectors[1], -1.0, 1.0))


def analogy(
    corpus: Corpus, positive: str | Iterable[str], negative: str | Iterable[str], limit: int = 10
) -> list[WordScore]:
    """Words near the sum of ``positive`` less ``negative`` (Mikolov et al. 2013), the given ones left out.

    Unit vectors are averaged with weights 1 and -1, as in gensim: king - man + woman is
    ``analogy(corpus, ["king", "woman"], ["man"])``.

    Raises ``UsageError`` for a word that the corpus does not know, with near spellings.
    """
    if limit < 1:
        raise UsageError(f"--limit {limit}: ask for at least 1.")
    near, far = several(positive), several(negative)
    if not near:
        raise UsageError("Name at least one word to be near to.")
    return corpus.ask(lambda view: _analogy(view, near, far, limit))


def _analogy(corpus: CorpusView, positive: Sequence[str], negative: Sequence[str], limit: int) -> list[WordScore]:
    given = [_resolve(corpus, word) for word in (*positive, *negative)]
    vectors = _vectors(corpus, given)
    signs = np.array([1.0] * len(positive) + [-1.0] * len(negative), dtype=np.float32)
    mean = (signs[:, None] * vectors).mean(axis=0)
    norm = float(np.linalg.norm(mean))
    if norm == 0:
        raise UsageError("The words cancel each other out; name others.")
    own = [term_point_id(corpus.name, word) for word in given]
    request = models.QueryRequest(
        query=(mean / norm).tolist(),
        using=SPACE,
        filter=models.Filter(must_not=[models.HasIdCondition(has_id=list(own))]),
        limit=limit,
        with_payload=["term", "cf"],
    )
    (points,) = corpus.store.query(corpus.collection(Shelf.TERMS), [request])
    return [
        WordScore(
            word=str((point.payload or {})["term"]),
            score=round(float(point.score), 6),
            count=int((point.payload or {})["cf"]),
        )
        for point in points
    ]


def _vectors(corpus: CorpusView, resolved: Sequence[str]) -> npt.NDArray[np.float32]:
    known = corpus.terms(resolved)
    rows = [vector for word in resolved if (vector := known[word].vector) is not None]
    return np.stack(rows)


def _resolve(corpus: CorpusView, word: str) -> str:
    """The word as the vocabulary spells it: as it is, or as the analyser would normalise it."""
    name, spaces = corpus.name, corpus.manifest.spaces
    if SPACE not in spaces:
        raise CorpusError(
            f"The corpus {name!r} has no space {SPACE}; add it with: "
            f"xunyi rebuild {name} --spaces {','.join([*spaces, SPACE])}"
        )
    if not word.strip():
        raise UsageError("A word is empty; write one that the corpus holds.")
    folded = corpus.lexical.analyzer.words(word)
    # Of several words none is the one that was asked for, but two may be a phrase.
    asked = " ".join(folded)
    longest = 2 if corpus.manifest.word2vec.phrases else 1
    candidates = [word.strip(), *([asked] if 1 <= len(folded) <= longest and _whole(word, asked) else [])]
    known = corpus.terms(candidates)
    for candidate in candidates:
        if candidate in known and known[candidate].vector is not None:
            return candidate
    near = _near(corpus, candidates[-1])
    least = corpus.manifest.word2vec.min_count
    for candidate in candidates:
        # A term counts all that has its stem: only where these are too few does it tell how often the word stands.
        if candidate in known and known[candidate].cf < least:
            times = "once" if known[candidate].cf == 1 else f"{known[candidate].cf} times"
            raise UsageError(
                f"The word {word!r} stands {times} in the corpus {name!r}, and only words that stand {least} times "
                f"(--word2vec min_count={least}) have vectors; {near}"
            )
    raise UsageError(f"The corpus {name!r} does not know the word {word!r}; {near}")


def _near(corpus: CorpusView, word: str) -> str:
    """Known words that look like ``word``: by spelling, or by shared characters."""
    has_vector = models.Filter(must=[models.HasVectorCondition(has_vector=SPACE)])
    records = corpus.store.scroll(corpus.collection(Shelf.TERMS), query_filter=has_vector, payload=["term", "cf"])
    counts = {str((record.payload or {})["term"]): int((record.payload or {})["cf"]) for record in records}
    near = difflib.get_close_matches(word, counts, n=5, cutoff=0.6)
    if not near:
        letters = set(word)
        sharing = [term for term in counts if len(letters & set(term)) * 2 >= len(letters) and term]
        near = sorted(sharing, key=lambda term: (-len(letters & set(term)), -counts[term], term))[:5]
    return f"it knows {', '.join(near)}." if near else "try another word."


def _whole(word: str, folded: str) -> bool:
    """Whether the analyser left out nothing of the word that tells it from another, as of C++ it leaves c."""
    signs = [sign for sign in normalize(word).strip() if not sign.isalnum() and not sign.isspace()]
    return all(sign in folded or sign in _AROUND for sign in signs)
