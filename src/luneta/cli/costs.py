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
    "Show what all runs of the ledger have cost, failed and interrupted ones, evaluations and embeddings too. The "
    "ledger is runs/ledger.jsonl in the folder that the command is given in, unless LUNETA_LEDGER names another file. "
    "A training begins it; what only measures or embeds is written down where there is one already, or where "
    "LUNETA_LEDGER is set."
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

    from luneta.errors import ArtifactError
    from luneta.layouts import GridView
    from luneta.ledger import ledger_path, read_ledger
    from luneta.report.costs import costs_grid, write_costs

    spoken = speech.speak(locale)
    checks.check_outputs([], report)
    ledger = ledger_path()
    if not ledger.is_file():
        raise ArtifactError(
            f"there is no ledger at {ledger.resolve()}: no training has been started from this folder. Go to the "
            "folder from which it was, or name its file with LUNETA_LEDGER; set before the first run, that counts "
            "everything, wherever it runs"
        )
    entries = read_ledger(ledger)
    grid = costs_grid(entries, ledger=ledger, brl_per_usd=brl_per_usd, locale=spoken)
    if report:
        write_costs(report, entries, ledger=ledger, brl_per_usd=brl_per_usd, locale=spoken)
    if form:
        typer.echo(grid.write(form), nl=False)
        return
    console = Console()
    console.print(GridView(grid))
    if report:
        speech.say(console, spoken, "wrote", what=report)
