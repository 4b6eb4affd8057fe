"""Ids derive from names, and tell which passages belong together."""

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import (
    corpus_namespace,
    document_point_id,
    document_point_of,
    passage_point_id,
    point_text,
    term_point_id,
)

names = st.text(min_size=1, max_size=20)


@given(corpus=names, document=names, position=st.integers(0, 2**32 - 2))
def test_a_passage_id_is_a_uuid_that_holds_its_documents(corpus, document, position):
    passage = passage_point_id(corpus, document, position)
    assert str(UUID(passage)) == passage
    assert UUID(passage).version == 8
    owner = document_point_id(corpus, document)
    assert point_text(document_point_of(UUID(passage).int)) == owner
    assert passage != owner


@given(st.lists(st.tuples(names, names, st.integers(0, 50)), unique=True, max_size=20))
def test_different_names_give_different_ids(given_names):
    made = [passage_point_id(*named) for named in given_names]
    assert len(set(made)) == len(made)


@given(names, names)
def test_a_terms_id_is_the_uuid_of_its_name_within_the_corpus(corpus, term):
    assert term_point_id(corpus, term) == str(uuid5(corpus_namespace(corpus), f"term:{term}"))


@given(names, names)
def test_ids_of_terms_and_documents_do_not_meet(corpus, name):
    assert term_point_id(corpus, name) != document_point_id(corpus, name)


def test_numbers_order_as_their_text_does():
    made = [passage_point_id("corpus", str(n), n) for n in range(200)]
    assert sorted(made) == [point_text(number) for number in sorted(UUID(text).int for text in made)]
