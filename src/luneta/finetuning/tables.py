"""What a fine-tuning changed, as tables for the terminal and the model card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luneta.grids import Grid
from luneta.results import Evaluation
from luneta.types import DIRECTIONS, Direction

if TYPE_CHECKING:
    from rich.console import RenderableType

    from luneta.finetuning.run import FineTuning

METRICS = ("recall@1", "recall@5", "recall@10", "mrr")


def proof_grid(found: FineTuning) -> Grid | None:
    """Before and after on the test part, with paired differences; None where there was no test part."""
    comparison = found.comparison
    if comparison is None or found.before is None or found.after is None:
        return None
    rows = []
    for direction in DIRECTIONS:
        for name in METRICS:
            before, after = (_metric(result, direction, name) for result in (found.before, found.after))
            change = comparison.difference(direction, name, 0, 1)
            limits = "" if change.low is None else f" ({change.low:+.3f} to {change.high:+.3f})"
            rows.append((f"{direction.replace('_', ' ')} {name}", before, after, f"{change.value:+.3f}{limits}"))
    rules = found.after.protocol
    return Grid(
        title="Before and after",
        header=("", "before", "after", "difference"),
        rows=tuple(rows),
        notes=(
            f"Test part: {rules['n_images']:,} images, {rules['n_texts']:,} texts, nothing of which was learnt from; "
            f"protocol {rules['hash'][:12]}. 95 % intervals; differences are paired by query.",
        ),
    )


def curve_grid(found: FineTuning) -> Grid:
    """What was learnt against what was forgotten, for mixtures of the weights."""
    names = list(found.curve[0].recalls)
    rows = tuple(
        (f"{point.alpha:g}{' *' if point is found.chosen else ''}", *(f"{point.recalls[n]:.3f}" for n in names))
        for point in found.curve
    )
    return Grid(
        title="What was kept",
        header=("alpha", *names),
        rows=rows,
        notes=("Weights between those before (0) and after the training (1); mean recall@1 of both directions; * was "
               "kept.",),
    )  # fmt: skip


def cost_line(found: FineTuning) -> str:
    """Time, memory, energy and money in a sentence."""
    cost = found.cost
    parts = [
        f"{float(cost['wall_s']) / 60:.1f} minutes on {cost['device']}",
        f"{float(cost['peak_mib']):,.0f} MiB at most" + (" of the process so far" if cost["device"] == "cpu" else ""),
    ]
    if cost.get("energy_kwh") is not None:
        parts.append(f"{float(cost['energy_kwh']):.4f} kWh")
    if cost.get("usd") is not None:
        parts.append(f"{float(cost['usd']):.3f} USD ({cost['usd_per_hour']:g} an hour, {cost['price_from']})")
    if cost.get("brl") is not None:
        parts.append(f"{float(cost['brl']):.3f} BRL")
    return "; ".join(parts) + "; validation and proof included."


def finetuning_view(found: FineTuning) -> RenderableType:
    """The tables, the cost and the place of the checkpoint."""
    from rich.console import Group
    from rich.text import Text

    from luneta.terminal import grid_table

    grids = [grid for grid in (proof_grid(found), curve_grid(found)) if grid is not None]
    last = Text(f"Checkpoint: {found.folder}")
    return Group(*(grid_table(grid) for grid in grids), Text(f"Cost: {cost_line(found)}"), last)


def _metric(result: Evaluation, direction: Direction, name: str) -> str:
    metric = result.metrics[direction][name]
    if metric.low is None or metric.high is None:
        return f"{metric.value:.3f}"
    return f"{metric.value:.3f} ({metric.low:.3f} to {metric.high:.3f})"
