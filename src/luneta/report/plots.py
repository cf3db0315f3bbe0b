"""Curves and histograms as SVG that takes the page's colours, so that one drawing serves light, dark and paper.

matplotlib draws in placeholder colours, which become CSS variables; text stays text, in the page's font. Nothing
that comes from a user (names, captions) enters a drawing: legends are written in HTML beside it. The same numbers
give the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Format = Callable[[float], str]
"""How a number is written on an axis, in the page's language."""

WIDTH, HEIGHT = 360, 236  # SVG units; text of 11 units is legible from phones (320 px) to columns (460 px)
FONT_SIZE = 11

_TEXT, _MUTED, _LINE = "#010101", "#020202", "#030303"
_SERIES = ("#0a0101", "#0a0202", "#0a0303", "#0a0404", "#0a0505", "#0a0606")
N_SERIES = len(_SERIES)
DASHES: tuple[tuple[float, ...], ...] = ((), (6, 2), (2, 1.5), (6, 2, 1.5, 2), (9, 3), (3, 3))
"""Dash pattern of each series: colour is never the only difference."""

_CSS = {_TEXT: "var(--text)", _MUTED: "var(--muted)", _LINE: "var(--line)"} | {
    colour: f"var(--series-{i + 1})" for i, colour in enumerate(_SERIES)
}
_LOG_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True, slots=True)
class Curve:
    """A line with its band: y, low and high at every x."""

    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def recall_curve(curves: Sequence[Curve], chance: Curve, *, percent: Format, x_label: str, alt: str) -> Markup:
    """Recall@k against k (logarithmic), one line with its band for each encoder, chance dashed in grey."""
    figure, axes = _axes()
    last = max(chance.x)
    for index, curve in enumerate(curves):
        colour = _SERIES[index % N_SERIES]
        axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.24, linewidth=0)
        axes.plot(curve.x, curve.y, color=colour, linewidth=2, dashes=DASHES[index % N_SERIES])
    axes.plot(chance.x, chance.y, color=_MUTED, linewidth=1.2, dashes=(1, 2))
    axes.set_xscale("log")
    axes.set_xlim(1, max(last, 2))
    ticks = [tick for tick in _LOG_TICKS if tick <= max(last, 2)]
    _x_ticks(axes, ticks, [str(tick) for tick in ticks])
    _share_axis(axes, max([*chance.y, *(value for curve in curves for value in curve.high)]), percent)
    axes.set_xlabel(x_label, color=_MUTED, fontsize=FONT_SIZE)
    return _svg(figure, alt)


def rank_histogram(
    bins: Sequence[str],
    shares: Sequence[Sequence[float]],
    chance: Sequence[float],
    *,
    percent: Format,
    x_label: str,
    alt: str,
) -> Markup:
    """Share of queries whose right answer stands in each range of ranks, with chance as a tick over each range.

    Args:
        bins: (n_bins) name of each range, short.
        shares: for each encoder (n_bins) shares of the queries.
        chance: (n_bins) shares that a guess would get.
        percent: writes a share.
        x_label: under the ranges.
        alt: the drawing in words.
    """
    figure, axes = _axes()
    width = 0.8 / len(shares)
    for index, row in enumerate(shares):
        left = [position - 0.4 + width * index for position in range(len(bins))]
        gap = 0.06 * width if len(shares) > 1 else 0
        axes.bar(left, row, width=width - gap, align="edge", color=_SERIES[index % N_SERIES], linewidth=0)
    axes.hlines(
        chance, [i - 0.46 for i in range(len(bins))], [i + 0.46 for i in range(len(bins))],
        colors=_MUTED, linewidth=1.4, linestyles=(0, (2, 1.5)),
    )  # fmt: skip
    axes.set_xlim(-0.6, len(bins) - 0.4)
    _x_ticks(axes, range(len(bins)), bins)
    _share_axis(axes, max([*chance, *(value for row in shares for value in row)]), percent)
    axes.set_xlabel(x_label, color=_MUTED, fontsize=FONT_SIZE)
    return _svg(figure, alt)


def similarity_histogram(
    edges: Sequence[float],
    positive: Sequence[float],
    negative: Sequence[float],
    *,
    series: int,
    number: Format,
    x_label: str,
    alt: str,
) -> Markup:
    """How similar right pairs are (colour of the encoder) and other pairs (grey)."""
    figure, axes = _axes()
    axes.stairs(negative, edges, fill=True, color=_MUTED, alpha=0.35, linewidth=0)
    axes.stairs(negative, edges, color=_MUTED, linewidth=1.1)
    colour = _SERIES[series % N_SERIES]
    axes.stairs(positive, edges, fill=True, color=colour, alpha=0.4, linewidth=0)
    axes.stairs(positive, edges, color=colour, linewidth=1.6)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, max([*positive, *negative, 1e-9]) * 1.08)
    axes.set_yticks([])
    axes.xaxis.set_major_formatter(lambda value, _: number(value))
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel(x_label, color=_MUTED, fontsize=FONT_SIZE)
    figure.subplots_adjust(left=0.04)
    return _svg(figure, alt)


def cost_plot(
    points: Sequence[tuple[float, float, bool]], *, percent: Format, number: Format, x_label: str, alt: str
) -> Markup:
    """A share against a cost; those points that nothing cheaper equals are full and joined by steps.

    Args:
        points: (cost, share, on the line), the cheapest first.
        percent, number: write the vertical and the horizontal axis.
        x_label: of the horizontal one.
        alt: what the drawing shows, for who cannot see it.
    """
    figure, axes = _axes()
    last = max(cost for cost, _, _ in points) or 1.0
    line = [(cost, share) for cost, share, best in points if best]
    line.append((1.05 * last, line[-1][1]))
    axes.plot([x for x, _ in line], [y for _, y in line], color=_SERIES[0], linewidth=2, drawstyle="steps-post")
    for cost, share, best in points:
        colour = _SERIES[0] if best else _MUTED
        axes.plot([cost], [share], "o", markersize=6, color=colour, markerfacecolor=colour if best else "none")
    axes.set_xlim(-0.03 * last, 1.05 * last)
    axes.locator_params(axis="x", nbins=5)  # sums of hundredths of a cent are long
    figure.subplots_adjust(right=0.94)  # and the last of them is not cut off
    axes.xaxis.set_major_formatter(lambda value, _: number(value))
    _share_axis(axes, max(share for _, share, _ in points), percent)
    axes.set_xlabel(x_label, color=_MUTED, fontsize=FONT_SIZE)
    return _svg(figure, alt)


def share_lines(
    lines: Sequence[tuple[Sequence[float], Sequence[float]]],
    *,
    marked: float | None,
    percent: Format,
    number: Format,
    x_label: str,
    alt: str,
) -> Markup:
    """Shares against a number, a line for each (x, y), with a thin upright line at the x that was chosen.

    Args:
        lines: x and y of each, in the order of the series' colours.
        marked: the x that stands out; None is none.
        percent, number: write the vertical and the horizontal axis.
        x_label: of the horizontal axis.
        alt: the drawing in words.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = _axes()
    if marked is not None:
        axes.axvline(marked, color=_MUTED, linewidth=1.2, linestyle=(0, (2, 1.5)))
    for index, (x, y) in enumerate(lines):
        colour, dashes = _SERIES[index % N_SERIES], DASHES[index % N_SERIES]
        axes.plot(x, y, color=colour, linewidth=2, dashes=dashes)
        axes.plot(x, y, "o", markersize=4, color=colour)
    whole = all(value == int(value) for x, _ in lines for value in x)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=whole))
    axes.xaxis.set_major_formatter(lambda value, _: number(value))
    _share_axis(axes, max(value for _, y in lines for value in y), percent)
    axes.set_xlabel(x_label, color=_MUTED, fontsize=FONT_SIZE)
    return _svg(figure, alt)


def gain_curves(
    curves: Sequence[Curve], *, marked: float | None, number: Format, signed: Format, x_label: str, alt: str
) -> Markup:
    """Gains against a number, above and below nothing; the first one with its band.

    Args:
        curves: gains, in the order of the series' colours.
        marked: the x that stands out; None is none.
        number, signed: write the horizontal and the vertical axis.
        x_label: of the horizontal axis.
        alt: the drawing in words.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = _axes()
    axes.axhline(0, color=_MUTED, linewidth=1)
    if marked is not None:
        axes.axvline(marked, color=_MUTED, linewidth=1.2, linestyle=(0, (2, 1.5)))
    first = curves[0]
    axes.fill_between(first.x, first.low, first.high, color=_SERIES[0], alpha=0.24, linewidth=0)
    for index, curve in enumerate(curves):
        colour = _SERIES[index % N_SERIES]
        axes.plot(curve.x, curve.y, color=colour, linewidth=2, dashes=DASHES[index % N_SERIES])
        axes.plot(curve.x, curve.y, "o", markersize=4, color=colour)
    axes.xaxis.set_major_formatter(lambda value, _: number(value))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(lambda value, _: signed(value))
    axes.grid(axis="y", color=_LINE, linewidth=0.8)
    axes.set_xlabel(x_label, color=_MUTED, fontsize=FONT_SIZE)
    figure.subplots_adjust(left=0.17)  # signs take room
    return _svg(figure, alt)


def _axes() -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72), dpi=72)
    axes = figure.add_subplot()
    figure.subplots_adjust(left=0.135, right=0.975, top=0.96, bottom=0.18)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_MUTED)
    axes.tick_params(colors=_MUTED, labelsize=FONT_SIZE, length=3, width=0.8)
    axes.tick_params(axis="y", length=0)
    axes.set_axisbelow(True)
    return figure, axes


def _x_ticks(axes: Axes, ticks: Sequence[float], labels: Sequence[str]) -> None:
    from matplotlib.ticker import NullLocator

    axes.set_xticks(ticks, labels)
    axes.xaxis.set_minor_locator(NullLocator())


def _share_axis(axes: Axes, highest: float, percent: Format) -> None:
    """A vertical axis of shares from 0, with a few round values and thin lines across."""
    from matplotlib.ticker import MaxNLocator

    ticks = [
        tick
        for tick in MaxNLocator(nbins=5, steps=[1, 2, 5, 10]).tick_values(0, highest if highest > 0 else 1.0)
        if 0 <= tick <= 1
    ]
    axes.set_ylim(0, ticks[-1])
    axes.set_yticks(ticks)
    axes.yaxis.set_major_formatter(lambda value, _: percent(value))
    axes.grid(axis="y", color=_LINE, linewidth=0.8)


def _svg(figure: Figure, alt: str) -> Markup:
    """The figure as an `<svg>` element for the body of a page."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "luneta"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index(">", drawing.index("<svg")) + 1 :]
    drawing = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r"font-family:[^;\"]*;?", "", drawing)
    drawing = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", drawing)
    drawing = drawing.replace("xlink:href", "href")
    for placeholder, variable in _CSS.items():
        drawing = drawing.replace(placeholder, variable)
    drawing = _with_own_ids(re.sub(r"\s*\n\s*", "\n", drawing), alt)
    opening = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(alt)}">'
    return Markup(opening + drawing)  # matplotlib's own output; `alt` is escaped


def _with_own_ids(drawing: str, salt: str) -> str:
    """Identifiers that are used get a name of this drawing's own, since a page holds many; the others go."""
    from luneta.artifacts import hash_json

    used = list(dict.fromkeys(re.findall(r'(?:href="|url\()#([^")]+)', drawing)))
    prefix = "p" + hash_json([drawing, salt])[:8]
    names = {old: f"{prefix}-{number}" for number, old in enumerate(used)}
    drawing = re.sub(r' id="([^"]+)"', lambda m: f' id="{names[m[1]]}"' if m[1] in names else "", drawing)
    return re.sub(r'(href="|url\()#([^")]+)', lambda m: f"{m[1]}#{names[m[2]]}", drawing)
