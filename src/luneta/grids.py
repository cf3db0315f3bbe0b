"""Tables of text in the formats that people paste them into."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from luneta.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from rich.console import RenderableType


def as_text(view: RenderableType, width: int = 110) -> str:
    """What rich would print, without colours."""
    from rich.console import Console

    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(view)
    return captured.get().rstrip()


_LATEX = str.maketrans(
    {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
     "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "–": "--", "→": r"$\rightarrow$", "▲": r"$\blacktriangle$",
     "▼": r"$\blacktriangledown$", "<": "$<$", ">": "$>$"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of text.

    Attributes:
        title: what it shows.
        header: names of the columns.
        rows: cells, each row as long as the header.
        notes: what a reader must know, one sentence each.
        n_labels: columns at the left that hold words; the others hold numbers.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    n_labels: int = 1

    def write(self, form: str) -> str:
        """The table as "markdown", "csv", "latex" or "html".

        Raises:
            ConfigError: another format.
        """
        if form not in FORMATS:
            raise ConfigError(f"unknown format {form!r}. {did_you_mean(form, FORMATS)}")
        return FORMATS[form](self)


def _markdown(grid: Grid) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = ["---" if i < grid.n_labels else "---:" for i in range(len(grid.header))]
    parts = [f"**{grid.title}**", "", line(grid.header), line(rule), *map(line, grid.rows), "", *grid.notes]
    return "\n".join(parts) + "\n"


def _csv(grid: Grid) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([grid.header, *grid.rows])
    return stream.getvalue()


def _latex(grid: Grid) -> str:
    def line(cells: Sequence[str]) -> str:
        return "  " + " & ".join(cell.translate(_LATEX) for cell in cells) + r" \\"

    columns = "l" * grid.n_labels + "r" * (len(grid.header) - grid.n_labels)
    caption = " ".join([f"{grid.title}.", *grid.notes]).translate(_LATEX)
    head = [r"\begin{table}", r"\centering", rf"\begin{{tabular}}{{{columns}}}", r"\toprule", line(grid.header)]
    foot = [r"\bottomrule", r"\end{tabular}", rf"\caption{{{caption}}}", r"\end{table}"]
    return "\n".join([*head, r"\midrule", *map(line, grid.rows), *foot]) + "\n"


def _html(grid: Grid) -> str:
    def line(cells: Sequence[str], heading: bool) -> str:
        made = []
        for i, cell in enumerate(cells):
            tag, scope = ("th", "col" if heading else "row") if heading or i < grid.n_labels else ("td", "")
            made.append(f"<{tag}{f' scope={chr(34)}{scope}{chr(34)}' if scope else ''}>{html.escape(cell)}</{tag}>")
        return "<tr>" + "".join(made) + "</tr>"

    body = "\n".join(line(row, heading=False) for row in grid.rows)
    notes = "".join(f"<p>{html.escape(note)}</p>\n" for note in grid.notes)
    return (
        f"<table>\n<caption>{html.escape(grid.title)}</caption>\n<thead>{line(grid.header, heading=True)}</thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>\n{notes}"
    )


FORMATS: dict[str, Callable[[Grid], str]] = {"markdown": _markdown, "csv": _csv, "latex": _latex, "html": _html}
