"""The command ``xunyi``: each subcommand translates options into one call of ``ingest`` or ``search``."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from cli import logs, stopping
from cli.output import fail
from schemas.errors import XunyiError

COMMANDS = {
    "ingest": "cli.ingest",
    "search": "cli.search",
    "recommend": "cli.recommend",
    "words": "cli.words",
    "evaluate": "cli.evaluate",
    "tune": "cli.tune",
    "compare": "cli.compare",
    "topics": "cli.topics",
    "spaces": "cli.spaces",
    "models": "cli.models",
    "corpora": "cli.corpora",
    "info": "cli.info",
    "snapshots": "cli.snapshots",
    "doctor": "cli.doctor",
    "refit": "cli.refit",
    "rebuild": "cli.rebuild",
    "generations": "cli.generations",
    "serve": "cli.serve",
    "export": "cli.export",
    "import": "cli.import_",
}
"""The module of each subcommand; imported only when it is used, so that ``--help`` is quick."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All subcommands, in the order of a first use."""
        return list(COMMANDS)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            # click would close the terminal's ``^C`` with an empty line, which is no JSON.
            if logs.in_json():
                raise click.exceptions.Abort from error
            raise

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand, from its own module's attribute ``command``."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name]).command
        return _unescaped(command)


def _unescaped(command: click.Command) -> click.Command:
    """Docstrings are raw, so click's mark for lines to be left as they are, a backspace, is spelt out in them."""
    command.help = command.help and command.help.replace("\\b\n", "\b\n")
    for child in getattr(command, "commands", {}).values():
        _unescaped(child)
    return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="xunyi", prog_name="xunyi")
def cli() -> None:
    r"""Hybrid semantic search for Chinese and English text, embedded or on a Qdrant server.

    \b
    Examples:
      xunyi ingest samples/hotels.csv --corpus hotels
      xunyi search "quiet hotel with a hot spring" --corpus hotels
      xunyi corpora list
    """


_unescaped(cli)


def main(args: list[str] | None = None) -> Any:
    """Run the command line; every error of ours becomes one sentence on stderr and its exit code."""
    with logs.whole_command(sys.argv[1:] if args is None else args):
        _run(args)


def _run(args: list[str] | None) -> NoReturn:
    try:
        status = cli.main(args=args, standalone_mode=False)
        sys.stdout.flush()
    except (click.exceptions.Abort, KeyboardInterrupt) as error:
        ended = error if isinstance(error, KeyboardInterrupt) else error.__cause__
        fail(stopping.SENTENCE, stopping.exit_code(ended), stopping.KIND)
    except click.ClickException as error:
        _refuse(error)
    except XunyiError as error:
        fail(str(error), error.exit_code, type(error).__name__)
    except BrokenPipeError:
        # The reader of a pipe has left (`xunyi … | head`): nobody is there to be told.
        sys.stderr.close()
        sys.exit(0)
    except MemoryError:
        fail("Out of memory; give smaller batches or a smaller --max-tokens.", 1, "MemoryError")
    except OSError as error:
        said = f"{error.filename or 'The system'}: {error.strerror or error}; nothing more was written."
        fail(said, 1, type(error).__name__)
    except Exception as error:
        # A defect: its traceback is to be reported, but as one line of the log.
        if not logs.in_json():
            raise
        logs.log.exception(str(error), extra={"kind": type(error).__name__, "exit_code": 1})
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)


def _refuse(error: click.ClickException) -> NoReturn:
    if logs.in_json():
        kind = "UsageError" if isinstance(error, click.UsageError) else type(error).__name__
        fail(" ".join(error.format_message().split()), error.exit_code, kind)
    error.show()
    sys.exit(error.exit_code)
