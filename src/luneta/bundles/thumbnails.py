"""Small pictures of a bundle, in packs: Arrow files of (key, jpeg), mapped into memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path

import pyarrow as pa

from luneta.artifacts import hash_file
from luneta.bundles.files import File, put
from luneta.data.images import thumbnail_jpeg
from luneta.decoding import pictures
from luneta.errors import ArtifactError, ImageError
from luneta.progress import track
from luneta.threads import available
from luneta.types import ImageRef

PACK = 1024
"""Pictures of a pack: some ten megabytes, and a few seconds of work for a kill to lose."""

STEM, SUFFIX = "thumbnails", ".arrow"
_FIELDS = [("key", pa.string()), ("jpeg", pa.binary())]


class Thumbnails:
    """The small pictures of some packs."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder, self._names = folder, names

    def get(self, key: str) -> bytes | None:
        """JPEG bytes of the picture with a content key; None where there is none."""
        found = self._places.get(key)
        if found is None:
            return None
        table, row = found
        jpeg: bytes = table.column("jpeg")[row].as_py()
        return jpeg

    def hold(self) -> None:
        """Map the packs into memory now."""
        _ = self._tables

    @cached_property
    def _places(self) -> Mapping[str, tuple[pa.Table, int]]:
        return {key: (table, row) for _, table in self._tables for row, key in enumerate(keys_of(table))}

    @cached_property
    def _tables(self) -> list[tuple[str, pa.Table]]:
        return [(name, read_pack(self._folder / name)) for name in self._names]


def keys_of(pack: pa.Table) -> list[str]:
    keys: list[str] = pack.column("key").to_pylist()
    return keys


def read_pack(path: Path) -> pa.Table:
    """A pack, mapped into memory.

    Raises:
        ArtifactError: it is no whole pack.
    """
    try:
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
        if table.schema.remove_metadata() != pa.schema(_FIELDS):
            raise ArtifactError(f"{path} is no pack of thumbnails")
    except (OSError, pa.ArrowInvalid) as error:
        raise ArtifactError(f"{path} is damaged or missing: {error}") from error
    return table


def make_thumbnails(
    folder: Path, images: Iterable[tuple[str, ImageRef]], *, side: int, old: Sequence[File]
) -> list[File]:
    """Packs that hold a small picture for each key that can be had.

    Packs that are there are used as they are, an older bundle's as well as those of a run that was killed, as long as
    half of their pictures are wanted. A picture that cannot be decoded any more has none.

    Args:
        folder: of the bundle.
        images: content key and picture; a key may stand several times.
        side: pixels of the longer side at most.
        old: packs of the bundle as it was.

    Raises:
        ArtifactError: a pack cannot be written.
    """
    wanted = dict(images)
    schema = pa.schema(_FIELDS, metadata={"side": str(side)})
    kept: list[File] = []
    known = {file.name: file for file in old}
    for path in sorted(folder.glob(f"{STEM}-*{SUFFIX}")):
        with contextlib.suppress(ArtifactError):  # somebody has damaged it: it is made anew
            pack = read_pack(path)
            keys = keys_of(pack)
            if pack.schema.metadata == schema.metadata and 2 * sum(key in wanted for key in keys) > len(keys):
                kept.append(known.get(path.name) or _described(path))
                for key in keys:
                    wanted.pop(key, None)
    with track("thumbnails", len(wanted)) as advance:
        for low in range(0, len(wanted), PACK):
            part = dict(islice(wanted.items(), low, low + PACK))
            kept.append(_make_pack(folder, part, side, schema))
            advance(len(part))
    return kept


def _described(path: Path) -> File:
    return File(path.name, hash_file(path), path.stat().st_size)


def _make_pack(folder: Path, images: Mapping[str, ImageRef], side: int, schema: pa.Schema) -> File:
    n_threads = min(8, available())
    made = pictures(images.items(), lambda picture: thumbnail_jpeg(picture, side), n_threads, ahead=4 * n_threads)
    with contextlib.closing(made):
        jpegs = [None if isinstance(jpeg, ImageError) else jpeg for jpeg in made]
    table = pa.table({"key": list(images), "jpeg": jpegs}, schema=schema)
    return put(folder, STEM, SUFFIX, lambda path: write_arrow(path, table))


def write_arrow(path: Path, table: pa.Table) -> None:
    """An Arrow file, as it can be mapped into memory."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
