"""Options that several verbs share, each defined once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from luneta.cli.loading import OF_MODELS, load

if TYPE_CHECKING:
    from luneta.data.dataset import ImageTextDataset
    from luneta.types import Encoder

DATA_PANEL = "Data"
ENCODER_PANEL = "Encoder"

Data = Annotated[
    str, typer.Argument(help="Folder, table, COCO JSON, tar shards, hub id ([i]owner/name[/i]) or [i]cenas[/i].")
]
Image = Annotated[
    str | None,
    typer.Option(help="Image column, or the folder of the pictures.", rich_help_panel=DATA_PANEL, show_default="found"),
]
Text = Annotated[
    str | None,
    typer.Option(
        help="Text column; several, comma-separated, are several captions.",
        rich_help_panel=DATA_PANEL,
        show_default="found",
    ),
]
Split = Annotated[str | None, typer.Option(help="Split to read.", rich_help_panel=DATA_PANEL)]
Language = Annotated[
    str | None, typer.Option(help="Language of the captions, as en or pt-BR.", rich_help_panel=DATA_PANEL)
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Random sample of this many images.", rich_help_panel=DATA_PANEL)
]
Seed = Annotated[int, typer.Option(help="Seed of the sample.", rich_help_panel=DATA_PANEL)]
Revision = Annotated[str | None, typer.Option(help="Revision of a data set on the hub.", rich_help_panel=DATA_PANEL)]
MaxBadShare = Annotated[
    float,
    typer.Option(
        min=0, max=1, help="Stop when more than this share of the rows is unusable.", rich_help_panel=DATA_PANEL
    ),
]
Encoders = Annotated[
    list[str],
    typer.Option(
        "--encoder",
        "-e",
        help="Preset, hub id ([i]owner/name[/i] or [i]owner/name@REVISION[/i]), checkpoint folder or "
        "[i]package.module:Class[/i]; may be given several times.",
        rich_help_panel=ENCODER_PANEL,
    ),
]
OneEncoder = Annotated[
    str,
    typer.Option(
        "--encoder",
        "-e",
        help="Preset, hub id ([i]owner/name[/i] or [i]owner/name@REVISION[/i]), checkpoint folder or "
        "[i]package.module:Class[/i].",
        rich_help_panel=ENCODER_PANEL,
    ),
]
DType = Annotated[str, typer.Option(help="float32, bfloat16, float16 or auto.", rich_help_panel=ENCODER_PANEL)]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps or auto.", rich_help_panel=ENCODER_PANEL)]
BatchSize = Annotated[
    int | None,
    typer.Option(min=1, help="Items per forward pass.", rich_help_panel=ENCODER_PANEL, show_default="by device"),
]
Locale = Annotated[str, typer.Option(help="Language of tables and report: en or pt-BR.")]
Report = Annotated[Path | None, typer.Option(help="Write an HTML report here; it works offline.")]
PROOF_PANEL, COST_PANEL = "Proof", "Cost"

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what it would take, from a rehearsal of a few steps.")
]
TestSplit = Annotated[
    str | None, typer.Option(help="Split of DATA that is the test part.", rich_help_panel=PROOF_PANEL)
]
ValSplit = Annotated[
    str | None,
    typer.Option(
        help="Split of DATA that decides which weights are kept.",
        rich_help_panel=PROOF_PANEL,
        show_default="a tenth of what is learnt from",
    ),
]
Near = Annotated[
    bool,
    typer.Option(help="Keep near-identical pictures in one part too; decodes all.", rich_help_panel=PROOF_PANEL),
]
Cache = Annotated[bool, typer.Option(help="Reuse vectors of an earlier run of the same encoder.")]
UsdPerHour = Annotated[float | None, typer.Option(help="Price of the machine.", rich_help_panel=COST_PANEL)]
BrlPerUsd = Annotated[float | None, typer.Option(help="Exchange rate.", rich_help_panel=COST_PANEL)]

Format = Annotated[str | None, typer.Option("--format", help="Print a table as markdown, csv, latex or html instead.")]


def open_data(data: str, max_bad_share: float, **arguments: Any) -> ImageTextDataset:
    """The data set of the shared options, with what was chosen printed."""
    from luneta.data.sources import open_dataset

    return open_dataset(data, max_bad_share=max_bad_share, **arguments)


def open_encoder(name: str, dtype: str, device: str) -> Encoder:
    from luneta.encoders.custom import names_code
    from luneta.encoders.registry import load_encoder

    if not names_code(name):
        load(*OF_MODELS)
    return load_encoder(name, dtype=dtype, device=device)


Choices = Mapping[str, tuple[Any, Any]]
"""Name of an argument -> its type, and the `typer.Option` with its default."""


def spread(choices: Choices) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The `**keywords` of a command become these options, so that a record of many choices is one argument.

    Help shows them before the options that stand behind a `*`.

    >>> @spread({"steps": (int, typer.Option(3))})
    ... def command(data: str, *, near: bool = True, **recipe: Any) -> None: ...
    >>> list(inspect.signature(command).parameters)
    ['data', 'steps', 'near']
    """

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = signature.parameters.values()
        chosen = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=kind)
            for name, (kind, option) in choices.items()
        ]
        first = [p for p in own if p.kind is p.POSITIONAL_OR_KEYWORD]
        last = [p for p in own if p.kind is p.KEYWORD_ONLY]
        command.__signature__ = signature.replace(parameters=[*first, *chosen, *last])  # type: ignore[attr-defined]
        return command

    return with_options


def examples(*commands: str) -> Callable[[str], str]:
    """A help text with its examples underneath, one a line."""

    def with_examples(text: str) -> str:
        lines = "\n\n".join(f"[dim]$[/dim] {command}" for command in commands)
        return f"{text}\n\n[bold]Examples[/bold]\n\n{lines}"

    return with_examples
