"""A store from its location: a folder for the embedded engine, a URL for a server."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeAlias

from schemas.errors import UsageError
from stores.base import Store

STORE_VARIABLE = "XUNYI_STORE"
API_KEY_VARIABLES = ("XUNYI_API_KEY", "QDRANT_API_KEY")
TIMEOUT_VARIABLE = "XUNYI_TIMEOUT"
LOCK_WAIT = 10.0
"""Seconds to wait for another process to leave an embedded folder."""


StoreLike: TypeAlias = str | Path | Store | None
"""A folder, a URL or an open store; None is what ``XUNYI_STORE`` names, else a folder of the user's own."""


def default_folder() -> Path:
    """Where corpora live when nobody says: the user's own data folder."""
    import platformdirs

    return Path(platformdirs.user_data_dir("xunyi", appauthor=False))


def open_store(
    location: str | Path | None = None,
    *,
    api_key: str | None = None,
    timeout: float | None = None,
    prefer_grpc: bool = False,
    lock_wait: float = LOCK_WAIT,
) -> Store:
    """Open the store at ``location``.

    A URL (``http``, ``https``, or ``grpc`` to prefer gRPC) is a server, ``:memory:`` the client's
    own emulation of one, anything else a folder. Without a location ``XUNYI_STORE`` decides, else
    the user's data folder. ``api_key`` defaults to ``XUNYI_API_KEY``, ``timeout`` (seconds) to
    ``XUNYI_TIMEOUT`` or 60.

    Raises ``StoreError`` for a folder that is something else, and ``UsageError`` for an address or a key
    that can be none; a server is asked at first use.
    """
    where = str(location or os.environ.get(STORE_VARIABLE) or default_folder())
    if where == ":memory:" or "://" in where:
        from stores.server import ServerStore

        named = (os.environ.get(name, "") for name in API_KEY_VARIABLES)
        key = api_key or next((key for key in named if key.strip()), None)
        return ServerStore(where, api_key=key, timeout=timeout or _timeout(), prefer_grpc=prefer_grpc)
    from stores.embedded import EdgeStore

    return EdgeStore(Path(where).expanduser(), lock_wait=lock_wait)


def as_store(store: StoreLike) -> AbstractContextManager[Store]:
    """The store, closed at the end if it was opened here; an open one stays open."""
    return open_store(store) if store is None or isinstance(store, str | Path) else nullcontext(store)


def _timeout() -> float:
    value = os.environ.get(TIMEOUT_VARIABLE, "60")
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise UsageError(f"{TIMEOUT_VARIABLE}={value}: give a number of seconds above 0.")
    return seconds
