"""From a source's rows to a data set: columns chosen, rows checked, a sample drawn, pairs kept together."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from luneta.data.captions import read_captions
from luneta.data.cells import is_text, strings, typed
from luneta.data.columns import Columns, choose_columns
from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.data.languages import find_language
from luneta.data.pictures import LazyImages, Pictures, find_pictures
from luneta.data.raw import RawTable, Request
from luneta.data.splits import ALL, choose_splits, find_split
from luneta.errors import ConfigError, DatasetError
from luneta.types import SkippedRow
from luneta.wording import FirstFew

_EXAMPLES = 5
_SPLIT_COLUMN = "split"
_MAX_SPLITS = 20

logger = logging.getLogger("luneta")


def assemble(raw: RawTable, request: Request) -> ImageTextDataset:
    """The data set that `request` asks of a source's rows.

    Raises:
        ConfigError: a column, split or language that is not there or is ambiguous.
        DatasetError: no pair is left, or too many rows are bad.
    """
    if not raw.table.num_rows:
        raise DatasetError(f"{raw.name} holds no rows")
    if len(raw.broken) == raw.table.num_rows:
        raise DatasetError(f"{raw.name}: no row can be read ({'; '.join(dict.fromkeys(raw.broken.values()))[:300]})")
    raw, request = _image_folder(raw, request)
    rows, split = _rows_of_split(raw, request)
    columns = choose_columns(raw.table, image=request.image, text=request.text, language=request.language)
    rows = _rows_in_language(raw.table, columns, rows)
    logger.info("%s: images from %r (%s)", raw.name, columns.image, columns.image_reason)
    logger.info("%s: captions from %r (%s)", raw.name, ", ".join(columns.texts), columns.text_reason)
    return _Assembly(raw, request, columns, rows, split).dataset()


def _image_folder(raw: RawTable, request: Request) -> tuple[RawTable, Request]:
    """`image` may name the folder of the pictures instead of a column."""
    folder = request.image_folder
    if folder is None or request.image in raw.table.column_names:
        return raw, request
    within = None if raw.within is None else (*raw.within, folder.resolve())
    return replace(raw, folders=((0, folder),), within=within), replace(request, image=None)


def _rows_of_split(raw: RawTable, request: Request) -> tuple[Indexes, str | None]:
    """The rows of the split asked for, when a column says each row's split."""
    everything, asked = np.arange(raw.table.num_rows), request.split
    values = _splits_in(raw.table)
    if not values or (raw.split is not None and (asked is None or find_split(asked, values) is None)):
        if asked is not None and raw.split is None:
            _refuse_split(asked, raw.name)
        return everything, raw.split
    chosen = choose_splits(asked, values, raw.name)
    if asked == ALL:
        return everything, None
    said = _is_one_of(raw.table.column(_SPLIT_COLUMN), chosen)
    if asked is None and not said.all():
        raise ConfigError(
            f"{raw.name}: {np.sum(~said)} of {len(said)} rows are of no split, the others of {chosen[0]}. Choose "
            f'split="{chosen[0]}", or read all with split="{ALL}".'
        )
    return np.flatnonzero(said), chosen[0]


def _splits_in(table: pa.Table) -> list[str]:
    """The values of a column `split`; none when there is no such column, or it holds free text."""
    if _SPLIT_COLUMN not in table.column_names or not is_text(table.schema.field(_SPLIT_COLUMN).type):
        return []
    values = [value for value in strings(pc.unique(table.column(_SPLIT_COLUMN))) if value]
    return values if len(values) <= _MAX_SPLITS else []


def _refuse_split(split: str, name: str) -> None:
    if split != ALL:
        raise ConfigError(f"{name} has no splits, so not {split!r} either. Leave split= out to read all of it.")


def _rows_in_language(table: pa.Table, columns: Columns, rows: Indexes) -> Indexes:
    if columns.language_column is None or columns.language is None:
        return rows
    column = table.column(columns.language_column)
    values = find_language(columns.language, [value for value in strings(pc.unique(column)) if value])
    spoken: Indexes = rows[_is_one_of(column, values)[rows]]
    return spoken


def _is_one_of(column: pa.ChunkedArray, values: Sequence[str]) -> NDArray[np.bool_]:
    dtype = column.type.value_type if pt.is_dictionary(column.type) else column.type
    found: NDArray[np.bool_] = pc.is_in(column, pa.array(values, pa.string()).cast(dtype)).to_numpy()
    return found


class _Assembly:
    """One data set in the making. Positions count the rows that were asked for; rows count the source's."""

    def __init__(self, raw: RawTable, request: Request, columns: Columns, rows: Indexes, split: str | None) -> None:
        self.raw, self.request, self.columns, self.rows, self.split = raw, request, columns, rows, split
        self.pictures: Pictures = find_pictures(raw, columns.image, rows)
        self.captions = read_captions(raw.table, columns.texts, rows, max_bad_share=request.max_bad_share)
        self.broken = np.isin(rows, list(raw.broken))
        positions = self.captions.positions
        self.usable = (self.pictures.codes[positions] >= 0) & ~self.broken[positions]  # of the captions
        self.giving = frozenset(positions[self.usable].tolist())  # rows that give a pair

    def dataset(self) -> ImageTextDataset:
        if len(self.rows) == 0:
            raise DatasetError(f"{self.raw.name}: no rows of this split and language")
        bad, absent = self._problems()
        skipped = [*self._skipped(bad), *self._skipped(dict.fromkeys(absent, self._absence()))]
        skipped.sort(key=lambda row: row.row)
        self._check_share(bad, skipped)
        image_of_text = self.pictures.codes[self.captions.positions]
        usable = self.usable
        if not usable.any():
            reasons = "; ".join(dict.fromkeys(row.reason for row in skipped[:_EXAMPLES]))
            raise DatasetError(f"{self.raw.name}: no pair of an image and a caption is left ({reasons})")
        chosen, sample = self._sampled(np.unique(image_of_text[usable]))
        texts = np.flatnonzero(usable & np.isin(image_of_text, chosen))
        text_rows = self.rows[self.captions.positions[texts]]
        first_row = np.full(int(chosen.max()) + 1, -1, dtype=np.int64)
        first_row[image_of_text[texts][::-1]] = text_rows[::-1]  # the last one written is the first one seen
        metadata = [name for name in self.raw.table.column_names if name != self.columns.image]
        return ImageTextDataset(
            name=self.raw.name,
            images=LazyImages(self.pictures.make, chosen),
            texts=[self.captions.texts[index] for index in texts.tolist()],
            pairs=np.stack([np.arange(len(texts)), np.searchsorted(chosen, image_of_text[texts])], axis=1),
            rows=typed(self.raw.table.select(metadata)),
            image_rows=first_row[chosen],
            text_rows=text_rows,
            revision=self.raw.revision,
            split=self.split,
            language=self.columns.language,
            columns=self.columns.described(),
            skipped=tuple(skipped),
            n_source_rows=len(self.rows),
            sample=sample,
        )

    def _problems(self) -> tuple[dict[int, str], list[int]]:
        """Positions of bad rows with the reason, and of rows that have nothing in the language asked for."""
        bad = {at: "; ".join(reasons) for at, reasons in self.captions.bad.items() if self.pictures.codes[at] >= 0}
        bad |= {at: f"caption left out: {reasons}" for at, reasons in bad.items() if at in self.giving}
        without = np.ones(len(self.rows), dtype=bool)
        without[self.captions.positions] = False
        without[list(self.captions.bad)] = False
        absent = np.flatnonzero(without).tolist()
        if not self.columns.optional:
            bad |= dict.fromkeys(absent, "no caption")
            absent = []
        left_out = set(absent)
        bad |= {at: reason for at, reason in self.pictures.bad.items() if at not in left_out}
        for at in np.flatnonzero(self.broken).tolist():
            bad[at] = self.raw.broken[int(self.rows[at])]
        return bad, [at for at in absent if at not in bad]

    def _absence(self) -> str:
        return f"no caption in {self.columns.language or ', '.join(self.columns.texts)}"

    def _skipped(self, reasons: Mapping[int, str]) -> Iterable[SkippedRow]:
        for at, reason in reasons.items():
            yield SkippedRow(int(self.rows[at]), self._source(at), reason)

    def _source(self, at: int) -> str:
        """What a person finds the row by: its picture, else what the row names, else the table."""
        code = int(self.pictures.codes[at])
        if code >= 0:
            return self.pictures.make(code).label
        cell = self.raw.table.column(self.columns.image)[int(self.rows[at])]
        if is_text(cell.type) and cell.is_valid:
            return strings(pa.array([cell]))[0]
        return self.raw.label

    def _check_share(self, bad: Mapping[int, str], skipped: Iterable[SkippedRow]) -> None:
        limit = self.request.max_bad_share
        if len(bad) <= limit * len(self.rows):
            self._log(bad, skipped)
            return
        bad_rows = {int(self.rows[at]) for at in bad}
        examples = [row for row in skipped if row.row in bad_rows][:_EXAMPLES]
        shown = "".join(f"\n  row {row.row}, {row.source}: {row.reason}" for row in examples)
        raise DatasetError(
            f"{self.raw.name}: {len(bad)} of {len(self.rows)} rows are bad ({len(bad) / len(self.rows):.1%}; the "
            f"limit is {limit:.1%}):{shown}\nMend them, or accept more with max_bad_share=."
        )

    def _log(self, bad: Mapping[int, str], skipped: Iterable[SkippedRow]) -> None:
        """Rows that left whole, and captions that left rows which stay."""
        whole, staying = bad.keys() - self.giving, bad.keys() & self.giving
        rows = [{int(self.rows[at]) for at in positions} for positions in (whole, staying)]
        named = [FirstFew([row.source for row in skipped if row.row in some]) for some in rows]
        if whole:
            logger.warning("%s: %d of %d rows left out (%s)", self.raw.name, len(whole), len(self.rows), named[0])
        if captions := sum(len(self.captions.bad[at]) for at in staying):
            logger.warning("%s: %d caption(s) left out of rows that stay (%s)", self.raw.name, captions, named[1])

    def _sampled(self, images: Indexes) -> tuple[Indexes, Mapping[str, int] | None]:
        limit, seed = self.request.limit, self.request.seed
        if self.raw.sample is not None or limit is None or limit >= len(images):
            return images, self.raw.sample
        chosen = np.sort(np.random.default_rng(seed).choice(images, size=limit, replace=False))
        return chosen, {"limit": limit, "seed": seed}
