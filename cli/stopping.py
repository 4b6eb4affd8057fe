"""How a command ends that is told to stop: with one sentence, by Ctrl-C and by SIGTERM alike.

Imports nothing that takes time: it answers from the first moment on.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from types import FrameType

from cli.asked import json_log

SENTENCE = "Stopped. What was written stays; the same command goes on from there."

KIND = "Stopped"

PATIENCE = 3.0
"""Seconds in which further signals are the same one: a second Ctrl-C would break off what lets go of workers and files.
Later ones end the command at once, which loses no more than the power does."""

_asked: float | None = None


class Terminated(KeyboardInterrupt):
    """SIGTERM, which unwinds what is under way as Ctrl-C does."""


def exit_code(error: BaseException | None) -> int:
    """128 and the signal's number, as shells count; ``error`` is what the command ended with, or the cause of it."""
    return 128 + (signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT)


def leave_at_once() -> None:
    """From now on end without unwinding: nothing has been begun, and an import that is broken off may say anything."""
    _answer(signal.SIGINT, _leave)
    _answer(signal.SIGTERM, _leave)
    # What is registered first runs last: when all else has ended, and the exit code stands.
    atexit.register(_ignore)


def unwind() -> None:
    """From now on let go of everything first."""
    _answer(signal.SIGINT, _unwind)
    _answer(signal.SIGTERM, _unwind)


def _ignore() -> None:
    """From now on nothing is left to stop; the interpreter, as it ends, would answer by dying of the signal."""
    _answer(signal.SIGINT, signal.SIG_IGN)
    _answer(signal.SIGTERM, signal.SIG_IGN)


def _answer(number: signal.Signals, handler: signal.Handlers | object) -> None:
    # Who started this may have asked that it be ignored, such as nohup.
    if signal.getsignal(number) is not signal.SIG_IGN:
        signal.signal(number, handler)  # type: ignore[arg-type]


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(2, (_line(128 + number) if json_log(sys.argv[1:]) else f"\nxunyi: {SENTENCE}\n").encode())
    os._exit(128 + number)


def _line(code: int) -> str:
    """What the log would say; it is not loaded yet."""
    now = time.time()
    moment = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03}+00:00"
    return (
        f'{{"time": "{moment}", "level": "error", "logger": "xunyi.cli", "event": "{SENTENCE}", '
        f'"kind": "{KIND}", "exit_code": {code}}}\n'
    )


def _unwind(number: int, frame: FrameType | None) -> None:
    global _asked
    if _asked is None:
        _asked = time.monotonic()
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
    if time.monotonic() - _asked > PATIENCE:
        _leave(number, frame)
