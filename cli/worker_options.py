"""Options of where work is done: in this process, in several, or on Ray."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

_WORKERS = click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Processes that split, segment and count; the result is the same [default: 0, this process does; on Ray "
    "as many as there are processors].",
)
_EXECUTOR = click.option(
    "--executor",
    type=click.Choice(["local", "ray"]),
    default="local",
    help="Where workers and encoders run: here, or on Ray (the extra 'ray'; docs/scaling.md) [default: local].",
)
_ENCODERS = click.option(
    "--encoder-workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Encoders on Ray [default: one a GPU; without GPUs one a machine].",
)
_ADDRESS = click.option(
    "--ray-address",
    metavar="HOST:PORT",
    help="The Ray cluster to join [default: XUNYI_RAY_ADDRESS, then RAY_ADDRESS; without them one of this machine's "
    "own, for this run].",
)


def worker_options(*, splits: bool = True, encodes: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds the options of a command that ``splits`` or ``encodes``; it gets ``working``, to be handed on."""
    options = {"executor": _EXECUTOR, "ray_address": _ADDRESS}
    if splits:
        options = {"workers": _WORKERS, **options}
    if encodes:
        options = {**options, "encoder_workers": _ENCODERS}

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def gathered(*args: Any, **values: Any) -> Any:
            return command(*args, working={name: values.pop(name) for name in options}, **values)

        found: Callable[..., Any] = gathered
        for option in reversed(options.values()):
            found = option(found)
        return found

    return add
