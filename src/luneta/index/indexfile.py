"""One file for what an index has beyond ids and vectors: FAISS's own bytes, then facts about them.

    body | facts as JSON | length of the JSON (8 bytes), CRC-32 of the body (4), of the JSON (4) | LUNETAIX

The facts stand behind the body so that FAISS can memory-map the file as it is. FAISS follows what it reads without
looking where it leads, so that a damaged graph would end the process: everything is checked against the CRC before
FAISS sees it. That takes 0.15 s a gigabyte, and what is searched next is in memory then.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luneta import artifacts
from luneta.errors import ArtifactError

_END = struct.Struct("<QII8s")
_MAGIC = b"LUNETAIX"
_AT_ONCE = 2**24


@dataclass(frozen=True, slots=True)
class IndexFile:
    """A file that is whole.

    Attributes:
        path: where it was.
        facts: what its writer said of the body.
        n_bytes: of the body.
        content: the whole file, memory-mapped, so that it can be read again when the path is another file's.
    """

    path: Path
    facts: Mapping[str, Any]
    n_bytes: int
    content: mmap.mmap

    def copy_body(self, target: Path) -> None:
        with target.open("wb") as file:
            for start in range(0, self.n_bytes, _AT_ONCE):
                file.write(self.content[start : min(start + _AT_ONCE, self.n_bytes)])


def write(path: str | os.PathLike[str], facts: Mapping[str, Any], write_body: Callable[[Path], None]) -> None:
    """Write a file atomically; `write_body` writes the body to the path it gets.

    Raises:
        ArtifactError: it cannot be written.
    """
    text = json.dumps(facts, sort_keys=True, allow_nan=False).encode()
    with artifacts.atomic_path(path) as place:
        write_body(place)
        crc = 0
        with place.open("rb") as file:
            while some := file.read(_AT_ONCE):
                crc = zlib.crc32(some, crc)
        with place.open("ab") as file:
            file.write(text + _END.pack(len(text), crc, zlib.crc32(text), _MAGIC))


def read(path: str | os.PathLike[str]) -> IndexFile:
    """
    Raises:
        ArtifactError: there is none, or a byte of it has changed.
    """
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size < _END.size:
                raise _damaged(path, "it is too short")
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise ArtifactError(f"no such file: {path}") from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}") from error
    length, crc, text_crc, magic = _END.unpack(content[-_END.size :])
    n_bytes = len(content) - _END.size - length
    if magic != _MAGIC or n_bytes < 0:
        raise _damaged(path, "its end is not that of an index")
    text = content[n_bytes : n_bytes + length]
    with memoryview(content) as view, view[:n_bytes] as body:
        if zlib.crc32(text) != text_crc or _crc(body) != crc:
            raise _damaged(path, "its bytes are not those that were written")
    facts = json.loads(text)
    return IndexFile(Path(path), facts, n_bytes, content)


def _crc(body: memoryview) -> int:
    crc = 0
    for start in range(0, len(body), _AT_ONCE):
        crc = zlib.crc32(body[start : start + _AT_ONCE], crc)
    return crc


def _damaged(path: str | os.PathLike[str], why: str) -> ArtifactError:
    return ArtifactError(f"{path} is no whole index: {why}; take it from a copy, or build the index again")
