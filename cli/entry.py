"""Where the command ``xunyi`` begins: who stops it while it is loading still gets a sentence, and no traceback."""

from __future__ import annotations

import os
import sys
import time

try:
    from cli import stopping
except KeyboardInterrupt:  # before it can be answered there
    said = "\nxunyi: Stopped.\n"
    if "json" in sys.argv or "--log-format=json" in sys.argv:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S.000+00:00", time.gmtime())
        said = f'{{"time": "{moment}", "level": "error", "logger": "xunyi.cli", "event": "Stopped.", '
        said += '"kind": "Stopped", "exit_code": 130}\n'
    os.write(2, said.encode())
    os._exit(130)


def main() -> None:
    """Load the command line, then run it; does not come back."""
    stopping.leave_at_once()
    from cli.main import main as run

    stopping.unwind()
    run()
