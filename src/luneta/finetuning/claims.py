"""Whose a folder is: of one training, which goes on there when it is asked for again, and of no other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from luneta.artifacts import hash_json, read_json, write_json
from luneta.errors import ConfigError
from luneta.finetuning import processes

_RECORD = "training.json"


def claim(folder: Path, identity: Mapping[str, Any], result: str) -> None:
    """Make a folder that of one training, or find that it is.

    Args:
        folder: of the result.
        identity: what the training follows from.
        result: name of the file that is written when it has ended.

    Raises:
        ConfigError: it holds another training, a finished one, or files of somebody else.
    """
    check_claim(folder, identity, result)
    if processes.is_main():
        write_json(folder / _RECORD, dict(identity))


def check_claim(folder: Path, identity: Mapping[str, Any], result: str) -> None:
    """The same, without taking it; the identity may leave out what is not known yet.

    Raises:
        ConfigError: as `claim`.
    """
    if (folder / result).is_file():
        raise ConfigError(f"{folder} holds a finished training; choose another folder, or remove it to train anew")
    record = folder / _RECORD
    if record.is_file():
        begun, kept = any(path.name != _RECORD for path in folder.iterdir()), read_json(record)
        if begun and hash_json({key: kept.get(key) for key in identity}) != hash_json(identity):
            raise ConfigError(
                f"{folder} holds a training of other data, another encoder or another recipe; choose another folder, "
                "or remove it"
            )
        return
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty and no training of ours; choose a folder that does not exist yet")
