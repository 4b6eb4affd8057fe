"""How many processors there are for this process."""

from __future__ import annotations

import os


def available_processors() -> int:
    """Processors that this process may run on, and no more than ``OMP_NUM_THREADS``, where several share a machine."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    most = os.environ.get("OMP_NUM_THREADS", "")
    return min(found, int(most)) if most.isdecimal() and int(most) > 0 else found
