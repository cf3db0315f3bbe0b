"""CSV, Markdown, HTML and LaTeX as sheets of plain cells, each with what is said above it."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser

_DELIMITERS = ",;\t|"
Grid = list[list[str]]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The cells of one table, and the words around it.

    Attributes:
        grid: lines of cells, markup removed.
        flat: whether the format knows no cells that span columns.
        title: its caption, or the headings it stands under.
        said: all that tells it from the table above; that one's where there is nothing.
    """

    grid: Grid
    flat: bool = False
    title: str = ""
    said: str = ""


def reader_for(suffix: str, text: str) -> Callable[[str], list[Sheet]]:
    """The reader for a file by its name's ending, or by its text where that is unknown."""
    if suffix in _READERS:
        return _READERS[suffix]
    if re.search(r"<t(able|r|d)\b", text, re.IGNORECASE):
        return read_html
    if "\\begin{tabular" in text or "\\\\" in text:
        return read_latex
    if re.search(r"^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)+\|?\s*$", text, re.MULTILINE):
        return read_markdown
    return read_csv


def read_csv(text: str) -> list[Sheet]:
    sample = text[:20_000]
    first = next((line for line in sample.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    return [Sheet([[_plain(cell) for cell in row] for row in csv.reader(io.StringIO(text), delimiter=delimiter)], True)]


def read_markdown(text: str) -> list[Sheet]:
    """Pipe tables; a line of dashes follows the header of each."""
    sheets: list[Sheet] = []
    grid: Grid = []
    headings: dict[int, str] = {}
    above: list[str] = []
    for line in [*text.split("\n"), ""]:
        if "|" in line:
            inner = re.sub(r"^\||(?<!\\)\|$", "", line.strip())  # one bar at each side; two are an empty cell
            cells = [cell.replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]
            if not all(re.fullmatch(r"\s*:?-+:?\s*", cell) for cell in cells):
                grid.append([_plain(cell) for cell in cells])
            continue
        if len(grid) > 1:
            said = " ".join(above) or (sheets[-1].said if sheets else "")
            sheets.append(Sheet(grid, True, ", ".join(text for _, text in sorted(headings.items()) if text), said))
            above = []
        grid = []
        heading = re.match(r"\s*(?:(#{1,6})\s+(.*?)\s*#*|(?:\*\*|__)(.+)(?:\*\*|__):?)\s*$", line)
        if heading:
            level = len(heading[1] or "#######")
            headings = {higher: text for higher, text in headings.items() if higher < level}
            headings[level] = _plain(heading[2] or heading[3] or "")
        above += [line.strip()] if line.strip() else []
    return sheets


class _Tables(HTMLParser):
    """Collects the cells of every <table>, spans repeated."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.grids: list[Grid] = []
        self.titles: list[str] = []
        self._headings: dict[str, str] = {}
        self._words: list[str] | None = None  # of a heading or caption
        self._cell: list[str] | None = None
        self._columns, self._lines = 1, 1
        self._below: dict[int, tuple[int, str]] = {}  # column -> (lines still to fill, text) of a cell that spans lines

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in ("td", "th", "tr", "table"):
            self._end_cell()  # </td> may be left out
        if tag == "table":
            self.grids.append([])
            self.titles.append(", ".join(text for _, text in sorted(self._headings.items()) if text))
            self._below = {}
        elif tag == "caption" or _is_heading(tag):
            self._words = []
        elif tag == "tr" and self.grids:
            self.grids[-1].append([])
        elif tag in ("td", "th") and self.grids and self.grids[-1]:
            given = dict(attributes)
            self._cell = []
            self._columns, self._lines = (_span(given.get(name)) for name in ("colspan", "rowspan"))

    def handle_data(self, data: str) -> None:
        for words in (self._cell, self._words):
            if words is not None:
                words.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "tr", "table"):
            self._end_cell()
        if tag == "tr" and self.grids and self.grids[-1]:
            self._fill(self.grids[-1][-1])
        if self._words is not None and (tag == "caption" or _is_heading(tag)):
            text, self._words = _plain("".join(self._words)), None
            if tag != "caption":
                self._headings = {level: above for level, above in self._headings.items() if level < tag} | {tag: text}
            elif self.titles:
                self.titles[-1] = text

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


def _is_heading(tag: str) -> bool:
    return re.fullmatch(r"h[1-6]", tag) is not None


def _span(value: str | None) -> int:
    return min(int(value), 100) if value and re.fullmatch(r"0*[1-9]\d{0,9}", value.strip()) else 1


def read_html(text: str) -> list[Sheet]:
    parser = _Tables()
    parser.feed(text)
    return [Sheet(grid, title=title, said=title) for grid, title in zip(parser.grids, parser.titles, strict=True)]


def read_latex(text: str) -> list[Sheet]:
    text = re.sub(r"(?<!\\)%.*", "", text)
    sheets = []
    for found in re.finditer(r"\\begin\{(tabular[*x]?|longtable|tblr)\}(.*?)\\end\{\1\}", text, re.DOTALL):
        title = _latex_title(text, found.start(2))
        sheets.append(Sheet(_latex_grid(found[2]), title=title, said=title))
    return sheets or [Sheet(_latex_grid(text))]


_LATEX_MARK = re.compile(
    r"\\(?P<edge>begin|end)\{(?P<name>\w+\*?)\}|\\(?P<caption>(?:sub)?caption)\*?(?:\[[^\]]*\])?\s*(?=\{)"
    r"|\\(?P<box>subcaptionbox)\*?(?:\[[^\]]*\])?\s*(?=\{)|\\(?P<heading>(?:sub)*section|paragraph)\*?\s*(?=\{)"
    r"|\\subfloat\s*\[(?P<float>[^\]]*)\]"
)


def _latex_title(text: str, place: int) -> str:
    """Captions of the environments around a place, the outermost first; the last heading where there are none."""
    open_: list[list[str]] = [[]]  # captions of every open environment
    around: list[list[str]] = []  # of those that are open at the place
    heading = box = ""
    for mark in _LATEX_MARK.finditer(text):
        before = mark.end() <= place
        if mark["edge"] == "begin":
            open_.append([])
        elif mark["edge"] == "end":
            open_ = open_[:-1] or [[]]
            box = "" if before else box
        elif mark["caption"]:
            open_[-1].append(_braced(text, mark.end()))
        elif before and mark["heading"]:
            heading = _braced(text, mark.end())
        elif before:
            box = mark["float"] or _braced(text, mark.end())
        if before:
            around = open_[1:]
    words = [*(caption for captions in around for caption in captions), box]
    return ", ".join(_plain(_without_commands(word)) for word in (words if any(words) else [heading]) if word)


def _braced(text: str, start: int) -> str:
    """What stands between the brace at a place and the one that closes it."""
    depth = 0
    for end in range(start, min(start + 5000, len(text))):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            return text[start + 1 : end]
    return ""


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
    ".csv": read_csv, ".tsv": read_csv, ".md": read_markdown, ".markdown": read_markdown, ".html": read_html,
    ".htm": read_html, ".tex": read_latex,
}  # fmt: skip
