"""Random samples of a split on the hub, drawn from all of its rows without keeping the others.

Parquet files say how many rows they hold and give any group of rows by itself: row numbers are drawn from all of them,
and only the groups in which one lies are fetched. Any other format is read from beginning to end, and the pictures with
the smallest seeded digests stay, with all their rows: each picture as probably as any other, in whatever order they
come, and never more of them in memory than were asked for. No picture is decoded.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from luneta.data.dataset import Indexes
from luneta.data.records import table_of
from luneta.data.references import digest
from luneta.hub_access import hub_token
from luneta.progress import track

if TYPE_CHECKING:
    from datasets import DatasetBuilder, DownloadConfig, Features, IterableDataset

_READERS = 4  # groups of rows held in memory at a time, some 100 MB each


@dataclass(frozen=True, slots=True)
class Drawn:
    """Rows of a split, in its order, and how many there are of them all."""

    table: pa.Table
    n_rows: int


# Parquet files ------------------------------------------------------------------------------------------------


def parquet_files(builder: DatasetBuilder, split: str) -> list[str] | None:
    """The files of a split, where it is nothing but whole Parquet files."""
    from datasets.packaged_modules.parquet.parquet import Parquet

    if not isinstance(builder, Parquet) or builder.config.filters is not None:
        return None
    files = builder.config.data_files[split]
    return [str(file) for file in ([files] if isinstance(files, str) else files)]


def from_parquet(
    files: Sequence[str], features: Features, image: str | None, *, limit: int, seed: int, stage: str
) -> Drawn:
    """Rows of so many different pictures: row numbers are drawn until that many are found.

    Rows of the same picture in the same group of rows come along, since they have been fetched anyway; others do not.

    Args:
        files: of the split, in its order.
        features: of its columns.
        image: column of the pictures; None takes every row for a picture of its own.
        limit, seed: how many, and of what sample.
        stage: for the progress.
    """
    from datasets import DownloadConfig

    asking = DownloadConfig(token=hub_token())
    with ThreadPoolExecutor(_READERS) as pool:
        metadata = list(pool.map(partial(_metadata, asking), files))
        split = _Parquet(files, metadata, features, image, asking)
        rng = np.random.default_rng(seed)
        drawn = np.empty(0, dtype=np.int64)
        found = _Rows.none(features)
        while True:
            further = _further(rng, split.n_rows, drawn, max(limit, len(drawn)))
            drawn = np.concatenate([drawn, further])
            groups = split.by_group(further)
            with track(stage, len(groups)) as advance:
                parts = [found]
                for rows in pool.map(split.read, groups, groups.values()):
                    parts.append(rows)
                    advance(1)
            found = _Rows.joined(parts)
            shown = dict(zip(found.numbers.tolist(), found.pictures, strict=True))
            chosen = list(dict.fromkeys(shown[number] for number in drawn.tolist()))[:limit]
            if len(chosen) == limit or len(drawn) == split.n_rows:
                return Drawn(found.of(set(chosen)).table, split.n_rows)


def _further(rng: np.random.Generator, n: int, drawn: Indexes, wanted: int) -> Indexes:
    """Numbers below n that were not drawn before: so many, or all that are left."""
    candidates = rng.choice(n, size=min(n, len(drawn) + wanted), replace=False)
    further: Indexes = candidates[~np.isin(candidates, drawn)][:wanted]
    return further


@dataclass(frozen=True)
class _Rows:
    """Rows that were fetched.

    Attributes:
        numbers: of the rows in the split, ascending, without repeats.
        pictures: what each row's `picture_of` is.
        table: the rows.
    """

    numbers: Indexes
    pictures: Sequence[str]
    table: pa.Table

    @classmethod
    def none(cls, features: Features) -> _Rows:
        return cls(np.empty(0, dtype=np.int64), [], features.arrow_schema.remove_metadata().empty_table())

    @classmethod
    def joined(cls, parts: Sequence[_Rows]) -> _Rows:
        everything = cls(
            np.concatenate([part.numbers for part in parts]),
            [picture for part in parts for picture in part.pictures],
            pa.concat_tables([part.table for part in parts]),
        )
        return everything._at(np.unique(everything.numbers, return_index=True)[1])

    def of(self, pictures: Set[str]) -> _Rows:
        """Those that show one of these pictures."""
        return self._at(np.array([at for at, picture in enumerate(self.pictures) if picture in pictures], np.int64))

    def _at(self, places: Indexes) -> _Rows:
        pictures = [self.pictures[at] for at in places.tolist()]
        return _Rows(self.numbers[places], pictures, self.table.take(pa.array(places)))


class _Parquet:
    """The Parquet files of a split, as one row of groups of rows."""

    def __init__(
        self, files: Sequence[str], metadata: Sequence[pq.FileMetaData], features: Features, image: str | None,
        asking: DownloadConfig,
    ) -> None:  # fmt: skip
        self.features, self.image, self.asking = features, image, asking
        self.groups = [
            (file, facts, group)
            for file, facts in zip(files, metadata, strict=True)
            for group in range(facts.num_row_groups)
        ]
        sizes = [facts.row_group(group).num_rows for _, facts, group in self.groups]
        self.starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])  # the first row of each, and the end

    @property
    def n_rows(self) -> int:
        return int(self.starts[-1])

    def by_group(self, numbers: Indexes) -> dict[int, Indexes]:
        """{group: those of these rows that lie in it, counted from its first}"""
        ordered = np.sort(numbers)
        owner = np.searchsorted(self.starts, ordered, side="right") - 1
        return {group: ordered[owner == group] - self.starts[group] for group in np.unique(owner).tolist()}

    def read(self, group: int, rows: Indexes) -> _Rows:
        """These rows of a group, and its others that show the same pictures."""
        from datasets.table import table_cast

        file, facts, number = self.groups[group]
        with _opened(self.asking, file) as stream:
            table = pq.ParquetFile(stream, metadata=facts).read_row_group(number, columns=list(self.features))
        start = int(self.starts[group])
        cells = (None for _ in range(table.num_rows)) if self.image is None else (c.as_py() for c in table[self.image])
        pictures = [picture_of(cell, start + at) for at, cell in enumerate(cells)]
        everything = _Rows(np.arange(start, start + table.num_rows), pictures, table)
        kept = everything.of({pictures[at] for at in rows.tolist()})
        table = table_cast(kept.table, self.features.arrow_schema).replace_schema_metadata(None)
        return _Rows(kept.numbers, kept.pictures, table)


def _metadata(asking: DownloadConfig, file: str) -> pq.FileMetaData:
    with _opened(asking, file) as stream:
        return pq.ParquetFile(stream).metadata


def _opened(asking: DownloadConfig, file: str) -> Any:
    from datasets.utils.file_utils import xopen

    return xopen(file, "rb", download_config=asking)


# Streams ------------------------------------------------------------------------------------------------------


def from_stream(
    stream: IterableDataset, image: str | None, *, limit: int, seed: int, total: int | None, stage: str
) -> Drawn:
    """All rows of so many different pictures: those with the smallest seeded digests.

    Args:
        stream: is read to its end.
        image: column of the pictures; None takes every row for a picture of its own.
        limit, seed: how many, and of what sample.
        total: rows of the stream, where it is known.
        stage: for the progress.
    """
    kept: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    places: list[tuple[int, str]] = []  # a heap, the largest digest first
    place_of = _places(seed)
    n_rows = 0
    with track(stage, total) as advance:
        for record in stream.decode(False):
            picture = picture_of(record.get(image) if image else None, n_rows)
            if picture not in kept and (len(kept) < limit or place_of(picture) < -places[0][0]):
                if len(kept) == limit:
                    del kept[heapq.heappop(places)[1]]
                heapq.heappush(places, (-place_of(picture), picture))
                kept[picture] = []
            if picture in kept:
                kept[picture].append((n_rows, dict(record)))
            n_rows += 1
            advance(1)
    records = [record for _, record in sorted((row for rows in kept.values() for row in rows), key=lambda row: row[0])]
    features = stream.features
    table = pa.Table.from_pylist(records, features.arrow_schema.remove_metadata()) if features else table_of(records)
    return Drawn(table, n_rows)


def _places(seed: int) -> Callable[[str], int]:
    """Where a picture stands in an order of all pictures that is random for every seed."""
    key = hashlib.blake2b(str(seed).encode()).digest()

    def place_of(picture: str) -> int:
        data = picture.encode("utf-8", errors="surrogatepass")
        return int.from_bytes(hashlib.blake2b(data, digest_size=16, key=key).digest(), "big")

    return place_of


def picture_of(cell: Any, row: int) -> str:
    """Equal for equal pictures; a row without one is a picture of its own, so that faults keep their share."""
    if isinstance(cell, Mapping):
        cell = cell.get("bytes") or cell.get("path")
    if cell is None or cell == "":
        return f"row {row}"
    return digest(cell) if isinstance(cell, bytes) else str(cell)
