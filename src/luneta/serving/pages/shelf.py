"""Where uploads lie: in a folder of this server alone, with room for so much, that goes when the server ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import filelock

from luneta.serving.problems import Problem

PREFIX, LOCK = "luneta-pages-", ".in-use"

VARIABLE = "GRADIO_TEMP_DIR"
"""Says gradio where uploads lie; where it is set, the folder is made there."""

ROOM = 2**30
"""Bytes of all uploads together, at least."""

UPLOADS = 4
"""Of the largest kind, for which there is room at least."""

LEAST = 2**18
"""Bytes that a file counts for at least: very many small ones take room too."""

QUIET_S = 600
"""After which an upload that nobody uses makes room for another."""


class Shelf:
    """The folder, with room for so much.

    Args:
        folder: made already.
        most: bytes.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self._most = folder, most
        self._coming, self._changing = 0, threading.Lock()

    @contextlib.contextmanager
    def room(self, n: int) -> Iterator[None]:
        """Room for so many bytes while they arrive; what nobody has used for long is dropped for them.

        Raises:
            Problem: there is none.
        """
        n = max(n, LEAST)
        with self._changing:
            self._make(n)
            self._coming += n
        try:
            yield
        finally:
            with self._changing:
                self._coming -= n

    def _make(self, n: int) -> None:
        kept = self._kept()
        lacking = sum(size for _, size, _ in kept) + self._coming + n - self._most
        for used, size, path in sorted(kept):
            if lacking <= 0 or time.time() - used < QUIET_S:
                break
            path.unlink(missing_ok=True)
            lacking -= size
        if lacking > 0:
            raise Problem(503, "uploads_full", headers={"Retry-After": str(QUIET_S), "Connection": "close"})

    def _kept(self) -> list[tuple[float, int, Path]]:
        """When each upload was last used, and how large it is."""
        found = []
        for place, folders, files in os.walk(self.folder):
            if Path(place) == self.folder:
                folders[:] = [name for name in folders if name != "lab"]  # bounds what it keeps by itself
            for path in (Path(place, name) for name in files if name != LOCK):
                with contextlib.suppress(OSError):
                    facts = path.stat()
                    found.append((facts.st_mtime, max(facts.st_size, LEAST), path))
        return found


def touch(path: str | os.PathLike[str]) -> None:
    """An upload is used."""
    with contextlib.suppress(OSError):
        os.utime(path)


class _Quarters:
    """A folder, locked as long as one of this process's servers runs."""

    def __init__(self, root: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        self._lock = filelock.FileLock(self.folder / LOCK, thread_local=False)
        self._changing, self._n = threading.Lock(), 0
        self._lock.acquire()

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Inside the block the folder is there; after the last one it is not."""
        with self._changing:
            self._n += 1
            self.folder.mkdir(mode=0o700, exist_ok=True)
            if not self._lock.is_locked:
                self._lock.acquire()
        try:
            yield
        finally:
            with self._changing:
                self._n -= 1
                if not self._n:
                    self.remove()

    def remove(self) -> None:
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)


_own: _Quarters | None = None


def quarters() -> _Quarters:
    """Those of this process; what servers left behind that were killed is removed."""
    global _own
    if _own is None:
        root = Path(os.environ.get(VARIABLE) or tempfile.gettempdir()).absolute()
        root.mkdir(parents=True, exist_ok=True)
        sweep(root)
        _own = _Quarters(root)
        os.environ[VARIABLE] = str(_own.folder)
        atexit.register(_own.remove)
    return _own


def sweep(root: Path) -> None:
    """Remove folders of servers that do not run any more: nobody holds their locks."""
    for folder in root.glob(f"{PREFIX}*"):
        if folder.is_symlink() or not (folder / LOCK).is_file() or not os.access(folder, os.W_OK):
            continue
        lock = filelock.FileLock(folder / LOCK, thread_local=False)
        with contextlib.suppress(filelock.Timeout, OSError):
            lock.acquire(blocking=False)
            lock.release()
            shutil.rmtree(folder, ignore_errors=True)
