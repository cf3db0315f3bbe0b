"""luneta leaderboard"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from luneta.cli import checks, options, speech

HELP = options.examples(
    "luneta leaderboard results/",
    "luneta leaderboard results/ --metric ndcg@10 --direction image_to_text",
    "luneta leaderboard results/ --format markdown > LEADERBOARD.md",
    "luneta leaderboard results/ --report leaderboard.html --locale pt-BR",
)(
    "Rank all results of a folder and of the folders below it, each protocol by itself; encoders that a paired test "
    "cannot tell apart are marked, and copies of a result are left out."
)


def command(
    folder: Annotated[Path, typer.Argument(help="Folder of what luneta evaluate --json wrote.")],
    metric: Annotated[str, typer.Option(help="Metric to sort by.")] = "recall@1",
    direction: Annotated[str, typer.Option(help="text_to_image or image_to_text.")] = "text_to_image",
    form: options.Format = None,
    report: options.Report = None,
    locale: options.Locale = "en",
) -> None:
    from rich.console import Console

    from luneta.leaderboards import leaderboard, leaderboard_view
    from luneta.report.leaderboard import write_leaderboard

    spoken = speech.speak(locale)
    checks.check_outputs([], report)
    found = leaderboard(folder, metric=metric, direction=direction)  # type: ignore[arg-type]  # it is checked there
    if report:
        write_leaderboard(report, found, locale=spoken)
    if form:
        typer.echo("\n".join(grid.write(form) for grid in found.grids(spoken)), nl=False)
        return
    console = Console()
    if report:
        speech.say(console, spoken, "wrote", what=report)
    console.print(leaderboard_view(found, spoken))
    for name, reason in found.left_out(spoken).items():
        speech.say(console, spoken, "board_refused", file=name, reason=reason)
