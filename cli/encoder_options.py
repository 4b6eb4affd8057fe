"""Options that say which settings an encoder runs with; shared by the commands that load one."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from cli.options import Decorator
from schemas.errors import UsageError

_PLAIN = ("device", "precision", "dimensions", "task", "max_length", "hub", "trust_remote_code")

_OPTIONS: tuple[Decorator, ...] = (
    click.option("--device", metavar="D", help="Where a model runs: cpu, cuda, cuda:1, mps [default: the best there]."),
    click.option(
        "--precision",
        type=click.Choice(["auto", "float32", "bfloat16", "float16", "int8"]),
        help="A model's numbers [default: auto: float16 on CUDA; on a CPU bfloat16 if it has that, else float32]. "
        "int8: BGE-M3 on a CPU, faster still, in a space of its own.",
    ),
    click.option(
        "--dimensions",
        type=click.IntRange(min=1),
        metavar="N",
        help="A shorter vector, of a model trained for it (Matryoshka; text-embedding-3).",
    ),
    click.option(
        "--task", metavar="TEXT", help="What queries ask for, in your words, where a model takes an instruction."
    ),
    click.option(
        "--max-length",
        type=click.IntRange(min=8),
        metavar="N",
        help="Tokens a model reads at a time; longer texts are read in windows [default: the model's own].",
    ),
    click.option(
        "--hub", type=click.Choice(["huggingface", "modelscope"]), help="Whose cache holds the model [huggingface]."
    ),
    click.option(
        "--trust-remote-code",
        is_flag=True,
        default=None,
        help="Run the Python code that comes with the model, with all your rights: read it first.",
    ),
    click.option(
        "--encoder-option",
        "more",
        multiple=True,
        metavar="KEY=VALUE",
        help="Any other setting of the encoder, such as pooling=cls, query_prompt=…, query_model=…. Repeatable.",
    ),
)


def encoder_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets those that were given as the mapping ``encoder_options``."""

    @wraps(function)
    def gathered(*args: Any, more: tuple[str, ...], **given: Any) -> Any:
        found: dict[str, Any] = {}
        for option in more:
            key, sign, value = option.partition("=")
            if not sign or not key.strip():
                raise UsageError(f"--encoder-option {option!r}: write KEY=VALUE, for example pooling=cls.")
            found[key.strip().replace("-", "_")] = value
        plain = {name: given.pop(name) for name in _PLAIN}
        found.update({name: value for name, value in plain.items() if value is not None})
        return function(*args, encoder_options=found, **given)

    command: Callable[..., Any] = gathered
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
