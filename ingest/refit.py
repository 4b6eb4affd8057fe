"""Fitting TF-IDF and Word2Vec anew over what a corpus holds, beside the model that is in use."""

from __future__ import annotations

from contextlib import ExitStack

from pydantic import BaseModel, ConfigDict

from ingest.building import build
from ingest.executors import ExecutorName, make_executor
from ingest.generations import next_rebuild, open_whole
from ingest.run import Progress
from ingest.staleness import stale_share
from schemas.errors import CorpusError
from schemas.ingest import LEXICAL_SPACES
from stores.opening import StoreLike


class RefitReport(BaseModel):
    """What a refit did. ``stale_documents`` and ``stale_share`` say how far the old fit had been left behind."""

    model_config = ConfigDict(frozen=True)

    corpus: str
    store: str
    generation: int
    documents: int
    passages: int
    terms_before: int
    terms: int
    stale_documents: int
    stale_share: float
    kept_old: bool
    seconds: dict[str, float]


def refit(
    corpus: str,
    *,
    store: StoreLike = None,
    keep_old: bool = False,
    workers: int = 0,
    executor: ExecutorName = "local",
    ray_address: str | None = None,
    progress: Progress | None = None,
) -> RefitReport:
    """Fit the lexical spaces of ``corpus`` again; every other vector is copied as it is.

    A new generation is built beside the old one, and the manifest moves to it in one step: a search
    meets one model or the other, and a crash before that step leaves the old one in use. What such a
    crash leaves is removed by the next refit. With ``keep_old`` the old generation can be brought back
    until it is dropped (``ingest.generations``). ``workers`` processes segment and count, or with
    ``executor="ray"`` Ray's, as ``ingest.ingest`` says.

    Raises ``CorpusNotFound``, and ``CorpusError`` for a corpus without lexical spaces, with an
    unfinished ingest or change of another kind, or one that changed meanwhile.
    """
    with ExitStack() as stack:
        opened, old = open_whole(stack, corpus, store)
        pool = make_executor(workers, executor, ray_address=ray_address)
        stack.callback(pool.close)
        if not any(name in old.spaces for name in LEXICAL_SPACES):
            raise CorpusError(f"The corpus {corpus!r} has no lexical space (tfidf, word2vec), so there is no fit.")
        wanted = next_rebuild(old, "refit", refit=True)
        built = build(opened, old, wanted, None, keep_old=keep_old, progress=progress, pool=pool)
        documents, share = stale_share(old.fit)
        counts = built.manifest.counts
        return RefitReport(
            corpus=corpus,
            store=opened.location,
            generation=built.manifest.generation,
            documents=counts.documents,
            passages=counts.passages,
            terms_before=old.counts.terms,
            terms=counts.terms,
            stale_documents=documents,
            stale_share=round(share, 4),
            kept_old=keep_old,
            seconds=built.seconds,
        )
