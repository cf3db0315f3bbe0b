"""Where relative file names start from, when a table and its pictures lie in different folders."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

_SAMPLE = 20
_MAX_DEPTH = 3
_MAX_FOLDERS = 2000

logger = logging.getLogger("luneta")


def find_root(table_folder: Path, names: Sequence[str], *, upwards: int = 0) -> Path:
    """The folder under which most of the named files exist: the table's own, or one below (or beside) it.

    Args:
        table_folder: where the table is.
        names: relative file names; the first few are tried.
        upwards: how many folders above the table may be searched too, for layouts such as `annotations/` beside
            `images/`.

    Returns:
        The best folder; `table_folder` when the names exist nowhere, so that they are reported from there.
    """
    tried = [name for name in dict.fromkeys(names) if name and not os.path.isabs(name)][:_SAMPLE]
    if not tried or _hits(table_folder, tried):
        return table_folder
    starts = [table_folder, *table_folder.resolve().parents[:upwards]]
    best, best_hits = table_folder, 0
    for start in starts:
        for folder in _below(start):
            hits = _hits(folder, tried)
            if hits > best_hits:
                best, best_hits = folder, hits
            if hits == len(tried):
                break
        if best_hits:
            logger.info("picture files found under %s", best)
            return best
    return best


def _hits(folder: Path, names: Sequence[str]) -> int:
    return sum(_exists(folder, name) for name in names)


def _exists(folder: Path, name: str) -> bool:
    try:
        return os.path.exists(os.path.join(folder, name))
    except ValueError:  # a NUL in the name
        return False


def _below(start: Path) -> Iterator[Path]:
    """The folder and those below it, nearest first, hidden ones left out."""
    level = [start]
    seen = 0
    for _ in range(_MAX_DEPTH + 1):
        yield from level
        seen += len(level)
        if seen > _MAX_FOLDERS:
            return
        level = [child for folder in level for child in _subfolders(folder)]


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
    except OSError:
        return []
