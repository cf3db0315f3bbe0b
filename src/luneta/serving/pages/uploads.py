"""Data sets that somebody uploads: an archive, or a table with its pictures, laid out in a folder of their own.

Nothing is written outside of that folder, only pictures, captions and tables are written at all, and no more of them
than the limits say, whatever an archive claims of itself.
"""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from luneta.data.images import SUFFIXES
from luneta.data.tables import TABLE_SUFFIXES
from luneta.serving.pages.refusals import Refusal

KEPT = frozenset({*SUFFIXES, *TABLE_SUFFIXES, ".txt"})
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

LONGEST_NAME = 200
DEEPEST = 8
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What an upload may become.

    Attributes:
        max_files: that are written.
        max_bytes: of all of them.
    """

    max_files: int = 20_000
    max_bytes: int = 2 * 2**30


def laid_out(uploads: Sequence[str], folder: Path, limits: Limits) -> Path:
    """The folder of a data set made from uploaded files.

    Args:
        uploads: one archive, or a table and pictures.
        folder: empty; the data set is written below it.
        limits: of what is written.

    Returns:
        The folder to open: that of the only folder where an archive holds nothing else.

    Raises:
        Refusal: nothing of use, too much, or names that lead elsewhere.
    """
    if not uploads:
        raise Refusal("lab_no_upload")
    writer = _Writer(folder, limits)
    paths = [Path(path) for path in uploads]
    if len(paths) == 1 and paths[0].name.lower().endswith(ARCHIVES):
        _unpack(paths[0], writer)
    else:
        for path in paths:
            with path.open("rb") as file:
                writer.write(path.name, file)
    if not writer.n_files:
        raise Refusal("lab_nothing_in_upload", kinds=", ".join(sorted(KEPT)))
    return _innermost(folder)


def _innermost(folder: Path) -> Path:
    """Past folders that hold one folder and nothing else."""
    while len(inside := list(folder.iterdir())) == 1 and inside[0].is_dir():
        folder = inside[0]
    return folder


class _Writer:
    """Writes files below a folder, within limits."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self._limits = folder, limits
        self.n_files, self._n_bytes = 0, 0

    def write(self, name: str, file: IO[bytes]) -> None:
        """Write a file; one of a kind that is of no use is passed over.

        Raises:
            Refusal: its name leads elsewhere, or it is one too many.
        """
        place = _inside(name)
        if place.suffix.lower() not in KEPT or any(part.startswith((".", "__MACOSX")) for part in place.parts):
            return
        if self.n_files >= self._limits.max_files:
            raise Refusal("lab_too_many_files", n=self._limits.max_files)
        target = self._folder.joinpath(*place.parts)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as written:  # a name that is there twice would hide one of the two
                while chunk := file.read(_CHUNK):
                    self._n_bytes += len(chunk)
                    if self._n_bytes > self._limits.max_bytes:
                        raise Refusal("lab_too_large", mib=self._limits.max_bytes >> 20)
                    written.write(chunk)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise Refusal("lab_twice", name=name[:LONGEST_NAME]) from None
        self.n_files += 1


def _inside(name: str) -> PurePosixPath:
    """A name as a place below a folder.

    >>> str(_inside("photos\\\\a b.jpg")), str(_inside("./x/y.csv"))
    ('photos/a b.jpg', 'x/y.csv')

    Raises:
        Refusal: it leads elsewhere.
    """
    place = PurePosixPath(name.replace("\\", "/"))
    parts = place.parts
    leads_out = place.is_absolute() or ".." in parts or (parts and parts[0].endswith(":"))
    if leads_out or not name.isprintable() or not parts or len(name) > LONGEST_NAME or len(parts) > DEEPEST:
        raise Refusal("lab_bad_name", name=name[:60])
    return place


def _unpack(path: Path, writer: _Writer) -> None:
    members = _zip_members(path) if path.name.lower().endswith(".zip") else _tar_members(path)
    try:
        for name, file in members:
            with file:
                writer.write(name, file)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        EOFError,
        OSError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        raise Refusal("lab_damaged", why=type(error).__name__) from error


def _zip_members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if not member.is_dir() and kind in (0, stat.S_IFREG):  # no links
                yield member.filename, archive.open(member)


def _tar_members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            if file is not None:
                yield member.name, file
