"""The ids that a run has met, however many they are, and what stands in the corpus under others."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias

from schemas.documents import JSON

CACHE_KB = 8192
"""What of them is held in memory, enough for some 200,000; the rest lies in a file that ends with the process."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A document that stands in the corpus: where its file's path leads, and its address, if it has one."""

    file: str
    address: JSON


StandingDocuments: TypeAlias = Callable[[Sequence[str]], Mapping[str, Standing]]
"""Gives those of some ids under which documents stand in the corpus."""


class MetIds:
    """A set of ids of any number, in bounded memory. ``standing``: the corpus's documents, None where it has none.

    Held in a database without a name, which SQLite keeps in memory while it is small and in its temporary folder
    (``TMPDIR``) after. Ids are known by digests of 16 bytes: among a billion, two are the same once in 10**21 runs.
    """

    def __init__(self, standing: StandingDocuments | None = None) -> None:
        self.standing = standing
        # Read in one thread and looked through in another, never at the same time.
        self._ids = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KB}"):
            self._ids.execute(f"PRAGMA {setting}")
        self._ids.execute("CREATE TABLE met (id BLOB PRIMARY KEY) WITHOUT ROWID")
        self._ids.execute("BEGIN")

    def add(self, document_id: str) -> bool:
        """Note an id; says whether it is met for the first time.

        Raises:
            OSError: there is no room for more in the temporary folder.
        """
        try:
            return self._ids.execute("INSERT OR IGNORE INTO met VALUES (?)", (_digest(document_id),)).rowcount == 1
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            raise

    def __contains__(self, document_id: object) -> bool:
        if not isinstance(document_id, str):
            return False
        found = self._ids.execute("SELECT 1 FROM met WHERE id = ?", (_digest(document_id),))
        return found.fetchone() is not None

    def close(self) -> None:
        """Let go of the ids, and of their file."""
        self._ids.close()


def _digest(document_id: str) -> bytes:
    return blake2b(document_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
