"""luneta demo"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from luneta.cli import options

HELP = options.examples("luneta demo", "luneta demo --out my_demo --locale pt-BR")(
    "The whole job on built-in pictures and models: no network, no GPU, a few minutes. Ends with an HTML report."
)


def command(
    out: Annotated[Path, typer.Option(help="Folder for the report and its numbers.")] = Path("demo"),
    locale: options.Locale = "en",
    limit: Annotated[int | None, typer.Option(min=10, help="Pictures per data set, for a quick look.")] = None,
) -> None:
    from rich.console import Console

    from luneta.artifacts import check_writable
    from luneta.demo import run_demo
    from luneta.report.messages import check_locale

    check_writable(out / "report.html")
    report = run_demo(out, console=Console(), locale=check_locale(locale), limit=limit)
    typer.echo(f"\nReport: {report.resolve()}")
