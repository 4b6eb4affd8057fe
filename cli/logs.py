"""Structured logs on stderr: stages, counts and seconds, for machines or for people."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _start(ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonFormatter() if value == "json" else TextFormatter())
        log = logging.getLogger("xunyi")
        # The log is the process's: whoever runs a command inside another program gets it back as it was.
        before = log.handlers, log.level, log.propagate
        ctx.call_on_close(lambda: _restore(log, *before))
        log.handlers = [handler]
        log.setLevel(logging.INFO)
        log.propagate = False
    return value


def _restore(log: logging.Logger, handlers: list[logging.Handler], level: int, propagate: bool) -> None:
    log.handlers, log.propagate = handlers, propagate
    log.setLevel(level)


log_option: Decorator = click.option(
    "--log-format",
    type=click.Choice(["json", "text"]),
    callback=_start,
    help="Log stages, counts and seconds to stderr, a line each [default: progress only].",
)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _USUAL}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, event, and the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line of JSON."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_fields(record),
        }
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """``time level event key=value …``."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line of text."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        return f"{time} {record.levelname.lower()} {record.name} {record.getMessage()} {fields}".rstrip()
