"""How many threads to start."""

from __future__ import annotations

import os


def available() -> int:
    """As many as this process may use: OMP_NUM_THREADS where it is set, as for BLAS; else the cores it may run on."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
