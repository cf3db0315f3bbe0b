"""luneta costs"""

from __future__ import annotations

from typing import Annotated

import typer

from luneta.cli import checks, options, speech

HELP = options.examples(
    "luneta costs",
    "luneta costs --brl-per-usd 5.4 --report costs.html",
    "luneta costs --format csv > costs.csv",
)(
    "Show what all runs of the ledger have cost, failed and interrupted ones and evaluations too. The ledger is "
    "runs/ledger.jsonl, unless LUNETA_LEDGER names another file."
)


def command(
    brl_per_usd: Annotated[
        float | None, typer.Option(min=0, help="Exchange rate, for runs that were written down without one.")
    ] = None,
    form: options.Format = None,
    report: options.Report = None,
    locale: options.Locale = "en",
) -> None:
    from rich.console import Console

    from luneta.layouts import GridView
    from luneta.ledger import read_ledger
    from luneta.report.costs import costs_grid, write_costs

    spoken = speech.speak(locale)
    checks.check_outputs([], report)
    entries = read_ledger()
    grid = costs_grid(entries, brl_per_usd=brl_per_usd, locale=spoken)
    if report:
        write_costs(report, entries, brl_per_usd=brl_per_usd, locale=spoken)
    if form:
        typer.echo(grid.write(form), nl=False)
        return
    console = Console()
    console.print(GridView(grid))
    if report:
        speech.say(console, spoken, "wrote", what=report)
