"""What Ray gives back: results, and sentences where there are none."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from schemas.errors import XunyiError

RESTARTS = 3
"""How often Ray does a block again, or starts an encoder again, whose process or machine was lost."""


def settle(ray: Any, references: Collection[Any]) -> None:
    """Wait until Ray has given up work that nobody wants; where it must stop before, it complains on stderr."""
    if references:
        ray.wait(list(references), num_returns=len(references), timeout=5)


def fetch(ray: Any, reference: Any) -> Any:
    """What a task or an actor gave; an error of ours as it is there, and what Ray says of lost work in a sentence."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, ImportError):
            raise XunyiError(
                f"A worker of the Ray cluster lacks a package ({error.cause}); install xunyi there as it is here."
            ) from error
        if isinstance(error.cause, (XunyiError, MemoryError, OSError)):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise XunyiError(
            f"A worker on Ray ended before its work was done ({type(error).__name__}), perhaps for want of memory; "
            f"run the same command again, which goes on from what was written, or give fewer --workers or "
            f"--encoder-workers."
        ) from error
