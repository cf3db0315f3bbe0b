"""Where relative file names start from, when a table and its pictures lie in different folders."""

from __future__ import annotations

import logging
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from luneta.errors import ConfigError

_SAMPLE = 20
_MAX_DEPTH = 3
_MAX_FOLDERS = 2000
_WELL_KNOWN = re.compile(
    r"(images?|imgs?|pictures|photos|jpe?gs?|imagens|fotos|jpegimages|(train|val|test)(20\d\d)?|flickr\d+k[-_]?"
    r"(images|dataset))",
    re.IGNORECASE,
)

logger = logging.getLogger("luneta")


def find_root(table_folder: Path, names: Sequence[str], *, upwards: int = 0) -> Path:
    """The folder under which most of the named files exist: the table's own, else one below it or near above it.

    A folder other than the table's own must hold most of the names tried, and is warned of, for it is a guess.

    Args:
        table_folder: where the table is.
        names: relative file names; the first few are tried.
        upwards: how many folders above the table are looked at too, for layouts such as `annotations/` beside
            `images/`. Of these only the folder itself, folders with usual names (images/, train2017/) and the
            neighbours of the table's folder count: pictures of another project have equal names easily.

    Returns:
        The best folder; `table_folder` when the names exist nowhere, so that they are reported from there.

    Raises:
        ConfigError: several folders hold equally many of the files.
    """
    tried = [name for name in dict.fromkeys(names) if name and not os.path.isabs(name)][:_SAMPLE]
    if not tried or hits(table_folder, tried) == len(tried):
        return table_folder
    parents = table_folder.resolve().parents[:upwards]
    for folders in (_below(table_folder), *map(_near, parents, [True] + [False] * len(parents))):
        found = _best(folders, tried)
        if table_folder in found:
            break
        if found:
            if len(found) > 1:
                raise ConfigError(
                    f"pictures such as {tried[0]!r} lie in several folders: {', '.join(map(str, found[:5]))}; say "
                    'which with image="FOLDER"'
                )
            logger.warning("%s: its pictures are taken from %s", table_folder, found[0])
            return found[0]
    return table_folder


def _best(folders: Iterable[Path], names: Sequence[str]) -> list[Path]:
    """The folders that hold the most names, if that is most of them; each folder once, by whatever path."""
    counts: dict[Path, int] = {}
    real: set[str] = set()
    for folder in folders:
        if (found := hits(folder, names)) and (path := os.path.realpath(folder)) not in real:
            real.add(path)
            counts[folder] = found
    most = max(counts.values(), default=0)
    return [folder for folder, count in counts.items() if count == most > len(names) / 2]


def hits(folder: Path, names: Iterable[str]) -> int:
    """How many of the files exist there."""
    return sum(any(_exists(folder, form) for form in spellings(name)) for name in names)


def spellings(name: str) -> Iterable[str]:
    """A file name as written, with the other slash, and with accents in one character or two: systems differ."""
    slashed = name.replace("\\", "/")
    if name.isascii():
        return dict.fromkeys((name, slashed))
    return dict.fromkeys((name, slashed, *(unicodedata.normalize(form, slashed) for form in ("NFC", "NFD"))))


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


def _near(folder: Path, neighbours: bool) -> Iterator[Path]:
    """A folder above the table, what it holds by a usual name, and the neighbours of the table's folder."""
    yield folder
    for child in _subfolders(folder):
        known = _WELL_KNOWN.fullmatch(child.name) is not None
        if known or neighbours:
            yield child
        if known:
            yield from (deeper for deeper in _subfolders(child) if _WELL_KNOWN.fullmatch(deeper.name))


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
    except OSError:
        return []
