"""What a person sees, and what a program reads."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import click
from pydantic import BaseModel
from rich.console import Console

from cli import logs


def console(*, stderr: bool = False) -> Console:
    """A console that wraps no words apart and marks nothing up by itself."""
    return Console(stderr=stderr, highlight=False, soft_wrap=False)


def emit_json(value: BaseModel | dict[str, Any]) -> None:
    """One object on stdout, as UTF-8 whatever the locale says."""
    import json

    if isinstance(value, BaseModel):
        text = json.dumps(value.model_dump(mode="json"), ensure_ascii=False)
    else:
        text = json.dumps(value, ensure_ascii=False)
    sys.stdout.buffer.write(text.encode("utf-8", "surrogatepass") + b"\n")
    sys.stdout.flush()


def stage_seconds(seconds: Mapping[str, float]) -> str:
    """The seconds of each stage, for the last line of a report."""
    return "  ".join(f"{stage} {value:.1f} s" for stage, value in seconds.items())


def fail(message: str, code: int, kind: str) -> NoReturn:
    """Say it on stderr, or in the log where that is JSON, and end with ``code``."""
    if logs.in_json():
        logs.log.error(message, extra={"kind": kind, "exit_code": code})
    else:
        click.echo(f"xunyi: {message}", err=True)
    sys.exit(code)


def warn(message: str) -> None:
    """A sentence on stderr, or in the log where that is JSON."""
    if logs.in_json():
        logs.log.warning(message)
    else:
        click.echo(printable(message), err=True)


def printable(text: str) -> str:
    """The text without control characters, which a terminal would obey.

    Zero-width joiners are none: Persian, Indic scripts and families of emoji are spelt with them.
    """
    return "".join(c if c.isprintable() or c in "\n\t\u3000\u00a0\u200c\u200d" else "�" for c in text)
