"""Ray, joined where an address is given, else started on this machine for one run and stopped after it."""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from schemas.errors import EncoderError, UsageError, XunyiError

ADDRESS_VARIABLES = ("XUNYI_RAY_ADDRESS", "RAY_ADDRESS")
"""Where the address of a cluster is looked for, in this order."""

OBJECT_STORE = 512 * 2**20
"""Bytes for what travels between the processes of a local Ray: blocks in flight, which are bounded."""

_LONGEST_PATH = 40
"""Characters of a folder for temporary files that leave room for Ray's sockets, whose paths may have 107."""

_PATIENCE = 10.0
"""Seconds in which a cluster's head must take a connection; Ray itself would try for ten minutes."""

_SET_BY_RAY = ("RAY_AUTH_MODE", "PYTHONBREAKPOINT")

_TOKEN = secrets.token_hex(32)
"""What the processes of a local Ray know each other by; Ray reads it once in a process."""

# Waits for its parent to end, however it ends; then ends what Ray's own watchers leave running, which are the
# agents, and removes the folder, which these write to.
_JANITOR = """
import json, os, shutil, sys, time
folder, libraries = sys.argv[1:]
sys.path.insert(0, libraries)
import psutil
for number, started in json.loads(sys.stdin.read() or "[]"):
    try:
        process = psutil.Process(number)
        if process.create_time() == started:
            process.kill()
    except psutil.Error:
        pass
for _ in range(100):
    shutil.rmtree(folder, ignore_errors=True)
    if not os.path.exists(folder):
        break
    time.sleep(0.1)
"""

log = logging.getLogger("xunyi.ray")


def import_ray() -> Any:
    """The package; raises ``EncoderError`` where it is missing."""
    try:
        return import_module("ray")
    except ImportError as error:
        raise EncoderError(
            'The executor ray needs the package ray; install it with: pip install "xunyi[ray]"'
        ) from error


def cluster_address(given: str | None) -> str | None:
    """The address to join, from what was given or from the environment; None to start Ray here."""
    address = given or next((value for name in ADDRESS_VARIABLES if (value := os.environ.get(name))), None)
    if address is None or address == "local":
        return None
    host, _, port = address.rpartition(":")
    if address != "auto" and (not host or "/" in host or not (port.isdecimal() and 0 < int(port) < 65536)):
        raise UsageError(
            f"--ray-address {address}: give HOST:PORT of the cluster's head, from a machine that is part of the "
            f"cluster, or auto for the one that runs here."
        )
    return address


class RayCluster:
    """Ray for one run. A program that called ``ray.init`` itself keeps its own Ray, which is used and left alone.

    What is started here listens on loopback only, asks for a token, has no dashboard, reports nothing to
    anybody, and keeps its files in a folder that is removed with it, also where this process is killed.

    Parameters
    ----------
    address : str, optional
        ``HOST:PORT`` of a cluster, or ``auto``; without it Ray is started here.
    processors : int
        What a Ray that is started here may run at the same time.

    Raises
    ------
    EncoderError
        Ray is not installed.
    XunyiError
        Ray does not start, or no cluster answers at the address.

    """

    def __init__(self, address: str | None, processors: int) -> None:
        self.ray = import_ray()
        self.started_here = False
        self._stack = ExitStack()
        if self.ray.is_initialized():
            return
        try:
            if address is None:
                self._start(processors)
            else:
                self._join(address)
        except BaseException:
            self._stack.close()
            raise

    def close(self) -> None:
        """Leave the cluster; stop what was started here, and remove its files."""
        self._stack.close()

    @property
    def processors(self) -> list[int]:
        """Of each machine how many tasks of one processor Ray runs there."""
        return [int(node["Resources"].get("CPU", 0)) for node in self.ray.nodes() if node["Alive"]]

    @property
    def gpus(self) -> int:
        """GPUs of all machines."""
        return int(self.ray.cluster_resources().get("GPU", 0))

    def _start(self, processors: int) -> None:
        self.started_here = True
        folder = _temporary_folder()
        janitor = _Janitor(folder)
        self._stack.callback(janitor.end)
        self._stack.callback(_set_environment(_local_settings()))
        self._stack.callback(_loopback())
        self._connect(
            "Ray does not start here",
            address="local",
            num_cpus=processors,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE,
            _temp_dir=str(folder),
        )
        janitor.remember()

    def _join(self, address: str) -> None:
        if address != "auto":
            _require_answer(address)
        self._connect(f"No Ray cluster could be joined at {address}", address=address)

    def _connect(self, failure: str, **options: Any) -> None:
        self._stack.callback(_keep_signal_handler())
        self._stack.callback(_log_messages())
        self._stack.callback(self.ray.shutdown)  # also of what a start left that failed half-way
        try:
            self.ray.init(log_to_driver=False, logging_level=logging.ERROR, namespace="xunyi", **options)
        except (OSError, RuntimeError, ValueError, AssertionError, self.ray.exceptions.RayError) as error:
            reason = " ".join(str(error).split())
            raise XunyiError(f"{failure} ({reason[:300]}); mend that, or use --executor local.") from error


def _require_answer(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _PATIENCE):
            return
    except OSError as error:
        raise XunyiError(
            f"No Ray cluster answers at {address} ({error}); look at --ray-address (HOST:PORT of the cluster's head), "
            f"XUNYI_RAY_ADDRESS and RAY_ADDRESS, or use --executor local."
        ) from error


def _local_settings() -> dict[str, str]:
    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        # Without this Ray warns of a change in how it hides GPUs from tasks that ask for none.
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    if "RAY_AUTH_MODE" not in os.environ:
        # Ray turns tokens on by itself, but would leave one of its own making in the home folder.
        settings["RAY_AUTH_TOKEN"] = _TOKEN
    return settings


def _set_environment(settings: dict[str, str]) -> Callable[[], None]:
    """Set variables; gives what brings the old values back, also of those that Ray sets."""
    before = {name: os.environ.get(name) for name in (*_SET_BY_RAY, *settings)}
    os.environ.update(settings)

    def restore() -> None:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    return restore


def _loopback() -> Callable[[], None]:
    """Have Ray take 127.0.0.1 for this machine's address, which its servers then listen on alone; gives the way back.

    That is Ray's way on Windows and macOS, and this variable turns it on anywhere; read once, at the import.
    """
    constants: Any = import_module("ray._private.ray_constants")
    before = constants.ENABLE_RAY_CLUSTER
    constants.ENABLE_RAY_CLUSTER = False
    restore = _set_environment({constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0"})

    def back() -> None:
        constants.ENABLE_RAY_CLUSTER = before
        restore()

    return back


def _temporary_folder() -> Path:
    too_long = os.name == "posix" and len(tempfile.gettempdir()) > _LONGEST_PATH
    return Path(tempfile.mkdtemp(prefix="xunyi-ray-", dir="/tmp" if too_long else None))


class _Janitor:
    """A process that ends Ray's and removes its folder as soon as this one ends, or ``end`` is called."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._psutil: Any = import_module("psutil")  # which Ray brings along
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _JANITOR, str(folder), str(Path(str(self._psutil.__file__)).parent.parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is not for it
        )

    def remember(self) -> None:
        """Tell it of the processes there are by now: those that name the folder, and what they started."""
        found = []
        for child in self._psutil.Process().children():
            with suppress(self._psutil.Error):
                its = child.pid != self._process.pid and any(str(self._folder) in part for part in child.cmdline())
                if its:
                    found += [child, *child.children(recursive=True)]
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([(process.pid, process.create_time()) for process in found]))
        self._process.stdin.flush()

    def end(self) -> None:
        """Have it do so now, and wait for it."""
        self._process.communicate()


def _log_messages() -> Callable[[], None]:
    """Have Ray's messages of retried and lost work in the log, where it would print them; gives the way back."""
    worker: Any = import_module("ray._private.worker")
    before = worker.print_to_stdstream

    def told(data: Mapping[str, Any], *_: Any, **__: Any) -> None:
        log.info("ray", extra={"said": " ".join(data["lines"])})

    def back() -> None:
        worker.print_to_stdstream = before

    worker.print_to_stdstream = told
    return back


def _keep_signal_handler() -> Callable[[], None]:
    """Remember who answers SIGTERM, which Ray changes; gives the way back."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before = signal.getsignal(signal.SIGTERM)

    def back() -> None:
        signal.signal(signal.SIGTERM, before)

    return back
