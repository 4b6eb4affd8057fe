"""What a corpus holds, read back from either store, to be compared to the bit."""

import json

from schemas.spaces import Shelf
from search import Corpus
from stores.opening import open_store

PLACES = ["lake", "airport", "market", "清溪", "客栈", "山中", "河边", "西雅图"]
"""Words for made texts, in both scripts."""


def opened_store(kind, folder):
    """An embedded store in ``folder``, or a server's client over an engine in this process."""
    return open_store(str(folder) if kind == "embedded" else ":memory:")


def _plain(vector):
    return vector.model_dump()


def points(store, corpus, shelf):
    """Every point of a shelf by id: payload and vectors."""
    with Corpus(corpus, store) as opened:
        return {
            # Sorted: the engine gives a point's spaces in any order.
            str(record.id): (record.payload, json.loads(json.dumps(record.vector, default=_plain, sort_keys=True)))
            for record in store.scroll(opened.collection(shelf), vectors=True)
        }


def contents(store, corpus="c"):
    """Every point of every shelf that stands."""
    with Corpus(corpus, store) as opened:
        standing = [shelf for shelf in Shelf if store.collection_exists(opened.collection(shelf))]
    return {shelf: points(store, corpus, shelf) for shelf in standing}


def without(found, *spaces):
    """The same points without their vectors in ``spaces``."""
    return {
        point: (payload, {name: vector for name, vector in vectors.items() if name not in spaces})
        for point, (payload, vectors) in found.items()
    }


class Stopped(Exception):
    """What ``stop_at`` raises."""


def stop_at(passages):
    """A progress that stops a run once so many passages are encoded."""

    def progress(stage, done, _total):
        if stage == "encode" and done >= passages:
            raise Stopped

    return progress
