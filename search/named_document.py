"""One document by its id or title, and what is near to a name that no document has."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from qdrant_client import models

from encoders.normalize import normalize
from schemas.errors import UsageError
from schemas.spaces import Shelf
from search.view import CorpusView

SUGGESTED = 3
"""Names that a message suggests."""


def document_named(corpus: CorpusView, name: str, spaces: Sequence[str]) -> models.Record:
    """The document of that id, else of that title, else of a title that is the same but for case, script or width.

    It has its vectors in ``spaces``. Raises ``UsageError`` for a name that none or several have, with near ones.
    """
    if not name.strip():
        raise UsageError("A document to be like or unlike has no name; give an id or a title as a search shows it.")
    for field in ("document_id", "title"):
        if found := _having(corpus, field, name, spaces):
            return _only(corpus, name, found)
    shelf, shown = corpus.collection(Shelf.DOCUMENTS), ["title", "document_id"]
    payloads = [record.payload or {} for record in corpus.store.scroll(shelf, payload=shown)]
    titles = _folded(str(payload["title"]) for payload in payloads)
    if alike := titles.get(_fold(name)):
        return _only(corpus, name, [record for title in alike for record in _having(corpus, "title", title, spaces)])
    near = suggestions(name, {**_folded(str(payload["document_id"]) for payload in payloads), **titles})
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "give an id or a title as a search shows it."
    raise UsageError(f"The corpus {corpus.name!r} has no document {name!r}; {hint}")


def suggestions(name: str, known: Mapping[str, Sequence[str]]) -> list[str]:
    """At most ``SUGGESTED`` of the ``known`` names, which stand under their folded forms.

    First those that begin with ``name``, then those that hold it, then those that hold all its words, the
    shortest first; then near spellings.
    """
    asked = _fold(name)
    words = asked.split()
    held = sorted(
        (not key.startswith(asked), asked not in key, len(key), key)
        for key in known
        if asked in key or all(word in key for word in words)
    )
    found = [key for *_, key in held]
    if len(found) < SUGGESTED:
        # Beside names that hold what was asked, only those that are hardly spelled otherwise are likely meant.
        found += difflib.get_close_matches(asked, known, n=SUGGESTED, cutoff=0.75 if found else 0.4)
    return [known[key][0] for key in dict.fromkeys(found)][:SUGGESTED]


def _folded(names: Iterable[str]) -> dict[str, list[str]]:
    """The distinct names that are not blank, by their folded form."""
    folded: dict[str, list[str]] = {}
    for name in sorted(set(filter(str.strip, names))):
        folded.setdefault(_fold(name), []).append(name)
    return folded


def _having(corpus: CorpusView, field: str, value: str, spaces: Sequence[str]) -> list[models.Record]:
    wanted = models.Filter(must=[models.FieldCondition(key=field, match=models.MatchValue(value=value))])
    shelf, shown = corpus.collection(Shelf.DOCUMENTS), ["title", "document_id"]
    return list(corpus.store.scroll(shelf, query_filter=wanted, payload=shown, vectors=list(spaces)))


def _only(corpus: CorpusView, name: str, found: Sequence[models.Record]) -> models.Record:
    if len(found) > 1:
        ids = sorted(str((record.payload or {})["document_id"]) for record in found)
        shown = ", ".join(map(repr, ids[:5])) + (" …" if len(ids) > 5 else "")
        raise UsageError(f"{len(ids)} documents of {corpus.name!r} are called {name!r}; give one's id: {shown}.")
    return found[0]


def _fold(name: str) -> str:
    return normalize(" ".join(name.split())).casefold()
