"""The connection to a Qdrant server: one request at a time, tried again, with errors as sentences."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TypeVar

from qdrant_client import QdrantClient

from schemas.errors import StoreError, StoreUnavailable
from stores.server_address import Address, checked_key, no_address, read_address
from stores.server_answers import Answers, retry_after, unanswered

TRIES = 5
FIRST_PAUSE = 0.2
"""Seconds before the second try; each further pause is twice as long, with jitter."""

PATIENCE = 2.0
"""Seconds in which a server that has not answered must show that it does, before it is asked for anything more."""

T = TypeVar("T")


class Connection:
    """A server, or with ``:memory:`` the client's own emulation of one."""

    def __init__(
        self, url: str, *, api_key: str | None = None, timeout: float = 60.0, prefer_grpc: bool = False
    ) -> None:
        """Nothing is sent yet; raises ``UsageError`` for an address or a key that cannot be one."""
        self._timeout = timeout
        self._silent = False
        self.emulated = url == ":memory:"
        if self.emulated:
            self.location = url
            self._client = QdrantClient(":memory:")
            self._answers = Answers(url, None, emulated=True)
            return
        self._address = read_address(url)
        self._key = checked_key(api_key)
        self._grpc = prefer_grpc or self._address.grpc
        self.location = self._address.shown
        self._client = _client(self._address, self._key, timeout, self._grpc)
        self._answers = Answers(self.location, self._key, emulated=False)

    def close(self) -> None:
        """Let go of it; closing twice is harmless."""
        with suppress(Exception):
            self._client.close()

    def call(self, ask: Callable[[QdrantClient], T], *, tries: int = TRIES) -> T:
        """One request, tried again with growing pauses while the server cannot be reached or is overloaded.

        Who was left without an answer, or interrupted, often asks once more, to clean up: that must not take as long
        again with a server that hangs.
        """
        if self._silent:
            self._see_that_it_answers()
        try:
            return self._tried(ask, tries)
        except BaseException as error:
            if isinstance(error, StoreUnavailable) or not isinstance(error, Exception):
                self._silent = not self.emulated
            raise

    def change(self, ask: Callable[[QdrantClient], object], done: Callable[[], bool]) -> None:
        """A request that a server refuses the second time, such as to make or to remove something.

        Where the answer to the first was lost, or another client was quicker, what was asked for is ``done``.
        """
        try:
            self.call(ask)
        except StoreUnavailable:
            raise
        except StoreError:
            if not done():
                raise

    def gone(self, collection: str) -> StoreError:
        """The error of a collection that does not stand."""
        return self._answers.gone(collection)

    def _tried(self, ask: Callable[[QdrantClient], T], tries: int) -> T:
        pause = FIRST_PAUSE
        give_up = time.monotonic() + self._timeout
        for attempt in range(1, tries + 1):
            try:
                return ask(self._client)
            except Exception as error:
                why, fatal = self._answers.judged(error)
                if fatal is not None:
                    raise fatal from None
                # A server that hangs has used up the time of all tries with the first.
                if attempt == tries or time.monotonic() >= give_up:
                    raise self._answers.unavailable(why) from None
                wait = max(pause * random.uniform(0.5, 1.0), retry_after(error))
            time.sleep(wait)
            pause *= 2
        raise AssertionError("unreachable")

    def _see_that_it_answers(self) -> None:
        """Raise ``StoreUnavailable`` where it still does not answer; whatever it answers is right."""
        patience = min(PATIENCE, self._timeout)
        with closing(_client(self._address, self._key, patience, self._grpc)) as client:
            try:
                client.info()
            except Exception as error:
                if unanswered(error):
                    raise self._answers.unavailable(self._answers.judged(error)[0]) from None
        self._silent = False


def _client(address: Address, key: str | None, timeout: float, grpc: bool) -> QdrantClient:
    with warnings.catch_warnings():
        # The client warns of a key sent without TLS, which is usual on loopback and in a container's network.
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        try:
            return QdrantClient(
                url=address.url,
                grpc_port=address.grpc_port,
                api_key=key,
                timeout=max(1, round(timeout)),
                prefer_grpc=grpc,
                check_compatibility=False,
            )
        except ValueError:
            # A host that no request could name, such as one with a blank in it.
            raise no_address(address.shown) from None
