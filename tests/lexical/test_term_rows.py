"""Terms in rows: a trie that answers as a dict would."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from encoders.term_rows import TermRows

# All of Unicode, surrogates that stand alone among them: a text can hold them.
TERMS = st.lists(st.text(st.characters(codec=None, exclude_categories=())), unique=True)


@given(TERMS, TERMS)
def test_a_term_has_the_row_at_which_it_was_given(terms, others):
    rows = TermRows(terms)
    expected = {term: row for row, term in enumerate(terms)}
    assert len(rows) == len(terms)
    assert list(rows) == terms
    wanted = [*others, *terms, *others]
    assert rows.of(wanted).tolist() == [expected.get(term, -1) for term in wanted]
    assert [term in rows for term in others] == [term in expected for term in others]


def test_no_terms_have_no_rows():
    rows = TermRows([])
    assert list(rows) == []
    assert rows.of(["悟空", ""]).tolist() == [-1, -1]
    assert rows.of([]).dtype == np.int64
