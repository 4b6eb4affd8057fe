"""The address and the key of a server: what can be neither is refused, and what is secret in them is never shown."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import httpx

from schemas.errors import UsageError

REST_PORT, GRPC_PORT, TLS_PORT = 6333, 6334, 443


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is asked; ``shown`` is the address as it was given, without a user and a password."""

    shown: str
    url: str
    grpc_port: int
    grpc: bool


def read_address(url: str) -> Address:
    """The address that ``url`` is; raises ``UsageError`` for one that cannot be any."""
    shown = _shown(url)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise no_address(shown) from None
    if parts.scheme not in ("http", "https", "grpc") or not parts.hostname:
        raise no_address(shown)
    if "@" in parts.path + parts.query + parts.fragment:
        # A password with a slash in it ends the host for every reader of addresses, and who is asked is another host.
        raise UsageError(
            f"--store {shown}: leave user and password out of the address; XUNYI_API_KEY holds a server's key."
        )
    grpc = parts.scheme == "grpc"
    port = _port(parts, shown)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    scheme = "http" if grpc else parts.scheme
    asked = f"{scheme}://{host}:{REST_PORT if grpc else port}{parts.path}".rstrip("/")
    try:
        httpx.URL(asked)
    except httpx.InvalidURL:
        raise no_address(shown) from None
    return Address(shown, asked, port if grpc else GRPC_PORT, grpc)


def no_address(shown: str) -> UsageError:
    """The error of what names no server."""
    return UsageError(f"--store {shown}: write http://HOST:PORT, https://HOST, or a folder.")


def checked_key(key: str | None) -> str | None:
    """The key without blanks around it, which a file may end with; raises ``UsageError`` where no header can hold it.

    A client that is given such a key shows it in its error.
    """
    key = (key or "").strip()
    if not all(" " <= character <= "~" for character in key):
        raise UsageError(
            "The server's key holds a line break or other characters that no request can carry; "
            "set XUNYI_API_KEY to the key alone."
        )
    return key or None


def _port(parts: SplitResult, shown: str) -> int:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise UsageError(f"--store {shown}: the port is no number from 1 to 65535.")
    return port or {"https": TLS_PORT, "grpc": GRPC_PORT}.get(parts.scheme, REST_PORT)


def _shown(url: str) -> str:
    """The address from behind the last ``@``, wherever it stands, up to a query, which may hold a key."""
    scheme, _, rest = url.partition("://")
    place = rest.rpartition("@")[2].partition("?")[0].partition("#")[0]
    return "".join(character for character in f"{scheme}://{place}" if character.isprintable())
