"""Counting terms in bounded memory, with a bounded number of files."""

from collections import Counter

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.counting import MERGED, TermCounter


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdefg"), max_size=6), max_size=80), st.integers(1, 4), st.integers(0, 80))
def test_spilled_or_not_the_counts_are_those_of_the_texts(texts, limit, asked_at):
    counter = TermCounter(limit)
    for at, text in enumerate(texts):
        counter.add(text)
        if at == asked_at:
            list(counter.items())  # asking amid the counting changes nothing
    df = Counter(term for text in texts for term in set(text))
    cf = Counter(term for text in texts for term in text)
    expected = [(term, df[term], cf[term]) for term in sorted(df)]
    assert list(counter.items()) == expected
    assert list(counter.items()) == expected


@pytest.mark.parametrize("terms", [3 * MERGED, 3 * MERGED**2])
def test_no_more_files_are_open_than_runs_of_each_size(terms):
    process = psutil.Process()
    before = process.num_fds()
    counter = TermCounter(limit=1)
    most = 0
    for number in range(terms):
        counter.add([f"term {number}", f"term {number % 10}"])
        most = max(most, process.num_fds() - before)
    assert len(list(counter.items())) == terms
    assert most <= 3 * MERGED
    assert process.num_fds() - before == 1
    del counter
    assert process.num_fds() == before
