"""Where the command ``xunyi`` begins: who stops it while it is loading still gets a sentence, and no traceback."""

from __future__ import annotations

import os

try:
    from cli import stopping
except KeyboardInterrupt:  # before it can be answered there
    os.write(2, b"\nxunyi: Stopped.\n")
    os._exit(130)


def main() -> None:
    """Load the command line, then run it; does not come back."""
    stopping.leave_at_once()
    from cli.main import main as run

    stopping.unwind()
    run()
