"""Structured logs on stderr: stages, counts and seconds, for machines or for people."""

from __future__ import annotations

import codecs
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from cli.asked import OPTION, json_log
from cli.options import Decorator

log = logging.getLogger("xunyi.cli")
"""For what the command line itself says."""

_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _start(ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        ctx.call_on_close(_log_to(_handler(JsonFormatter() if value == "json" else TextFormatter())))
    return value


def _handler(formatter: logging.Formatter) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    return handler


def _log_to(handler: logging.Handler) -> Callable[[], None]:
    """Log all of ours there, until what is given back is called."""
    ours = logging.getLogger("xunyi")
    # The log is the process's: whoever runs a command inside another program gets it back as it was.
    handlers, level, propagate = ours.handlers, ours.level, ours.propagate
    ours.handlers, ours.propagate = [handler], False
    ours.setLevel(logging.INFO)

    def restore() -> None:
        ours.handlers, ours.propagate = handlers, propagate
        ours.setLevel(level)

    return restore


@contextmanager
def whole_command(arguments: Sequence[str]) -> Iterator[None]:
    """Where JSON is asked for, all that comes on stderr is JSON: errors too, and what libraries warn of."""
    if not json_log(arguments):
        yield
        return
    handler = _handler(JsonFormatter())
    root = logging.getLogger()
    handlers = root.handlers
    restore = _log_to(handler)
    root.handlers = [handler]
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers = handlers
        restore()


def in_json() -> bool:
    """Whether the log is JSON now."""
    return any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger("xunyi").handlers)


log_option: Decorator = click.option(
    OPTION,
    type=click.Choice(["json", "text"]),
    callback=_start,
    help="Log stages, counts and seconds to stderr, a line each; with json errors and warnings are such lines, too "
    "[default: progress only].",
)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _USUAL}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, event, and the event's own fields."""

    def __init__(self) -> None:
        super().__init__()
        # Where stderr cannot take a character it writes \xe9 for it, which is no JSON.
        encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        self._ascii = codecs.lookup(encoding).name != "utf-8"

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line of JSON."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=self._ascii, default=str)


class TextFormatter(logging.Formatter):
    """``time level event key=value …``."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line of text."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        return f"{time} {record.levelname.lower()} {record.name} {record.getMessage()} {fields}".rstrip()
