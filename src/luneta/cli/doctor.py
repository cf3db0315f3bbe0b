"""luneta doctor"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from luneta.cli import checks, options, speech

HELP = options.examples(
    "luneta doctor -e luneta-mini",
    "luneta doctor -e siglip2-b16 --data my_photos/ --text caption",
    "luneta doctor -e package.module:MyEncoder --data cenas --limit 200 --json",
    "luneta doctor -e luneta-mini --report doctor.html --locale pt-BR",
)(
    "Check that an encoder is used as it was trained, before a number is believed: padding, case, mask, pooling, "
    "resizing, normalisation, weights, number format, batches; with data also language, tokens and pairs. Exit status: "
    "1 when a check fails, 0 when none does, 2 when the encoder cannot be examined."
)


def command(
    encoder: options.OneEncoder = "luneta-mini",
    data: Annotated[
        str | None,
        typer.Option(
            help="What it is to serve: folder, table, COCO JSON, tar shards, hub id or [i]cenas[/i].",
            rich_help_panel=options.DATA_PANEL,
        ),
    ] = None,
    image: options.Image = None,
    text: options.Text = None,
    split: options.Split = None,
    language: options.Language = None,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    revision: options.Revision = None,
    max_bad_share: options.MaxBadShare = 0.01,
    dtype: options.DType = "auto",
    device: options.Device = "auto",
    quick: Annotated[bool, typer.Option("--quick", help="Only what takes a moment.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the diagnosis as JSON instead.")] = False,
    report: options.Report = None,
    locale: options.Locale = "en",
) -> None:
    from luneta.doctor import examine
    from luneta.doctor.terminal import diagnosis_view
    from luneta.report.doctor import write_doctor

    spoken = speech.speak(locale)
    checks.check_outputs([], report)
    checks.check_encoder(encoder)
    dataset = None
    if data is not None:
        dataset = options.open_data(
            data, max_bad_share, image=image, text=text, split=split, language=language,
            limit=limit, seed=seed, revision=revision,
        )  # fmt: skip
    diagnosis = examine(options.open_encoder(encoder, dtype, device), dataset, quick=quick)
    if report:
        write_doctor(report, [diagnosis], locale=spoken)
    if as_json:
        typer.echo(json.dumps(diagnosis.to_dict(), ensure_ascii=False, indent=1))
    else:
        from rich.console import Console

        console = Console()
        if report:
            speech.say(console, spoken, "wrote", what=report)
        console.print(diagnosis_view(diagnosis, spoken))
    if diagnosis.failed:
        raise typer.Exit(1)
