"""luneta demo"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from luneta.cli import options, speech

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

    check_writable(out / "report.html")
    spoken, console = speech.speak(locale), Console()
    report = run_demo(out, console=console, locale=spoken, limit=limit)
    console.print()
    speech.say(console, spoken, "report_at", path=report.resolve())
