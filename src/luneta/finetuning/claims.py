"""Whose a folder is: of one training, which goes on there when it is asked for again, and of no other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock

from luneta.artifacts import hash_json, read_json, write_json
from luneta.errors import ConfigError
from luneta.finetuning import processes

_RECORD, _LOCK = "training.json", "training.lock"


@contextlib.contextmanager
def claimed(folder: Path, identity: Mapping[str, Any], result: str) -> Iterator[None]:
    """While it lasts a folder is that of one training and of one process; its record stays when it is over.

    Args:
        folder: of the result.
        identity: what the training follows from.
        result: name of the file that is written when it has ended.

    Raises:
        ConfigError: it holds another training, a finished one, or files of somebody else; or another process is at it.
    """
    if not processes.is_main():
        yield
        return
    check_claim(folder, identity, result)
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise ConfigError(
            f"another process is training into {folder}: wait until it ends, or choose another folder"
        ) from error
    try:
        check_claim(folder, identity, result)  # again: another process may have ended just before
        write_json(folder / _RECORD, dict(identity))
        yield
    finally:
        lock.release()
        (folder / _LOCK).unlink(missing_ok=True)


def check_claim(folder: Path, identity: Mapping[str, Any], result: str) -> None:
    """The same, without taking it; the identity may leave out what is not known yet.

    Raises:
        ConfigError: as `claimed`.
    """
    if (folder / result).is_file():
        raise ConfigError(f"{folder} holds a finished training; choose another folder, or remove it to train anew")
    record = folder / _RECORD
    if record.is_file():
        begun, kept = any(path.name not in (_RECORD, _LOCK) for path in folder.iterdir()), read_json(record)
        if begun and hash_json({key: kept.get(key) for key in identity}) != hash_json(identity):
            raise ConfigError(
                f"{folder} holds a training of other data, another encoder or another recipe; choose another folder, "
                "or remove it"
            )
        return
    if folder.exists() and any(path.name != _LOCK for path in folder.iterdir()):
        raise ConfigError(f"{folder} is not empty and no training of ours; choose a folder that does not exist yet")
