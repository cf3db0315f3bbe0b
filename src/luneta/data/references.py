"""References to encoded pictures, in files, in tables, in archives: read and decoded when asked."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol, runtime_checkable

from luneta.data.images import decode_image
from luneta.errors import ImageError
from luneta.types import ImageRef

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL import Image

MAX_BYTES = 1 << 30
"""Larger files are refused before they are read; no picture within the other limits comes near."""


def digest(data: bytes | pa.Buffer) -> str:
    """Hex digest of encoded bytes, 32 characters."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def read_file(path: str | os.PathLike[str]) -> bytes:
    """A picture file's bytes.

    Raises:
        ImageError: the file is missing or cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            return _whole(stream, os.fstat(stream.fileno()).st_size)
    except FileNotFoundError:
        raise ImageError("no such file") from None
    except IsADirectoryError:
        raise ImageError("a folder, not a file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ImageError(f"cannot be read ({getattr(error, 'strerror', None) or error})") from None


def size_problem(n_bytes: int) -> str | None:
    """Why a file of so many bytes is not read, or None."""
    if n_bytes > MAX_BYTES:
        return f"file of {n_bytes / 2**30:,.1f} GiB, more than {MAX_BYTES >> 30} GiB, the limit"
    return None if n_bytes else "empty file"


def _whole(stream: IO[bytes], n_bytes: int) -> bytes:
    if problem := size_problem(n_bytes):
        raise ImageError(problem)
    try:
        return stream.read(n_bytes)
    except MemoryError:
        raise ImageError("not enough memory to read it") from None


@runtime_checkable
class EncodedImageRef(ImageRef, Protocol):
    """A reference that has encoded bytes behind it, as drawn pictures have not."""

    def read(self) -> bytes | pa.Buffer:
        """The encoded bytes. Raises ImageError when they cannot be had."""
        ...


class _Encoded:
    """What all encoded references do with their bytes."""

    __slots__ = ()

    def read(self) -> bytes | pa.Buffer:
        raise NotImplementedError

    def key(self) -> str:
        """Hex digest of the encoded bytes."""
        return digest(self.read())

    def open(self) -> Image.Image:
        """The decoded RGB picture."""
        return decode_image(self.read())


@dataclass(frozen=True, slots=True)
class FileImage(_Encoded):
    """A picture in a file of its own."""

    path: str

    @property
    def label(self) -> str:
        return self.path

    def read(self) -> bytes:
        return read_file(self.path)


@dataclass(frozen=True, slots=True)
class ArrowImage(_Encoded):
    """A picture in a row of a binary Arrow column, which may be memory-mapped; nothing is copied."""

    column: pa.ChunkedArray
    row: int
    label: str

    def read(self) -> pa.Buffer:
        buffer = self.column[self.row].as_buffer()
        if buffer is None:
            raise ImageError("no picture in this row")
        return buffer


@dataclass(frozen=True, slots=True)
class TarImage(_Encoded):
    """A picture inside an uncompressed tar archive, read in place."""

    archive: str
    offset: int
    size: int
    member: str

    @property
    def label(self) -> str:
        return f"{self.archive}/{self.member}"

    def read(self) -> bytes:
        try:
            with open(self.archive, "rb", buffering=0) as stream:
                stream.seek(self.offset)
                data = _whole(stream, self.size)
        except OSError as error:
            raise ImageError(f"cannot be read ({error.strerror or error})") from None
        if len(data) != self.size:
            raise ImageError("truncated file")
        return data
