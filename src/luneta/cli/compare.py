"""luneta compare"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from luneta.cli import options

HELP = options.examples(
    "luneta compare zero-shot.json fine-tuned.json",
    "luneta compare results/*.json --metric ndcg@10",
    "luneta compare a.json b.json --format latex > table.tex",
    "luneta compare a.json b.json --json > comparison.json",
)(
    "Compare results query by query: which encoder is better, by how much, and how surely. Results that were not "
    "measured on the same task are refused (exit status 2), with what differs."
)


def command(
    results: Annotated[list[Path], typer.Argument(help="Files of luneta evaluate --json; the first is the baseline.")],
    metric: Annotated[str, typer.Option(help="Metric of the tables of differences.")] = "recall@1",
    seed: Annotated[int, typer.Option(help="Seed of bootstrap and randomisation.")] = 0,
    form: options.Format = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead.")] = False,
) -> None:
    from rich.console import Console

    from luneta.comparison import check_metric, compare
    from luneta.results import load_evaluation
    from luneta.terminal import comparison_table, slices_table

    check_metric(metric)
    found = compare([load_evaluation(path) for path in results], seed=seed)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), ensure_ascii=False, indent=1))
        return
    if form:
        typer.echo(found.grid(metric).write(form), nl=False)
        return
    console = Console()
    console.print(comparison_table(found, metric))
    if found.slices:
        console.print(slices_table(found))
