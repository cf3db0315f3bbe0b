"""Data sets that somebody uploads: an archive, or a table with its pictures, laid out in a folder of their own.

Nothing is written outside of that folder, only pictures, captions and tables are written at all, and no more of them
than the limits say, whatever an archive claims of itself. What it unpacks to is counted as it comes out, whether it is
kept or not, and never held in memory.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from luneta.data.images import SUFFIXES
from luneta.data.tables import TABLE_SUFFIXES
from luneta.serving.pages.refusals import Refusal

KEPT = frozenset({*SUFFIXES, *TABLE_SUFFIXES, ".txt"})
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

LONGEST_NAME = 200
DEEPEST = 8
_CHUNK = 1 << 20
_TAR_BLOCK = 1 << 14

LONGEST_HEADER = 1 << 16
"""Bytes of what stands before a file in a tar: names, and whatever else is said of it."""

LARGEST_DIRECTORY = 16 * 2**20
"""Bytes of the list at the end of a zip, which is read as a whole."""

FREE_BYTES, MOST_PER_BYTE = 64 * 2**20, 200
"""What an archive may unpack to however small it is, and beyond that for each of its bytes."""

MOST_XZ_MEMORY = 128 * 2**20
"""That unpacking may take; xz itself needs 65 MiB for what its strongest setting has packed."""

Check = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """What an upload may become.

    Attributes:
        max_files: that are written.
        max_bytes: of all that it unpacks to.
    """

    max_files: int = 20_000
    max_bytes: int = 2 * 2**30


def laid_out(uploads: Sequence[str], folder: Path, limits: Limits, check: Check = lambda: None) -> Path:
    """The folder of a data set made from uploaded files.

    Args:
        uploads: one archive, or a table and pictures.
        folder: empty; the data set is written below it.
        limits: of what is written.
        check: called again and again; what it raises ends the work.

    Returns:
        The folder to open: that of the only folder where an archive holds nothing else.

    Raises:
        Refusal: nothing, or nothing of use, too much, or names that lead elsewhere.
    """
    if not uploads:
        raise Refusal("lab_no_upload")
    paths = [Path(path) for path in uploads]
    if not all(path.is_file() for path in paths):
        raise Refusal("lab_upload_gone")
    archive = paths[0] if len(paths) == 1 and paths[0].name.lower().endswith(ARCHIVES) else None
    packed = None if archive is None else archive.stat().st_size
    writer = _Writer(folder, limits, _Meter(limits.max_bytes, packed, check))
    if archive is not None:
        _unpack(archive, writer)
    else:
        for path in paths:
            with path.open("rb") as file:
                writer.write(path.name, writer.meter.read(file))
    if not writer.n_files:
        raise Refusal("lab_nothing_in_upload", kinds=", ".join(sorted(KEPT)))
    return _innermost(folder)


def _innermost(folder: Path) -> Path:
    """Past folders that hold one folder and nothing else."""
    while len(inside := list(folder.iterdir())) == 1 and inside[0].is_dir():
        folder = inside[0]
    return folder


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


class _Meter:
    """Counts what comes out of an upload.

    Args:
        most: bytes of all of it.
        packed: bytes of the archive that it comes out of; None for files as they are.
        check: called before every piece.
    """

    def __init__(self, most: int, packed: int | None, check: Check) -> None:
        self._most = most if packed is None else min(most, FREE_BYTES + MOST_PER_BYTE * packed)
        self._check, self._n = check, 0
        self.header: int | None = None
        """Bytes that may still come before the next file begins; None inside of one."""

    def read(self, file: _Readable) -> _Metered:
        return _Metered(file, self)

    def begin(self) -> None:
        self._check()

    def took(self, n: int) -> None:
        """Raises Refusal where it is too much."""
        self._n += n
        if self._n > self._most:
            raise Refusal("lab_too_large", mib=self._most >> 20)
        if self.header is not None:
            self.header -= n
            if self.header < 0:
                raise Refusal("lab_damaged", why="header")


class _Metered:
    """A file that is read in pieces, each of them counted."""

    def __init__(self, file: _Readable, meter: _Meter) -> None:
        self._file, self._meter = file, meter

    def read(self, size: int = _CHUNK) -> bytes:
        self._meter.begin()
        data = self._file.read(min(size, _CHUNK))
        self._meter.took(len(data))
        return data


class _Writer:
    """Writes files below a folder, within limits."""

    def __init__(self, folder: Path, limits: Limits, meter: _Meter) -> None:
        self._folder, self._limits, self.meter = folder, limits, meter
        self.n_files = 0

    def write(self, name: str, file: _Readable) -> None:
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
    members = _zip_members if path.name.lower().endswith(".zip") else _tar_members
    try:
        with path.open("rb") as packed:
            for name, file in members(packed, writer.meter):
                writer.write(name, file)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        raise Refusal("lab_damaged", why=type(error).__name__) from error


def _zip_members(packed: IO[bytes], meter: _Meter) -> Iterator[tuple[str, _Readable]]:
    _check_directory(packed)
    with zipfile.ZipFile(packed) as archive:
        for member in archive.infolist():
            meter.begin()
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.is_dir() or kind not in (0, stat.S_IFREG):  # no links
                continue
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Refusal("lab_zip_method")  # others are unpacked with no limit of what they take
            with archive.open(member) as file:
                yield member.filename, meter.read(file)


def _check_directory(packed: IO[bytes]) -> None:
    """The list at the end of a zip is of a size to be read.

    Raises:
        Refusal: it is not.
    """
    size = packed.seek(0, 2)
    packed.seek(max(0, size - (1 << 16) - 22))
    tail = packed.read()
    at = tail.rfind(b"PK\5\6")
    if at >= 0 and len(tail) >= at + 22:
        (length,) = struct.unpack_from("<I", tail, at + 12)
        wide = tail[max(0, at - 20) : at].startswith(b"PK\6\7")  # of archives of 4 GiB, or 65,536 files
        if wide or length > LARGEST_DIRECTORY:
            raise Refusal("lab_too_many_files", n=(1 << 16) - 1)
    packed.seek(0)


def _tar_members(packed: IO[bytes], meter: _Meter) -> Iterator[tuple[str, _Readable]]:
    unpacked: Any = meter.read(_unpacked(packed))
    meter.header = LONGEST_HEADER
    with tarfile.open(fileobj=unpacked, mode="r|", bufsize=_TAR_BLOCK) as archive:
        while (member := archive.next()) is not None:
            vars(archive)["members"] = []  # it keeps them all
            if member.issparse():
                raise Refusal("lab_damaged", why="sparse")  # of any size, without a byte of it in the archive
            file = archive.extractfile(member) if member.isreg() else None
            if file is not None:
                meter.header = None
                yield member.name, file
                while file.read(_CHUNK):
                    pass  # so that what comes next is a header
            meter.header = LONGEST_HEADER


def _unpacked(packed: IO[bytes]) -> _Readable:
    """What a file holds, whichever of the usual ways it is packed in."""
    head = packed.read(6)
    packed.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=packed)
    if head.startswith(b"BZh"):
        return bz2.BZ2File(packed)
    return _Unxz(packed) if head == b"\xfd7zXZ\0" else packed


class _Unxz:
    """What a file packed by xz holds; `lzma.open` takes all the memory that the file says it needs."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed, self._rest = packed, b""
        self._unpacker = self._begun()

    def _begun(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, MOST_XZ_MEMORY)

    def read(self, size: int = _CHUNK, /) -> bytes:
        while True:
            if self._unpacker.eof:
                self._rest = (self._unpacker.unused_data or self._packed.read(_CHUNK)).lstrip(b"\0")
                if not self._rest:
                    return b""
                self._unpacker = self._begun()
            if self._unpacker.needs_input and not self._rest:
                self._rest = self._packed.read(_CHUNK)
                if not self._rest:
                    raise EOFError("the archive ends in the midst")
            rest, self._rest = self._rest, b""
            if data := self._unpacker.decompress(rest, size):
                return data
