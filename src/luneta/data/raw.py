"""Rows as a source has them, before columns are chosen: what every reader returns and `assembly` takes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from pathlib import Path

import pyarrow as pa

from luneta.data.records import unite
from luneta.errors import ConfigError, DatasetError


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller of `open_dataset` asked for; the names and meanings are that function's."""

    image: str | None = None
    text: str | Sequence[str] | None = None
    split: str | None = None
    language: str | None = None
    limit: int | None = None
    seed: int = 0
    revision: str | None = None
    max_bad_share: float = 0.01

    def __post_init__(self) -> None:
        numbers: tuple[tuple[str, object], ...] = (("limit", self.limit), ("seed", self.seed))
        share: object = self.max_bad_share
        for name, number in numbers:
            if number is not None and (isinstance(number, bool) or not isinstance(number, Integral)):
                raise ConfigError(f"{name}={number!r}: expected a whole number")
        names: object = [self.text] if isinstance(self.text, str) else self.text
        if names is not None and not (isinstance(names, Sequence) and all(isinstance(name, str) for name in names)):
            raise ConfigError(f"text={self.text!r}: expected the name of a column, or a list of names")
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit={self.limit}: a sample needs at least one image")
        if self.seed < 0:
            raise ConfigError(f"seed={self.seed}: a seed is 0 or larger")
        if not isinstance(share, Real) or not 0 <= self.max_bad_share <= 1:
            raise ConfigError(f"max_bad_share={self.max_bad_share!r}: a share lies between 0 and 1")

    @property
    def image_folder(self) -> Path | None:
        """The folder of the pictures, when `image` names one instead of a column."""
        return Path(self.image) if self.image is not None and os.path.isdir(self.image) else None


@dataclass(frozen=True)
class RawTable:
    """Rows of a source.

    Attributes:
        name: what the user opened.
        table: one row per row of the source, in its order, so that a row's position is the row's number.
        label: what a person would call the table: its file name.
        folders: (first row, folder) pairs, ascending: where the relative file names of the rows start from; empty
            where relative names mean nothing.
        broken: rows that could not be read, and why; their cells are null.
        split: the split that the source's layout gave these rows, if it gave one.
        revision: the commit they come from, if the source has commits.
        sample: filled in when the reader itself has drawn the sample.
        within: real paths of the only folders whose files may be opened, where strangers wrote the file names; None
            where the user did.
    """

    name: str
    table: pa.Table
    label: str
    folders: tuple[tuple[int, Path], ...] = ()
    broken: Mapping[int, str] = field(default_factory=dict)
    split: str | None = None
    revision: str | None = None
    sample: Mapping[str, int] | None = None
    within: tuple[Path, ...] | None = None

    def __post_init__(self) -> None:
        names = self.table.column_names
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DatasetError(f"{self.name} has more than one column named {', '.join(twice)}; rename them")


def concatenate(parts: Sequence[RawTable], *, split_column: bool = False) -> RawTable:
    """One table from several of the same source, row numbers running on.

    Args:
        parts: at least one.
        split_column: keep each part's split in a column `split`.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    tables, folders, start = [], [], 0
    broken: dict[int, str] = {}
    for part in parts:
        table = part.table
        if split_column and "split" not in table.column_names:
            table = table.append_column("split", pa.array([part.split] * table.num_rows, pa.string()))
        tables.append(table)
        folders += [(start + row, folder) for row, folder in part.folders]
        broken |= {start + row: reason for row, reason in part.broken.items()}
        start += table.num_rows
    labels = list(dict.fromkeys(part.label for part in parts))
    return replace(
        first,
        table=unite(tables),
        label=labels[0] if len(labels) == 1 else f"{labels[0]} ... {labels[-1]}",
        folders=tuple(folders),
        broken=broken,
        split=None if split_column else first.split,
    )
