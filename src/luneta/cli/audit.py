"""luneta audit"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from luneta.cli import options, speech

HELP = options.examples(
    "luneta audit results.csv",
    "luneta audit paper.tex --queries 25000",
    "luneta audit table.md --queries-column n_queries --json > findings.json",
    "luneta audit results.csv --locale pt-BR",
)(
    "Find the numbers of a published table that cannot be: no whole number of hits, recalls that fall with k, MRR or "
    "nDCG out of bounds, copies that disagree, rows measured on other queries. Exit status: 1 when something is "
    "proved, 0 when nothing is, 2 when the table cannot be read."
)


def command(
    table: Annotated[Path, typer.Argument(help="CSV, Markdown, HTML or LaTeX file.")],
    queries: Annotated[
        int | None, typer.Option(min=1, help="Number of queries of every row.", show_default="from the digits")
    ] = None,
    queries_column: Annotated[
        str | None, typer.Option(help="Column that holds the number of queries.", show_default="found")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON instead, in English.")] = False,
    locale: options.Locale = "en",
) -> None:
    from luneta.auditing import audit
    from luneta.auditing.terminal import audit_view

    spoken = speech.speak(locale)
    found = audit(table, queries=queries, queries_column=queries_column)
    if as_json:
        typer.echo(json.dumps([finding.to_dict() for finding in found.findings], ensure_ascii=False, indent=1))
    else:
        from rich.console import Console

        Console().print(audit_view(found, spoken))
    if found.proved:
        raise typer.Exit(1)
