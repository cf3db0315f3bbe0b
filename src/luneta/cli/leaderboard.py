"""luneta leaderboard"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from luneta.cli import options

HELP = options.examples(
    "luneta leaderboard results/",
    "luneta leaderboard results/ --metric ndcg@10 --direction image_to_text",
    "luneta leaderboard results/ --format markdown > LEADERBOARD.md",
)("Rank all results of a folder, each protocol by itself; encoders that a paired test cannot tell apart are marked.")


def command(
    folder: Annotated[Path, typer.Argument(help="Folder of what luneta evaluate --json wrote.")],
    metric: Annotated[str, typer.Option(help="Metric to sort by.")] = "recall@1",
    direction: Annotated[str, typer.Option(help="text_to_image or image_to_text.")] = "text_to_image",
    form: options.Format = None,
) -> None:
    from rich.console import Console

    from luneta.leaderboard import leaderboard
    from luneta.terminal import grid_table

    found = leaderboard(folder, metric=metric, direction=direction)  # type: ignore[arg-type]  # it is checked there
    if form:
        typer.echo("\n".join(grid.write(form) for grid in found.grids()), nl=False)
        return
    console = Console()
    for grid in found.grids():
        console.print(grid_table(grid))
    for name, reason in found.refused.items():
        console.print(f"left out: {name}: {reason}", style="yellow", markup=False)
