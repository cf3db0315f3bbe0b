"""luneta encoders"""

from __future__ import annotations

from luneta.cli import options

HELP = options.examples("luneta encoders")(
    "List the encoders that have a short name, with parameters, licence and languages. Any other checkpoint of the "
    "supported families loads by its hub id or folder."
)


def command() -> None:
    from rich.console import Console
    from rich.table import Table

    from luneta.encoders.registry import list_encoders

    table = Table(header_style="", box=None, pad_edge=False)
    for heading in ("name", "checkpoint", "family", "parameters", "languages", "licence"):
        table.add_column(heading, justify="right" if heading == "parameters" else "left", overflow="fold")
    for preset in list_encoders():
        size = (
            f"{preset.n_parameters / 1e6:,.0f} M"
            if preset.n_parameters >= 1e8
            else f"{preset.n_parameters / 1e6:.1f} M"
        )
        table.add_row(preset.name, preset.checkpoint, preset.family, size, ", ".join(preset.languages), preset.licence)
    Console().print(table)
