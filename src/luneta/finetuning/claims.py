"""Whose a folder is: of one training, which goes on there when it is asked for again, and of no other.

A training that has ended is not done twice: asked for again, it is read from its folder.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import filelock

from luneta.artifacts import hash_json, read_json, write_json
from luneta.errors import ArtifactError, ConfigError

logger = logging.getLogger("luneta")

_RECORD, _LOCK = "training.json", "training.lock"
_LONGEST = 24
"""Letters of what is shown where it differs."""


@contextlib.contextmanager
def claimed(
    folder: Path, identity: Mapping[str, Any], result: str, made_with: Mapping[str, str] | None = None
) -> Iterator[None]:
    """While it lasts a folder is that of one training and of one process; its record stays when it is over.

    Args:
        folder: of the result.
        identity: what the training follows from.
        result: name of the file that is written when it has ended.
        made_with: device and versions, on which the last bits of the result depend. Others than those it was begun
            with are a warning, and the record keeps all.

    Raises:
        ConfigError: it holds another training, or files of somebody else; or another process is at it, or has ended it.
    """
    from luneta.finetuning import processes

    if not processes.is_main():
        yield
        return
    _is_over(folder, identity, result)
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise ConfigError(
            f"another process is training into {folder}: wait until it ends, or choose another folder"
        ) from error
    try:
        if _is_over(folder, identity, result):
            raise ConfigError(f"another process has ended this training in {folder} just now: ask for it again")
        write_json(folder / _RECORD, {**identity, "made_with": _machineries(folder, made_with or {})})
        yield
    finally:
        lock.release()
        (folder / _LOCK).unlink(missing_ok=True)


def is_done(folder: Path, identity: Mapping[str, Any], result: str) -> bool:
    """Whether this very training has ended there already, which is said.

    Args:
        folder, identity, result: as of `claimed`; the identity may leave out what is not known yet, since it follows
            from the rest.

    Raises:
        ConfigError: it holds another training, or files of somebody else.
    """
    from luneta.finetuning import processes

    over = _is_over(folder, identity, result)
    if over and processes.is_main():
        logger.info("done already: %s holds this very training, and what it came to is read from there", folder)
    return over


def check_folder(folder: Path) -> None:
    """What can be told of a folder whatever is to be trained into it.

    Raises:
        ConfigError: it holds files of somebody else.
    """
    if folder.is_dir() and not (folder / _RECORD).is_file() and any(p.name != _LOCK for p in folder.iterdir()):
        raise ConfigError(f"{folder} is not empty and no training of ours; choose a folder that does not exist yet")


def read_result(path: Path, schema: str, needed: Sequence[str]) -> dict[str, Any]:
    """What a training came to, as it was written when it had ended.

    Args:
        path: of the file.
        schema: that it has to be of.
        needed: keys that must be there.

    Raises:
        ArtifactError: it is missing, of another schema, or written by a version that kept less.
    """
    said = read_json(path)
    found = said.get("schema") if isinstance(said, dict) else None
    if found != schema:
        raise ArtifactError(f"{path} has schema {found!r}; expected {schema!r}")
    if missing := [key for key in needed if key not in said]:
        raise ArtifactError(
            f"{path} lacks {', '.join(missing)}: it was written by a version that kept less. Choose another folder, or "
            "remove this one to train anew"
        )
    return dict(said)


def _is_over(folder: Path, identity: Mapping[str, Any], result: str) -> bool:
    """Whether the training has ended, where it is the one asked for or none was begun.

    Raises:
        ConfigError: as `is_done`.
    """
    check_folder(folder)
    record, over = folder / _RECORD, (folder / result).is_file()
    if record.is_file() and _is_begun(folder):
        kept = read_json(record)
        if different := _different({key: kept.get(key) for key in identity}, identity):
            raise ConfigError(
                f"{folder} holds a {'finished ' if over else ''}training of other data, another encoder or another "
                f"recipe ({'; '.join(different)}); choose another folder, or remove it"
            )
    return over


def _is_begun(folder: Path) -> bool:
    """Whether anything of a training is there beside the claim."""
    return any(path.name not in (_RECORD, _LOCK) for path in folder.iterdir())


def _different(kept: Mapping[str, Any], asked: Mapping[str, Any], of: str = "") -> list[str]:
    """What is not as it was; digests by their names alone."""
    found = []
    for key in sorted({*kept, *asked}):
        before, now = kept.get(key), asked.get(key)
        if hash_json(before) == hash_json(now) or (_is_number(before) and _is_number(now) and before == now):
            continue  # 5 epochs are 5.0
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            found += _different(before, now, f"{key} ")
        elif any(isinstance(value, list) or len(str(value)) > _LONGEST for value in (before, now)):
            found.append(f"{of}{key}")
        else:
            found.append(f"{of}{key}: {before} there, {now} here")
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _machineries(folder: Path, now: Mapping[str, str]) -> list[Mapping[str, str]]:
    """What a training was made with so far, the first first; says so when that changes."""
    record = folder / _RECORD
    earlier: list[Mapping[str, str]] = []
    if record.is_file() and _is_begun(folder):
        earlier = read_json(record).get("made_with", [])
    if earlier and hash_json(earlier[-1]) != hash_json(now):
        logger.warning(
            "%s goes on with another device or other versions (%s): what comes out is not, bit for bit, what it would "
            "have been", folder, "; ".join(_different(earlier[-1], now)),
        )  # fmt: skip
    return [*(one for one in earlier if one != now), now]
