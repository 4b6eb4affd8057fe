"""Rows that were set aside, written to a JSONL file for whoever mends them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from schemas.documents import Rejected
from schemas.errors import UsageError
from stores.files import replaceable


class RejectedFile:
    """Writes every rejected row as a line ``{source, line, reason, row}``, with ``cut`` or ``undecodable`` where true.

    ``row`` is a string, the row as :class:`Rejected` has it: those of one source make a file that can be ingested.

    The file is replaced whole by ``commit``; an ingest that fails before leaves an older one as it was. What is no
    file, such as ``/dev/null``, is written to as it is.

    Raises ``UsageError`` where the file cannot be written, or is one of ``sources``.
    """

    def __init__(self, path: Path, sources: Iterable[Path] = ()) -> None:
        self.path = path
        if any(path.resolve() == source.resolve() for source in sources):
            raise UsageError(f"--rejected {path}: that is a file to be read; name another.")
        if path.is_dir():
            raise UsageError(f"--rejected {path}: that is a folder; name a file in it.")
        self._replaced: Path | None = None
        self._written = path
        with suppress(OSError):
            self._replaced = replaceable(path)
            # Always the same name: what a run left that was killed is written over by the next.
            self._written = self._replaced.with_name(f".{self._replaced.name}.part")
        try:
            # A lone surrogate becomes its JSON escape, so that the file is always UTF-8.
            self._file = self._written.open("w", encoding="utf-8", errors="backslashreplace", newline="\n")
        except OSError as error:
            raise UsageError(
                f"--rejected {path}: cannot be written ({error.strerror}); name a file in a folder of yours."
            ) from error

    def add(self, row: Rejected) -> None:
        """Write one row."""
        line = {"source": row.source, "line": row.line, "reason": row.reason, "row": row.row}
        line |= {key: True for key in ("cut", "undecodable") if getattr(row, key)}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def commit(self) -> None:
        """All rows are in: the file appears under its own name."""
        self._file.close()
        if self._replaced is not None:
            self._written.replace(self._replaced)

    def close(self) -> None:
        """Remove what was not committed."""
        self._file.close()
        if self._replaced is not None:
            self._written.unlink(missing_ok=True)
