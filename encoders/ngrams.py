"""Character n-grams of Chinese runs, of many texts in one pass over their code points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint32]

_BITS = 21  # a code point
LONGEST = 3
"""Three code points fit in one key of 64 bits."""


def code_points(text: str) -> Codes:
    """The text as an array of its code points."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def ngrams(
    codes: Codes, inside: npt.NDArray[np.bool_], sizes: Sequence[int]
) -> tuple[list[str], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """All n-grams of the runs of ``codes`` that are ``inside``.

    Parameters
    ----------
    codes : ndarray of shape (n,)
        Code points.
    inside : ndarray of shape (n,)
        Which of them belong to a run; a run ends where one does not.
    sizes : sequence of int
        Sizes of the n-grams, at most ``LONGEST``.

    Returns
    -------
    terms : list of str
        The distinct n-grams.
    columns : ndarray
        Of each n-gram its place in ``terms``.
    starts : ndarray
        Of each n-gram its place in ``codes``.

    """
    wide = codes.astype(np.uint64)
    keys: list[npt.NDArray[np.uint64]] = []
    starts: list[npt.NDArray[np.int64]] = []
    for size in sizes:
        whole = inside.copy()
        for step in range(1, size):
            whole[:-step] &= inside[step:]
            whole[len(whole) - step :] = False
        at = np.flatnonzero(whole)
        key = np.zeros(len(at), dtype=np.uint64)
        # The first character takes the highest bits, and a shorter n-gram leaves the lowest empty.
        for step in range(size):
            key |= wide[at + step] << np.uint64(_BITS * (LONGEST - 1 - step))
        keys.append(key)
        starts.append(at)
    if not keys:
        return [], np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    distinct, columns = np.unique(np.concatenate(keys), return_inverse=True)
    return _strings(distinct), columns.astype(np.int64), np.concatenate(starts)


def _strings(keys: npt.NDArray[np.uint64]) -> list[str]:
    """The n-grams of the keys; numpy's own text arrays drop the empty places at the end."""
    mask = np.uint64((1 << _BITS) - 1)
    parts = [((keys >> np.uint64(_BITS * (LONGEST - 1 - step))) & mask).astype(np.uint32) for step in range(LONGEST)]
    found: list[str] = np.stack(parts, axis=1).view(f"U{LONGEST}").ravel().tolist()
    return found
