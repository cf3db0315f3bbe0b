"""From a column to the distinct pictures it names: files, encoded bytes, members of archives."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from luneta.data.cells import is_binary, strings
from luneta.data.dataset import Indexes
from luneta.data.raw import RawTable
from luneta.data.references import ArrowImage, FileImage, TarImage, digest, size_problem
from luneta.data.roots import find_root, spellings
from luneta.progress import track
from luneta.types import ImageRef

_PROBE = 64  # bytes compared at three places before whole pictures are hashed
_STEP = 1000
_NO_FILE = "no such file"
_STRANGE = "a file that the data set does not contain; if you have it, name its folder with image="


class LazyImages(Sequence[ImageRef]):
    """References made when asked for, so that a million pictures cost a million numbers."""

    def __init__(self, make: Callable[[int], ImageRef], which: Indexes) -> None:
        self._make = make
        self._which = which

    def __len__(self) -> int:
        return len(self._which)

    @overload
    def __getitem__(self, index: int) -> ImageRef: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[ImageRef]: ...

    def __getitem__(self, index: int | slice) -> ImageRef | Sequence[ImageRef]:
        if isinstance(index, slice):
            return LazyImages(self._make, self._which[index])
        return self._make(int(self._which[index]))

    def __iter__(self) -> Iterator[ImageRef]:
        return map(self._make, self._which.tolist())


@dataclass(frozen=True)
class Pictures:
    """The distinct pictures of some rows.

    Attributes:
        codes: for each row its picture, numbered by first appearance; -1 where there is none.
        make: the reference of a picture's number.
        bad: position among the rows -> why there is no picture.
    """

    codes: Indexes
    make: Callable[[int], ImageRef]
    bad: dict[int, str]


def find_pictures(raw: RawTable, column: str, rows: Indexes) -> Pictures:
    """The distinct pictures that `rows` of a table name; nothing is decoded.

    Rows that name the same file, or hold the same bytes, name one picture. Missing and empty files are found here.
    """
    cells = raw.table.column(column)
    if pt.is_struct(cells.type):
        fields = {cells.type.field(i).name for i in range(cells.type.num_fields)}
        if "archive" in fields:
            return _in_archives(cells.combine_chunks().take(pa.array(rows)), raw.within)
        names = _field(cells, "path") if "path" in fields else pa.chunked_array([pa.nulls(len(cells), pa.string())])
        data = _field(cells, "bytes")
        if data.null_count == 0:
            return _in_memory(raw, data, names, rows)
        if data.null_count == len(data):
            return _in_files(raw, names, rows)
        held = pc.is_valid(data)
        beside = _in_files(raw, pc.if_else(held, None, names), rows)
        return _merge(_in_memory(raw, data, names, rows), beside, held.to_numpy()[rows])
    if is_binary(cells.type):
        return _in_memory(raw, cells, None, rows)
    return _in_files(raw, cells, rows)


def _field(cells: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    return pa.chunked_array(
        [pc.struct_field(chunk, name) for chunk in cells.chunks],
        cells.type.field(cells.type.get_field_index(name)).type,
    )


def _merge(inside: Pictures, beside: Pictures, held: NDArray[np.bool_]) -> Pictures:
    """Pictures of {bytes, path} cells: the bytes where there are any, the file where there are none."""
    offset = int(inside.codes.max(initial=-1)) + 1
    mixed = np.where(held, inside.codes, np.where(beside.codes >= 0, beside.codes + offset, -1))
    used, codes = _by_first_appearance(mixed)
    bad = {at: (inside if held[at] else beside).bad[at] for at in np.flatnonzero(mixed < 0).tolist()}

    def make(number: int) -> ImageRef:
        original = int(used[number])
        return inside.make(original) if original < offset else beside.make(original - offset)

    return Pictures(codes, make, bad)


def _by_first_appearance(codes: Indexes) -> tuple[Indexes, Indexes]:
    """Renumber codes 0, 1, ... in the order they first appear (-1 stays); also what each new number was."""
    good = codes >= 0
    values, first, inverse = np.unique(codes[good], return_index=True, return_inverse=True)
    order = np.argsort(first)
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    renumbered = np.full(len(codes), -1, dtype=np.int64)
    renumbered[good] = position[inverse]
    return values[order], renumbered


# Files --------------------------------------------------------------------------------------------------------


def _in_files(raw: RawTable, names: pa.ChunkedArray, rows: Indexes) -> Pictures:
    encoded = names.take(pa.array(rows)).combine_chunks().dictionary_encode()
    unique = strings(encoded.dictionary)
    name_codes = pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int64)
    parts = raw.folders or ((0, None),)
    part_of_row = np.searchsorted([row for row, _ in parts], rows, side="right") - 1
    paths: dict[str, int] = {}
    codes = np.full(len(rows), -1, dtype=np.int64)
    bad = dict.fromkeys(np.flatnonzero(name_codes < 0).tolist(), "no picture named")
    with track("checking image files", len(unique)) as advance:
        for part, (_, folder) in enumerate(parts):
            at = np.flatnonzero((part_of_row == part) & (name_codes >= 0))
            used = np.flatnonzero(np.bincount(name_codes[at], minlength=len(unique))).tolist()
            root = folder and find_root(folder, [unique[code] for code in used[:_STEP]])
            number = np.full(len(unique), -1, dtype=np.int64)
            problems: dict[int, str] = {}
            for code in used:
                found = _add_file(root, unique[code], paths, raw.within)
                if isinstance(found, int):
                    number[code] = found
                else:
                    problems[code] = found
                advance(1)
            codes[at] = number[name_codes[at]]
            bad |= {position: problems[int(name_codes[position])] for position in at[codes[at] < 0].tolist()}
    listed = list(paths)
    used_paths, codes = _by_first_appearance(codes)
    return Pictures(codes, lambda number: FileImage(listed[int(used_paths[number])]), bad)


def _add_file(root: Path | None, name: str, paths: dict[str, int], within: tuple[Path, ...] | None) -> int | str:
    """The number of a file among `paths`, or why it is none."""
    name = name.strip()
    if not name:
        return "no picture named"
    if "://" in name:
        return "a web address: download the picture first"
    for spelled in spellings(name):
        if root is None and not os.path.isabs(spelled):
            return _STRANGE
        path = os.path.normpath(os.path.join(root or "", spelled))
        if path in paths:
            return paths[path]
        if within is not None and not _is_within(path, within):
            return _STRANGE  # whether it is there or not
        problem = _file_problem(path)
        if problem is None:
            return paths.setdefault(path, len(paths))
        if problem != _NO_FILE:
            return problem
    return _NO_FILE


def _is_within(path: str, folders: Iterable[Path]) -> bool:
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(folder) for folder in folders)


def _file_problem(path: str) -> str | None:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return _NO_FILE
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return f"unusable file name ({getattr(error, 'strerror', None) or error})"
    if stat.S_ISDIR(status.st_mode):
        return "a folder, not a file"
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    return size_problem(status.st_size)


# Bytes --------------------------------------------------------------------------------------------------------


def _in_memory(raw: RawTable, data: pa.ChunkedArray, names: pa.ChunkedArray | None, rows: Indexes) -> Pictures:
    sizes = pc.fill_null(pc.binary_length(data), -1).to_numpy().astype(np.int64)[rows]
    first = _first_with_equal_bytes(data, rows, sizes)
    bad = {at: "no picture" if sizes[at] < 0 else "empty file" for at in np.flatnonzero(sizes <= 0).tolist()}
    used, codes = _by_first_appearance(np.where(sizes > 0, first, -1))

    def make(number: int) -> ImageRef:
        row = int(rows[used[number]])
        name = names[row].as_py() if names is not None else None
        return ArrowImage(data, row, name or f"{raw.label}, row {row}")

    return Pictures(codes, make, bad)


def _first_with_equal_bytes(data: pa.ChunkedArray, rows: Indexes, sizes: Indexes) -> Indexes:
    """For each position the first position whose bytes are equal.

    Bytes are compared by digest, but few are read: pictures of a length nobody shares are alone, and of the others
    only those are hashed whole that agree in a few bytes from their beginning, middle and end.
    """
    first = np.arange(len(rows))
    _, inverse, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    suspects = np.flatnonzero((counts[inverse] > 1) & (sizes > 0))
    alike: dict[tuple[int, bytes], list[int]] = {}
    with track("comparing images", len(suspects)) as advance:
        for at in suspects.tolist():
            view = memoryview(data[int(rows[at])].as_buffer())
            middle = len(view) // 2
            probe = bytes(view[:_PROBE]) + bytes(view[middle : middle + _PROBE]) + bytes(view[-_PROBE:])
            alike.setdefault((len(view), probe), []).append(at)
            advance(1)
    for positions in alike.values():
        seen: dict[str, int] = {}
        for at in positions if len(positions) > 1 else ():
            first[at] = seen.setdefault(digest(data[int(rows[at])].as_buffer()), at)
    return first


def _in_archives(members: pa.StructArray, within: tuple[Path, ...] | None) -> Pictures:
    if within is not None:  # only our own reader of shards writes such places
        return Pictures(np.full(len(members), -1), _nothing, dict.fromkeys(range(len(members)), _STRANGE))
    archives, offsets, sizes, names = (
        pc.struct_field(members, field) for field in ("archive", "offset", "size", "member")
    )
    lengths = pc.fill_null(sizes, -1).to_numpy()
    problems = {size: "no picture" if size < 0 else size_problem(size) for size in np.unique(lengths).tolist()}
    bad = {at: problem for at, size in enumerate(lengths.tolist()) if (problem := problems[size])}
    codes = np.arange(len(lengths))
    codes[list(bad)] = -1
    used, codes = _by_first_appearance(codes)

    def make(number: int) -> ImageRef:
        at = int(used[number])
        return TarImage(archives[at].as_py(), offsets[at].as_py(), sizes[at].as_py(), names[at].as_py())

    return Pictures(codes, make, bad)


def _nothing(number: int) -> ImageRef:
    raise IndexError(number)
