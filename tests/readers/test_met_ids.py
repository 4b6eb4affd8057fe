import errno
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.readers import MetIds


@given(st.lists(st.text(max_size=3)))
def test_they_are_a_set_of_ids(ids):
    met, known = MetIds(), set()
    for one in ids:
        assert (one in met) == (one in known)
        assert met.add(one) == (one not in known)
        known.add(one)
    met.close()


def test_an_id_may_hold_half_a_surrogate_pair():
    met = MetIds()
    assert met.add("\ud83d")
    assert not met.add("\ud83d")


def test_many_are_not_held_by_python():
    met = MetIds()
    tracemalloc.start()
    try:
        assert all(met.add(str(number)) for number in range(50_000))
        assert not any(met.add(str(number)) for number in range(0, 50_000, 100))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_full_disk_is_told_as_every_full_disk_is():
    met = MetIds()
    met._ids.execute("PRAGMA max_page_count = 10")
    with pytest.raises(OSError, match="No space left") as caught:
        list(map(met.add, map(str, range(10_000))))
    assert caught.value.errno == errno.ENOSPC
