"""Tables as people publish them: CSV, Markdown, HTML and LaTeX, read as strings."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from luneta.auditing.headers import joined
from luneta.errors import ConfigError

_DELIMITERS = ",;\t|"
Grid = list[list[str]]


@dataclass(frozen=True, slots=True)
class Table:
    """One table, markup removed.

    Attributes:
        header: name of every column; where a header spans several lines or columns, its parts joined by a space.
        rows: cells of the data rows, each as long as the header.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


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
    reader = _READERS.get(path.suffix.lower()) or _reader_for(text)
    try:
        grids = reader(text)
    except (csv.Error, AssertionError) as error:  # HTMLParser's word for a broken declaration
        raise ConfigError(f"{path} cannot be read as {reader.__name__[1:].upper()}: {error}") from error
    tables = [table for grid in grids if (table := _table(grid, reader in (_csv, _markdown))) is not None]
    if not tables:
        raise ConfigError(
            f"{path}: no table was found. It should have a line of column names (model, dataset, recall@1, ...) and "
            "lines of numbers, as CSV, Markdown, HTML or LaTeX"
        )
    return tables


def _reader_for(text: str) -> Callable[[str], list[Grid]]:
    if re.search(r"<t(able|r|d)\b", text, re.IGNORECASE):
        return _html
    if "\\begin{tabular" in text or "\\\\" in text:
        return _latex
    if re.search(r"^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)+\|?\s*$", text, re.MULTILINE):
        return _markdown
    return _csv


def _table(grid: Grid, flat: bool) -> Table | None:
    """Lines above the first one with numbers in most of its cells are the header."""
    width = max((len(row) for row in grid), default=0)
    rows = [[*row, *[""] * (width - len(row))] for row in grid if any(cell.strip() for cell in row)]
    n_header = 1
    while n_header < len(rows) and not _has_numbers(rows[n_header]):
        n_header += 1
    if n_header >= len(rows):
        return None
    body = [row for row in rows[n_header:] if _has_numbers(row)]  # a line such as "Fine-tuned models" is no row
    return Table(joined(rows[:n_header], flat), tuple(tuple(row) for row in body))


def _has_numbers(row: Sequence[str]) -> bool:
    return any(re.search(r"^\W*\d+([.,]\d+)?\s*(%|±|\+|\(|$)", cell) for cell in row)


def _csv(text: str) -> list[Grid]:
    sample = text[:20_000]
    first = next((line for line in sample.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    return [[[_plain(cell) for cell in row] for row in csv.reader(io.StringIO(text), delimiter=delimiter)]]


def _markdown(text: str) -> list[Grid]:
    """Pipe tables; a line of dashes follows the header of each."""
    grids: list[Grid] = []
    grid: Grid = []
    for line in [*text.splitlines(), ""]:
        if "|" not in line:
            if len(grid) > 1:
                grids.append(grid)
            grid = []
            continue
        inner = re.sub(r"^\||(?<!\\)\|$", "", line.strip())  # one bar at each side; two are an empty cell
        cells = [cell.replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]
        if not all(re.fullmatch(r"\s*:?-+:?\s*", cell) for cell in cells):
            grid.append([_plain(cell) for cell in cells])
    return grids


class _Tables(HTMLParser):
    """Collects the cells of every <table>, spans repeated."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.grids: list[Grid] = []
        self._cell: list[str] | None = None
        self._columns, self._lines = 1, 1
        self._below: dict[int, tuple[int, str]] = {}  # column -> (lines still to fill, text) of a cell that spans lines

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in ("td", "th", "tr", "table"):
            self._end_cell()  # </td> may be left out
        if tag == "table":
            self.grids.append([])
            self._below = {}
        elif tag == "tr" and self.grids:
            self.grids[-1].append([])
        elif tag in ("td", "th") and self.grids and self.grids[-1]:
            given = dict(attributes)
            self._cell = []
            self._columns, self._lines = (_span(given.get(name)) for name in ("colspan", "rowspan"))

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "tr", "table"):
            self._end_cell()
        if tag == "tr" and self.grids and self.grids[-1]:
            self._fill(self.grids[-1][-1])

    def _end_cell(self) -> None:
        if self._cell is None:
            return
        row, text = self.grids[-1][-1], _plain("".join(self._cell))
        self._cell = None
        self._fill(row)
        for _ in range(self._columns):
            if self._lines > 1:
                self._below[len(row)] = (self._lines - 1, text)
            row.append(text)

    def _fill(self, row: list[str]) -> None:
        while len(row) in self._below:
            left, text = self._below.pop(len(row))
            if left > 1:
                self._below[len(row)] = (left - 1, text)
            row.append(text)


def _span(value: str | None) -> int:
    return min(int(value), 100) if value and re.fullmatch(r"0*[1-9]\d{0,9}", value.strip()) else 1


def _html(text: str) -> list[Grid]:
    parser = _Tables()
    parser.feed(text)
    return parser.grids


def _latex(text: str) -> list[Grid]:
    text = re.sub(r"(?<!\\)%.*", "", text)
    bodies = re.findall(r"\\begin\{(tabular[*x]?|longtable|tblr)\}(.*?)\\end\{\1\}", text, re.DOTALL)
    return [_latex_grid(body) for _, body in bodies] or [_latex_grid(text)]


def _latex_grid(body: str) -> Grid:
    body = re.sub(r"^\s*(\[[^\]]*\])?(\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})+", "", body)  # the columns' alignment
    grid: Grid = []
    for line in re.split(r"\\\\(?:\[[^\]]*\])?|\\tabularnewline", body):
        row: list[str] = []
        for cell in re.split(r"(?<!\\)&", line):
            spanning = re.search(r"\\multicolumn\s*\{(\d+)\}\s*\{[^{}]*\}\s*\{(.*)\}", cell, re.DOTALL)
            n, inner = (min(int(spanning[1]), 100), spanning[2]) if spanning else (1, cell)
            row += [_plain(_without_commands(inner))] * n
        grid.append(row)
    return grid


def _without_commands(text: str) -> str:
    text = re.sub(r"\\(?:c|x)?(?:mid|top|bottom|h|c)(?:rule|line)(?:\([^)]*\))?(?:\{[^{}]*\})?", " ", text)
    text = re.sub(r"\\multirow\s*\{[^{}]*\}\s*\{[^{}]*\}", "", text)
    text = text.replace("\\pm", "±").replace("\\%", "%").replace("\\&", "&").replace("\\_", "_").replace("\\#", "#")
    text = re.sub(r"\\(?:cite|ref|footnote|label)\w*\s*(\[[^\]]*\])*\{[^{}]*\}", "", text)
    text = re.sub(r"\\(rightarrow|to)\b", "→", text)
    text = re.sub(r"\\[a-zA-Z]+\*?", " ", text)  # \textbf{12.3} keeps what it wraps
    return re.sub(r"[{}$~]", " ", text)


def _plain(cell: str) -> str:
    """A cell without emphasis, links, tags and doubled blanks."""
    cell = html.unescape(re.sub(r"<[^<>]*>", " ", cell))
    cell = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", cell)
    cell = re.sub(r"(\*\*|__|~~|`)", "", cell)
    return " ".join(cell.split()).strip("*")


_READERS = {
    ".csv": _csv, ".tsv": _csv, ".md": _markdown, ".markdown": _markdown, ".html": _html, ".htm": _html, ".tex": _latex,
}  # fmt: skip
