"""The reading pass: files to documents to passages; what is new or changed goes to the spool."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from ingest.blocks import Planned
from ingest.moved import Moved
from schemas.documents import Document, Rejected
from schemas.ids import content_hash, document_point_id
from schemas.ingest import RejectedReport
from stores.base import Store

LEDGER_BATCH = 256
"""Documents whose recorded hashes are fetched together."""

KEPT_REJECTIONS = 1000
"""Rejected rows listed in the report; all are counted."""

T = TypeVar("T")


@dataclass(slots=True)
class Plan:
    """What the reading pass found."""

    documents: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    mended: int = 0
    """Documents that had lost passages; they count as changed."""
    removed: int = 0
    rejected: int = 0
    rejected_rows: list[RejectedReport] = field(default_factory=list)
    unsure: set[str] = field(default_factory=set)
    """Sources of rows set aside that may belong to documents which stand."""
    replaced: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Changed documents that stand under another source, by that one and the one they come from now."""


def document_hash(document: Document, titles: bool) -> str:
    """The digest of all that a document's points are made from.

    Not of its position, which is recorded by itself (``ingest.moved``): a row added at the top of a table would make
    changed documents of all below it.
    """
    payload = json.dumps(document.payload, ensure_ascii=False, sort_keys=True)
    where = json.dumps([[s.text_start, s.source_start, s.length] for s in document.stretches])
    return content_hash(document.title, document.chapter or "", document.text, payload, where, str(titles))


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most ``size`` items, in order."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


_Recorded: TypeAlias = tuple[str | None, int | None, str, int]
"""What is recorded of a document: its hash, its passages, its source and its position."""

_NEW: _Recorded = (None, None, "", 0)


class Planner:
    """Compares what is read with what stands, and hands on what is new or changed.

    ``existing`` is the collection of the documents shelf, or None for a new corpus. ``rejected`` is
    told of every row set aside. With ``only_compare`` nothing is handed on: a dry run. ``short`` tells
    which documents, given with the passages recorded of each, lack some: their hashes are not trusted. ``moved`` are
    documents that stand unchanged under another source, or at another place in it, than where they were read.
    """

    def __init__(
        self,
        store: Store,
        corpus: str,
        existing: str | None,
        *,
        titles: bool,
        rejected: Callable[[Rejected], None] | None = None,
        only_compare: bool = False,
        short: Callable[[Mapping[str, int]], set[str]] | None = None,
    ) -> None:
        self._short = short
        self._rejected = rejected
        self._only_compare = only_compare
        self._store = store
        self._corpus = corpus
        self._existing = existing
        self._titles = titles
        self.plan = Plan()
        self.moved = Moved(corpus)

    def run(self, items: Iterable[Document | Rejected], progress: Callable[[int], None]) -> Iterator[Planned]:
        """Read everything; gives each document to write, without passages. ``progress`` hears of documents read."""
        for documents in batched(self._accepted(items), LEDGER_BATCH):
            ledger = self._recorded(documents)
            for document in documents:
                self.plan.documents += 1
                digest = document_hash(document, self._titles)
                old_hash, old_passages, old_source, old_position = ledger.get(document.id, _NEW)
                if digest == old_hash:
                    self.plan.unchanged += 1
                    self.moved.compare(document, old_source, old_position)
                    continue
                if old_hash is None:
                    self.plan.added += 1
                else:
                    self.plan.changed += 1
                    if old_source != document.source:
                        self.plan.replaced[old_source, document.source] += 1
                if not self._only_compare:
                    yield Planned(document, [], digest, old_passages)
            progress(self.plan.documents)

    def _accepted(self, items: Iterable[Document | Rejected]) -> Iterator[Document]:
        # A rejected row goes as soon as it is told of: it is whole, and many may come.
        for item in items:
            if isinstance(item, Rejected):
                self._reject(item)
            else:
                yield item

    def _recorded(self, documents: Sequence[Document]) -> dict[str, _Recorded]:
        if self._existing is None or not documents:
            return {}
        ids = [document_point_id(self._corpus, document.id) for document in documents]
        wanted = ["document_id", "hash", "passages", "source", "position"]
        found: dict[str, _Recorded] = {}
        for record in self._store.retrieve(self._existing, ids, payload=wanted):
            payload: dict[str, Any] = record.payload or {}
            recorded = str(payload["hash"]), int(payload["passages"]), str(payload["source"]), int(payload["position"])
            found[str(payload["document_id"])] = recorded
        if self._short is not None:
            for name in self._short({name: passages or 0 for name, (_, passages, _, _) in found.items()}):
                # Of one that was left half-written this is known already.
                self.plan.mended += found[name][0] != ""
                found[name] = ("", *found[name][1:])
        return found

    def _reject(self, row: Rejected) -> None:
        self.plan.rejected += 1
        if not row.repeats:
            self.plan.unsure.add(row.source)
        if self._rejected is not None:
            self._rejected(row)
        if len(self.plan.rejected_rows) < KEPT_REJECTIONS:
            self.plan.rejected_rows.append(RejectedReport(source=row.source, line=row.line, reason=row.reason))
