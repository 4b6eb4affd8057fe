"""``xunyi serve``."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from types import FrameType
from typing import TYPE_CHECKING

import click

from cli import logs
from cli.logs import TextFormatter, log_option
from cli.options import store_option
from schemas.errors import EncoderError, UsageError, XunyiError

if TYPE_CHECKING:
    import uvicorn

KEY_VARIABLE = "XUNYI_SERVICE_KEY"

BACKLOG = 2048
"""Connections that may wait to be accepted, as uvicorn has it."""

GRACE = 10
"""Seconds that requests have to end in once the service is to stop; a client that sends half of one never ends."""


@click.command("serve")
@store_option
@click.option("--host", default="127.0.0.1", show_default=True, metavar="H", help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="The port; 0: a free one.")
@click.option(
    "--idle",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    metavar="S",
    help="Seconds without a request after which a corpus is let go, so that an ingest can write to it.",
)
@click.option(
    "--allow-rerank",
    multiple=True,
    metavar="JUDGE",
    help="A judge that requests may name, such as cross-encoder:BAAI/bge-reranker-v2-m3. Repeatable.",
)
@log_option
def command(
    store: str | None, host: str, port: int, idle: float, allow_rerank: tuple[str, ...], log_format: str | None
) -> None:
    r"""Answer searches over HTTP, with a page at / and Prometheus metrics at /metrics.

    With XUNYI_SERVICE_KEY set, requests must bear it. An address that other machines reach needs one.

    \b
    Examples:
      xunyi serve
      xunyi serve --store http://localhost:6333 --port 8080
      xunyi serve --log-format json
    """
    key = os.environ.get(KEY_VARIABLE, "").strip() or None
    if key is None and not _is_loopback(host):
        raise UsageError(
            f"--host {host} can be reached from other machines; set {KEY_VARIABLE} to a key of your choice."
        )
    try:
        import uvicorn

        from service.app import create_app
    except ImportError as error:
        raise EncoderError(f'The service needs {error.name}; install it with: pip install "xunyi[service]"') from None

    import socket

    app = create_app(store, key=key, idle=idle, rerankers=allow_rerank)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise XunyiError(f"{host}:{port}: {error.strerror or error}; give another --port or --host.") from None
    shown = f"[{host}]" if ":" in host else host
    _say(f"Listening on http://{shown}:{listening.getsockname()[1]} (Ctrl-C stops)")
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        # Without a configuration of its own what it says goes the way of all other libraries.
        log_config=None if logs.in_json() else uvicorn.config.LOGGING_CONFIG,
    )
    with listening, _errors_logged(log_format):
        try:
            _server(config).run(sockets=[listening])
        except KeyboardInterrupt:
            # Raised again once all requests were answered and all corpora let go.
            _say("Stopped.")


def _server(config: uvicorn.Config) -> uvicorn.Server:
    """A server that the first signal stops: a second would break off, in a traceback, requests that have ``GRACE``."""
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if not self.should_exit:
                super().handle_exit(sig, frame)

    return Server(config)


def _say(message: str) -> None:
    if logs.in_json():
        logs.log.info(message)
    else:
        click.echo(message, err=True)


@contextmanager
def _errors_logged(log_format: str | None) -> Iterator[None]:
    """Errors go to stderr where no log was asked for, too: answers say that the log tells more."""
    log = logging.getLogger("xunyi.service")
    handler = logging.StreamHandler(sys.stderr) if log_format is None else logging.NullHandler()
    handler.setFormatter(TextFormatter())
    handler.setLevel(logging.WARNING)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
