"""Tables as people publish them: names of columns, rows, and what divides and surrounds them, as strings."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from luneta.auditing.formats import Grid, Sheet, reader_for
from luneta.auditing.headers import joined, metric_of
from luneta.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Table:
    """One table, markup removed.

    Attributes:
        header: name of every column; where a header spans several lines or columns, its parts joined by a space.
        rows: cells of the data rows, each as long as the header.
        sections: for every row, the line that stands over it alone ("Fine-tuned models"); empty where there is none.
        title: its caption, or the headings it stands under.
        said: all that tells it from the table above; that one's where there is nothing.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sections: tuple[str, ...]
    title: str = ""
    said: str = ""


def read_tables(path: Path) -> list[Table]:
    """All tables of a file; its name's ending decides the format, its text where that is unknown.

    Raises:
        ConfigError: no such file, not text, broken as its format goes, or no table in it.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    if b"\0" in raw:
        raise ConfigError(f"{path} is not text: audit reads CSV, Markdown, HTML and LaTeX tables")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")  # what spreadsheets in Portuguese write
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    reader = reader_for(path.suffix.lower(), text)
    try:
        sheets = reader(text)
    except (csv.Error, AssertionError) as error:  # HTMLParser's word for a broken declaration
        raise ConfigError(
            f"{path} cannot be read as {reader.__name__.removeprefix('read_').upper()}: {error}"
        ) from error
    tables = [table for sheet in sheets for table in _tables(sheet)]
    if not tables:
        raise ConfigError(
            f"{path}: no table was found. It should have a line of column names (model, dataset, recall@1, ...) and "
            "lines of numbers, as CSV, Markdown, HTML or LaTeX"
        )
    return tables


def _tables(sheet: Sheet) -> list[Table]:
    """The tables of one sheet: a line with names of metrics below the numbers begins another."""
    width = max((len(row) for row in sheet.grid), default=0)
    rows = [[*row, *[""] * (width - len(row))] for row in sheet.grid if any(cell.strip() for cell in row)]
    begins, behind = [0], 0  # behind the last line with numbers
    for i, row in enumerate(rows):
        if i and _has_numbers(row):
            behind = i + 1
        elif behind > begins[-1] and _names_metrics(row):
            begins.append(behind)
    parts = itertools.pairwise([*begins, len(rows)])
    return [table for begin, end in parts if (table := _table(rows[begin:end], sheet)) is not None]


def _table(rows: Grid, sheet: Sheet) -> Table | None:
    """Lines above the first one with numbers are the header, but for titles, and for sections below the metrics."""
    n_above = next((i for i, row in enumerate(rows) if i and _has_numbers(row)), 0)
    if not n_above:
        return None
    above, body = rows[:n_above], rows[n_above:]
    named = max((i for i, row in enumerate(above) if _names_metrics(row)), default=n_above - 1)
    titles = list(itertools.takewhile(lambda row: _is_title(row, above[named]), above[:named]))
    lower = [row for row in above[named + 1 :] if not _divides(row)]
    header = joined([*above[len(titles) : named + 1], *lower], sheet.flat)
    section, cells, sections = "", [], []
    for row in [*above[named + 1 :], *body]:
        if _has_numbers(row):
            cells.append(tuple(row))
            sections.append(section)
        elif _divides(row):  # a line such as "Fine-tuned models" is no row
            section = max(row)
    own = [max(row) for row in titles]
    return Table(
        header, tuple(cells), tuple(sections),
        title=", ".join(part for part in (sheet.title, *own) if part), said=" ".join([sheet.said, *own]).strip(),
    )  # fmt: skip


def _is_title(row: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a line says one thing about the whole table, and does not name its first column."""
    return len(row) > 1 and len({cell for cell in row if cell}) == 1 and bool(row[0]) and (all(row) or bool(names[0]))


def _divides(row: Sequence[str]) -> bool:
    """Whether a line says one thing about the rows below it, in words."""
    return len(row) > 1 and len({cell for cell in row if cell}) == 1 and re.search(r"[^\W\d_]", max(row)) is not None


def _names_metrics(row: Sequence[str]) -> bool:
    return any(metric_of(cell) for cell in row)


def _has_numbers(row: Sequence[str]) -> bool:
    """Whether some cells are numbers; in a header there may be one among names of metrics."""
    numbers = [cell for cell in row if re.search(r"^\W*\d+([.,]\d+)?\s*(%\s*(?!\s|\w)|±|\+|\(|$)", cell)]
    return 0 < len(numbers) >= sum(metric_of(cell) is not None for cell in row)
