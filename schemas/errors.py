"""The one tree of exceptions, with the exit code that the command line gives each.

::

    XunyiError                 1   anything of ours; catch this
    ├── UsageError             2   an option, a name or a filter that cannot be meant
    ├── InputError             3   a file or a row that cannot be read
    │   ├── DecodeError        3   bytes that are not text in the encoding
    │   └── RowError           3   one row or document; set aside unless strict
    ├── CorpusError            4   the corpus is missing, or cannot do what is asked
    │   ├── CorpusNotFound     4
    │   └── EncoderMismatch    4   made by another encoder than the one that asks
    ├── StoreError             5   the store refuses, or holds no such thing
    │   ├── StoreUnavailable   5   a server that does not answer
    │   ├── StoreLocked        5   another process holds the folder
    │   ├── StoreFull          5   a disk without room for what is to be written
    │   ├── StoreDamaged       5   files that the engine cannot open
    │   └── InvalidPoint       5   a vector, payload or filter the engine must not see
    └── EncoderError           6   a model or library that is missing or fails

Each message is one sentence that names the place and the remedy.
"""

from __future__ import annotations

from typing import ClassVar


class XunyiError(Exception):
    """Root of all errors raised on purpose. ``exit_code`` is what the command ends with."""

    exit_code: ClassVar[int] = 1


class UsageError(XunyiError):
    """An option, a name or a filter that cannot be meant."""

    exit_code = 2


class InputError(XunyiError):
    """A file that cannot be read as what it was given for."""

    exit_code = 3


class DecodeError(InputError):
    """Bytes that are not text in the named or found encoding."""


class RowError(InputError):
    """One row or document that cannot be ingested; set aside unless the run is strict."""


class CorpusError(XunyiError):
    """A corpus that is missing, or that cannot do what is asked of it."""

    exit_code = 4


class CorpusNotFound(CorpusError):
    """No corpus of that name in the store."""


class EncoderMismatch(CorpusError):
    """A corpus made by another encoder than the one that asks."""


class StoreError(XunyiError):
    """The store refuses a request, or does not hold what is asked for."""

    exit_code = 5


class StoreUnavailable(StoreError):
    """A server that does not answer, or answers that it cannot serve now."""


class StoreLocked(StoreError):
    """Another process holds the embedded folder."""


class StoreFull(StoreError):
    """A disk without room for what is to be written."""


class StoreDamaged(StoreError):
    """Files that the embedded engine cannot open."""


class InvalidPoint(StoreError):
    """A vector, payload or filter that the engine must never see."""


class EncoderError(XunyiError):
    """A model or library that is missing or fails."""

    exit_code = 6
