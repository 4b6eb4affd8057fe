"""Asking before something is lost."""

from __future__ import annotations

import click

from cli import stopping
from cli.output import fail

REFUSED = 1
"""What a command ends with that was told not to do it."""


def confirm(question: str) -> None:
    """Ask on stderr; where the answer is no, or none comes, end with a sentence that nothing was changed."""
    try:
        if click.confirm(question, err=True):
            return
        code = REFUSED
    except click.Abort as error:
        # What came instead of an answer: a signal, or the end of the input, where nobody can answer.
        ended = error.__context__
        code = stopping.exit_code(ended) if isinstance(ended, KeyboardInterrupt) else REFUSED
        click.echo(err=True)
    fail("Nothing was changed; with --yes it is done without asking.", code, stopping.KIND)
