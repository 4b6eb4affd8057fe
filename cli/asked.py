"""Which log the command line asks for, before anything has read it.

Imports nothing that takes time: errors and signals are answered from the first moment on.
"""

from __future__ import annotations

from collections.abc import Sequence

OPTION = "--log-format"


def json_log(arguments: Sequence[str]) -> bool:
    """Whether the last ``--log-format`` on the command line says json, be the rest of it right or wrong."""
    said = ""
    for at, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument == OPTION:
            said = arguments[at + 1] if at + 1 < len(arguments) else ""
        elif argument.startswith(f"{OPTION}="):
            said = argument.partition("=")[2]
    return said == "json"
