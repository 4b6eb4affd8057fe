"""A request's turn at a corpus or at the whole store: it comes before a thread is free, and is entered in one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from search import Corpus
from service.holding import Holder
from stores.base import Store


async def _corpus(request: Request, corpus: str) -> AbstractContextManager[Corpus]:
    holder: Holder = request.app.state.holder
    return holder.corpus(corpus)


async def _whole(request: Request) -> AbstractContextManager[Store]:
    holder: Holder = request.app.state.holder
    return holder.whole()


Turn: TypeAlias = Annotated[AbstractContextManager[Corpus], Depends(_corpus)]
"""The corpus of the path. It is had in the event loop: who waits for a thread waits for the corpus already."""

WholeStore: TypeAlias = Annotated[AbstractContextManager[Store], Depends(_whole)]
"""The store, to list what it holds."""
