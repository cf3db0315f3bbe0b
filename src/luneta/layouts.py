"""Tables that fit the terminal they are shown in: numbers stay whole, names give way, and titles run over all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    from luneta.grids import Grid

_PIECES = re.compile(r"[^\s/_-]*[\s/_-]*")
_INTERVAL = re.compile(r"(.+) \((.+)\)")
_ANY = 10_000  # characters: wider than any table


@dataclass(frozen=True, slots=True)
class Name:
    """A name in a cell; where it is too long it goes on in the next line, after a space or one of "/", "-", "_"."""

    text: str
    style: str = ""
    vertical: Literal["top", "bottom"] = "top"

    def lines(self, width: int) -> Iterator[str]:
        """
        >>> list(Name("google/siglip2-base-patch16-224").lines(14))
        ['google/', 'siglip2-base-', 'patch16-224']
        >>> list(Name("  a name of several words").lines(11))
        ['  a name of', '  several', '  words']
        """
        from rich.cells import cell_len, chop_cells

        text = self.text.lstrip()
        indent = self.text[: len(self.text) - len(text)][: max(0, width - 2)]
        width -= len(indent)
        line = ""
        for piece in _PIECES.findall(text):
            if cell_len((line + piece).rstrip()) > width and line:
                yield indent + line.rstrip()
                line = ""
            line += piece
            while cell_len(line.rstrip()) > width:  # a piece that is too long by itself
                first, *_ = chop_cells(line, width)
                yield indent + first
                line = line.removeprefix(first)
        if line:
            yield indent + line.rstrip()

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.cells import cell_len
        from rich.measure import Measurement

        longest = max((cell_len(piece.rstrip()) for piece in _PIECES.findall(self.text)), default=0)
        return Measurement(longest, cell_len(self.text)).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        yield Text("\n".join(self.lines(options.max_width)), style=self.style, justify=options.justify)


def plain_table() -> Table:
    """A table with a rule under its header and nothing else."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    return Table(box=SIMPLE_HEAD, header_style="", padding=0, show_edge=False)


def titled(title: str, table: Table) -> RenderableType:
    """A table under a title that may be longer than the table is wide; an empty line ends it."""
    from rich.console import Group
    from rich.text import Text

    return Group(Text(title, style="bold"), "", table, "")


@dataclass(frozen=True, slots=True)
class GridView:
    """A grid in as much of the terminal as there is.

    Where one line a row is too wide, intervals stand below their values; where that is too wide still, all columns of
    words become one.
    """

    grid: Grid

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.measure import Measurement
        from rich.text import Text

        table = _drawn(self.grid, self.grid.n_labels, stacked=False)
        for n_labels in (self.grid.n_labels, 1):
            if Measurement.get(console, options.update(max_width=_ANY), table).maximum > options.max_width:
                table = _drawn(self.grid, n_labels, stacked=True)
        if self.grid.title:
            yield titled(self.grid.title, table)
        else:
            yield table
        if self.grid.notes:
            yield Text(" ".join(self.grid.notes), style="dim")


def heading(table: Table, name: str, *, words: bool = False, most: int | None = None) -> None:
    """A column at the right of a table, of numbers unless it holds words; its name may be broken."""
    table.add_column(Name(name, vertical="bottom"), justify="left" if words else "right", max_width=most,
                     overflow="fold")  # fmt: skip


def _drawn(grid: Grid, n_labels: int, *, stacked: bool) -> Table:
    """A table whose words are in `n_labels` columns; stacked, with intervals below the values."""
    from rich.cells import cell_len
    from rich.text import Text

    def words(row: tuple[str, ...]) -> list[str]:
        labels = row[: grid.n_labels]
        return list(labels) if n_labels == grid.n_labels else [" · ".join(filter(None, labels))]

    table = plain_table()
    for name in words(grid.header):
        heading(table, name, words=True)
    numbers = [[_below(cell) if stacked else Text(cell) for cell in row[grid.n_labels :]] for row in grid.rows]
    for i, name in enumerate(grid.header[grid.n_labels :]):
        widest = max((cell_len(line) for row in numbers for line in row[i].plain.splitlines()), default=0)
        longest = max(map(cell_len, name.split()), default=0)
        heading(table, name, most=max(widest, longest) if stacked else None)
    for row, values in zip(grid.rows, numbers, strict=True):
        table.add_row(*map(Name, words(row)), *values)
    return table


def _below(cell: str) -> Text:
    """A value with its interval in a line of its own."""
    from rich.text import Text

    found = _INTERVAL.fullmatch(cell)
    return Text.assemble(found[1], "\n", (found[2], "dim")) if found else Text(cell)
