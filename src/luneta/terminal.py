"""Evaluations as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from luneta.types import DIRECTIONS

if TYPE_CHECKING:
    from rich.console import RenderableType

    from luneta.results import Evaluation, Metric

SHOWN = ("recall@1", "recall@5", "recall@10", "mrr", "ndcg@10", "median_rank")
ARROWS = {"text_to_image": "text → image", "image_to_text": "image → text"}


def evaluation_table(evaluations: Sequence[Evaluation]) -> RenderableType:
    """One block per direction, one row per encoder, chance as the last row; the protocol underneath."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    first = evaluations[0]
    tables: list[RenderableType] = []
    for direction in DIRECTIONS:
        table = Table(title=ARROWS[direction], title_justify="left", title_style="bold", header_style="")
        table.add_column("encoder", overflow="fold", min_width=12)
        for name in SHOWN:
            table.add_column(name, justify="right", no_wrap=True)
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
            f"skipped rows: {len(first.skipped):,}; protocol {protocol['hash'][:12]}; brackets: 95 % intervals",
            style="dim",
        )
    )
    return Group(*tables)


def _cell(name: str, metric: Metric) -> str:
    if metric.low is None or metric.high is None:
        return _number(name, metric.value)
    return f"{_number(name, metric.value)}\n[{_number(name, metric.low)}, {_number(name, metric.high)}]"


def _number(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.1f}" if name == "median_rank" else f"{value:.3f}"
