"""Of documents that are written again, only passages that are new are encoded; the points are those of a fresh run."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from ingest import CorpusOptions, ingest
from ingest import standing as standing_module
from ingest.blocks import Block, Planned
from ingest.points import Target
from ingest.write import write_documents
from schemas.documents import Document, Passage
from schemas.spaces import Shelf, Space, SpaceKind
from schemas.storage import StorageSettings
from stores.embedded import EdgeStore
from stores.server import ServerStore
from tests.kept import contents

DENSE = Space(name="dense", kind=SpaceKind.DENSE, dim=4)
SPACES = [DENSE, Space(name="sparse", kind=SpaceKind.SPARSE), Space(name="colbert", kind=SpaceKind.MULTI, dim=4)]
PASSAGES, DOCUMENTS = "c.g1.passages", "c.g1.documents"
BATCH = 3


class Letters:
    """An encoder of all three kinds, whose vectors tell the text; it remembers what it was given."""

    def __init__(self):
        self.given = []
        self.spaces = {space.name: space for space in SPACES}

    def encode_passages(self, texts):
        self.given += texts
        rows = [np.array([ord(text[at % len(text)]) for at in range(4)], dtype=np.float32) + 0.1 for text in texts]
        dense = np.array([row / np.linalg.norm(row) for row in rows]).reshape(len(texts), 4)
        return {
            "dense": dense,
            "sparse": csr_array(np.round(dense * 7) / 3),
            "colbert": [np.tile(row, (1 + ord(text[0]) % 3, 1)) for row, text in zip(dense, texts, strict=True)],
        }


def planned(texts, old=None):
    """One document of these passages, and one that follows it in the same block."""
    pieces = [Passage("d", at, 0, len(text), text) for at, text in enumerate(texts)]
    made = Planned(Document("d", "", "".join(texts), "records", "s"), pieces, json.dumps(texts), old)
    after = Planned(
        Document("e", "", "zz", "records", "s"), [Passage("e", 0, 0, 2, "zz")], "h", None if old is None else 1
    )
    return Block([made, after], None, None, [0, len(texts)], [])


def write(store, block, *, resumed=False, float16=False):
    """Write the block; gives what was encoded, and how many passages were taken over."""
    encoder = Letters()
    for name, spaces in ((PASSAGES, SPACES), (DOCUMENTS, [DENSE])):
        store.create_collection(name, spaces, StorageSettings(datatype="float16") if float16 else None)
    target = Target(store, "c", PASSAGES, DOCUMENTS, encoder, None, False, resumed, batch=BATCH, float16=float16)
    *_, (_, timings) = write_documents([block], target)
    assert timings.encoded == len(encoder.given)
    return encoder.given, timings.taken_over


def held(store):
    """All points, by shelf and id."""
    return {
        name: {
            str(record.id): (
                record.payload,
                json.dumps(record.vector, default=lambda vector: vector.model_dump(), sort_keys=True),
            )
            for record in store.scroll(name, vectors=True)
        }
        for name in (PASSAGES, DOCUMENTS)
    }


def fresh(block, **options):
    with ServerStore(":memory:") as store:
        write(store, block, **options)
        return held(store)


texts = st.lists(st.sampled_from("abcdefghijklmn"), max_size=14)


@settings(max_examples=60)
@given(before=texts, after=texts, resumed=st.booleans())
def test_only_new_texts_are_encoded_and_the_points_are_those_of_a_fresh_run(before, after, resumed):
    with ServerStore(":memory:") as store:
        write(store, planned(before))
        given_now, taken = write(store, planned(after, len(before)), resumed=resumed)
        assert held(store) == fresh(planned(after))
    assert given_now == [text for text in after if text not in before]
    assert taken == 1 + sum(text in before for text in after)


@given(before=texts, after=texts, done=st.integers(0, 5))
@settings(max_examples=40)
def test_a_run_that_was_cut_off_anywhere_is_gone_on_with(before, after, done):
    with ServerStore(":memory:") as store:
        write(store, planned(before))
        # The first batches of the new edition are in, and no document's point counts them.
        write(store, planned(after[: done * BATCH], len(before)))
        write(store, planned(after, len(before)), resumed=True)
        assert held(store) == fresh(planned(after))


def test_what_is_kept_in_memory_has_an_end_after_which_is_encoded_again(monkeypatch):
    monkeypatch.setattr(standing_module, "KEPT_BYTES", 2000)
    before, after = list("abcdefghij"), list("vwxyzabcdefghij")
    with ServerStore(":memory:") as store:
        write(store, planned(before))
        given_now, taken = write(store, planned(after, len(before)))
        assert held(store) == fresh(planned(after))
    assert len(given_now) > 5
    assert taken == 1 + len(after) - len(given_now)


def test_the_mean_of_rounded_vectors_is_the_same_whether_they_were_taken_over_or_made(tmp_path):
    with EdgeStore(tmp_path / "a") as store, EdgeStore(tmp_path / "b") as other:
        write(store, planned(list("abcdefgh")), float16=True)
        assert write(store, planned(list("abcxefgh"), 8), float16=True)[0] == ["x"]
        write(other, planned(list("abcxefgh")), float16=True)
        assert held(store) == held(other)


def test_a_paragraph_in_front_of_a_long_document_costs_one_passage(store, tmp_path):
    body = [f"Paragraph {n} tells of the number {n} and of nothing else at all." for n in range(150)]
    path, options = tmp_path / "rows.jsonl", CorpusOptions(spaces=("dense",), max_tokens=24)

    def rows(paragraphs):
        path.write_text(json.dumps({"id": "a", "title": "T", "text": "\n\n".join(paragraphs)}) + "\n")
        return [path]

    first = ingest(rows(body), "c", store=store, options=options)
    assert (first.encoded, first.taken_over) == (first.passages, 0)
    longer = ["One paragraph is new and stands in front of all the others now.", *body]
    report = ingest(rows(longer), "c", store=store, options=options)
    assert report.passages > 128
    assert report.encoded == 1
    assert report.taken_over == report.passages - 1
    ingest(rows(longer), "fresh", store=store, options=options)
    vectors = [
        sorted((json.dumps(payload), str(found)) for payload, found in contents(store, name)[Shelf.DOCUMENTS].values())
        for name in ("c", "fresh")
    ]
    assert vectors[0] == vectors[1]
