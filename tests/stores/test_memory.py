"""Memory that is freed goes back to the system."""

import ctypes
import os
import subprocess
import sys

import pytest

libc = ctypes.CDLL(None) if sys.platform == "linux" else None
pytestmark = pytest.mark.skipif(not hasattr(libc, "mallinfo2"), reason="needs glibc 2.33 or later")

CHOOSING = ("GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_")

MAPPED_AFTER_A_FREE = """
import ctypes
from stores.memory import large_pieces_apart

class Counts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"
    )]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Counts
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
large_pieces_apart()
for _ in range(2):
    libc.free(libc.malloc(ctypes.c_size_t(20_000_000)))
before = libc.mallinfo2().hblks
libc.malloc(ctypes.c_size_t(5_000_000))
print(libc.mallinfo2().hblks - before)
"""


def mapped_after_a_free(**environment):
    kept = {name: value for name, value in os.environ.items() if name not in CHOOSING}
    done = subprocess.run(
        [sys.executable, "-c", MAPPED_AFTER_A_FREE],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def test_a_large_piece_is_the_systems_own_also_after_larger_ones_were_freed():
    assert mapped_after_a_free() == 1


def test_what_the_environment_says_stands():
    assert mapped_after_a_free(MALLOC_MMAP_THRESHOLD_=str(30_000_000)) == 0
    assert mapped_after_a_free(GLIBC_TUNABLES="glibc.malloc.mmap_threshold=30000000") == 0
