"""luneta encoders"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from luneta.cli import options

HELP = options.examples("luneta encoders")(
    "List the encoders that have a short name, with parameters, licence and languages. Any other checkpoint of the "
    "supported families loads by its hub id or folder."
)


def command() -> None:
    from rich.console import Console
    from rich.table import Table

    from luneta.encoders.registry import list_encoders

    presets = list_encoders()
    table = Table(header_style="", box=None, pad_edge=False)
    for heading in ("name", "checkpoint", "parameters", "pixels", "languages", "licence"):
        side: Literal["left", "right"] = "right" if heading in ("parameters", "pixels") else "left"
        table.add_column(heading, justify=side, overflow="fold", no_wrap=heading in ("name", "parameters", "pixels"))
    for preset in presets:
        size = f"{preset.n_parameters / 1e6:,.{0 if preset.n_parameters >= 1e8 else 1}f} M"
        pixels = str(preset.image_size or "variable")
        languages = ", ".join(preset.languages) or "not stated"
        checkpoint = "(built in)" if Path(preset.checkpoint).is_absolute() else preset.checkpoint
        table.add_row(preset.name, checkpoint, size, pixels, languages, preset.license)
    console = Console()
    if not console.is_terminal:  # a table for grep and cut: one line each
        console = Console(width=200)
    console.print(table)
    for preset in presets:
        if preset.note:
            console.print(f"\n[bold]{preset.name}[/bold]: {preset.note}", highlight=False)
