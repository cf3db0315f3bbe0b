"""Evaluations as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from luneta.types import DIRECTIONS

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from luneta.results import Evaluation, Metric

SHOWN = ("recall@1", "recall@5", "recall@10", "mrr", "ndcg@10", "median_rank")
ARROWS = {"text_to_image": "text → image", "image_to_text": "image → text"}


def evaluation_table(evaluations: Sequence[Evaluation]) -> RenderableType:
    """One block per direction, one row per encoder, chance as the last row; the protocol underneath."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    first = evaluations[0]
    tables: list[RenderableType] = []
    for direction in DIRECTIONS:
        table = Table(
            title=ARROWS[direction],
            title_justify="left",
            title_style="bold",
            box=SIMPLE_HEAD,
            header_style="",
            padding=0,
        )
        table.add_column("encoder", overflow="fold")
        for name in SHOWN:
            table.add_column(name.replace("_", "\n"), justify="right", no_wrap=True, vertical="bottom")
        for evaluation in evaluations:
            metrics = evaluation.metrics[direction]
            table.add_row(str(evaluation.encoder["name"]), *(_cell(name, metrics[name]) for name in SHOWN))
        chance = first.metrics[direction]
        table.add_row("chance", *(_number(name, chance[name].chance) for name in SHOWN), style="dim")
        tables.append(table)
    data, protocol = first.dataset, first.protocol
    where = ", ".join(str(data[key]) for key in ("name", "split", "language") if data[key])
    tables.append(
        Text(
            f"{where}: {data['n_images']:,} images, {data['n_texts']:,} texts; duplicates: {protocol['duplicates']}; "
            f"skipped: {len(first.skipped):,}; protocol {protocol['hash'][:12]}; below each value its 95 % interval",
            style="dim",
        )
    )
    return Group(*tables)


def _cell(name: str, metric: Metric) -> Text:
    """The value and, on a second line, its interval; narrow enough for seven columns on a terminal of 80."""
    from rich.text import Text

    if metric.low is None or metric.high is None:
        return Text(_number(name, metric.value))
    end = _short_rank if name == "median_rank" else _short_share
    return Text.assemble(_number(name, metric.value), "\n", (f"{end(metric.low)}–{end(metric.high)}", "dim"))


def _number(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if name == "median_rank" else f"{value:.3f}"


def _short_share(value: float) -> str:
    return "1" if value == 1 else f"{value:.3f}".removeprefix("0")


def _short_rank(value: float) -> str:
    return f"{value:.0f}" if value < 1000 else f"{value / 1000:.{1 if value < 100_000 else 0}f}k"
