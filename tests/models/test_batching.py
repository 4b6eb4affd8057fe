"""Batches by token budget."""

from hypothesis import given
from hypothesis import strategies as st

from encoders.batching import token_batches, windows


@given(st.lists(st.integers(0, 600)), st.integers(1, 2000))
def test_each_text_is_in_one_batch_and_no_batch_exceeds_the_budget(lengths, budget):
    batches = token_batches(lengths, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= budget


@given(st.lists(st.integers(0, 600)))
def test_texts_of_like_length_meet(lengths):
    flat = [lengths[i] for batch in token_batches(lengths, 1000) for i in batch]
    assert flat == sorted(lengths, reverse=True)


@given(st.text(), st.integers(1, 9))
def test_windows_hold_the_whole_text(text, size):
    found = windows(text, size)
    assert "".join(found) == text
    assert len(found) >= 1
    assert all(len(part) <= size for part in found)
