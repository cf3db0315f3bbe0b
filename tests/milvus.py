"""Milvus Lite's server as a process of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """A server that listens; it is stopped with `kill`."""
    command = [sys.executable, "-m", "milvus_lite", "server", "--host", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--data-dir", str(folder)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return process
        time.sleep(0.1)
    process.kill()
    raise RuntimeError(f"milvus-lite server did not start: {process.wait()}")


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a server that is there for as long as the block."""
    port = free_port()
    process = start(folder, port)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def release(uri: str) -> None:
    """Let go of a file that Milvus Lite keeps in this process."""
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_server(uri)
