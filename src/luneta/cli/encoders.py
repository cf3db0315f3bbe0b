"""luneta encoders"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from luneta.cli import options, speech
from luneta.wording import Messages, translator_of, written

HELP = options.examples("luneta encoders", "luneta encoders --locale pt-BR")(
    "List the encoders that have a short name, with parameters, licence and languages. Any other checkpoint of the "
    "supported families loads by its hub id or folder."
)


COLUMNS: Messages = {
    "name": ("name", "nome"),
    "checkpoint": ("checkpoint", "checkpoint"),
    "parameters": ("parameters", "parâmetros"),
    "pixels": ("pixels", "pixels"),
    "languages": ("languages", "idiomas"),
    "licence": ("licence", "licença"),
}
"""Headings (English, Brazilian Portuguese)."""

_IN_PORTUGUESE = {
    "(built in)": "(embutido)",
    "variable": "variável",
    "multilingual": "multilíngue",
    "not stated": "não declarada",
    "MIT (OpenAI's repository)": "MIT (repositório da OpenAI)",
}
"""What stands in cells."""


def command(locale: options.Locale = "en") -> None:
    from rich.console import Console
    from rich.table import Table

    from luneta.encoders.registry import list_encoders

    spoken = speech.speak(locale)
    t = translator_of(spoken, COLUMNS)

    def said(cell: str) -> str:
        return _IN_PORTUGUESE.get(cell, cell) if spoken == "pt-BR" else cell

    presets = list_encoders()
    table = Table(header_style="", box=None, pad_edge=False)
    for column in COLUMNS:
        side: Literal["left", "right"] = "right" if column in ("parameters", "pixels") else "left"
        table.add_column(t(column), justify=side, overflow="fold", no_wrap=column in ("name", "parameters", "pixels"))
    for preset in presets:
        size = written(f"{preset.n_parameters / 1e6:,.{0 if preset.n_parameters >= 1e8 else 1}f} M", spoken)
        pixels = said(str(preset.image_size or "variable"))
        languages = ", ".join(map(said, preset.languages))
        checkpoint = said("(built in)" if Path(preset.checkpoint).is_absolute() else preset.checkpoint)
        table.add_row(preset.name, checkpoint, size, pixels, languages, said(preset.license))
    console = Console()
    if not console.is_terminal:  # a table for grep and cut: one line each
        console = Console(width=200)
    console.print(table)
    for preset in presets:
        if preset.note:
            console.print(f"\n[bold]{preset.name}[/bold]: {preset.note_in(spoken)}", highlight=False)
