"""luneta rerank train"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from luneta.cli import checks, options, recipes, speech
from luneta.cli.loading import load
from luneta.cli.rerank import models

if TYPE_CHECKING:
    from luneta.data.dataset import ImageTextDataset

HELP = options.examples(
    "luneta rerank train cenas --encoder luneta-mini --insert-layer -2 --out elip",
    "luneta rerank train my_photos/ --encoder siglip2-b16 --steps 2000 --report elip.html --out elip",
    "luneta rerank evaluate elip/reranker other_photos/",
)(
    "Train a re-ranker on pairs of images and texts. How far it is believed is chosen on a validation part; where no "
    "gain is sure it changes nothing. The same command goes on where a run was stopped."
)


@options.spread(recipes.ELIP)
def command(
    data: options.Data,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the result; reranker/ in it is the re-ranker.")
    ] = None,
    dry_run: options.DryRun = False,
    encoder: options.OneEncoder = "luneta-mini",
    image: options.Image = None,
    text: options.Text = None,
    split: options.Split = None,
    language: options.Language = None,
    limit: options.Limit = None,
    revision: options.Revision = None,
    max_bad_share: options.MaxBadShare = 0.01,
    dtype: options.DType = "auto",
    device: options.Device = "auto",
    model: Annotated[
        str | None,
        typer.Option(
            help="BLIP-2 checkpoint that looks at the candidates in the encoder's place, as in elip-b.",
            rich_help_panel=options.ENCODER_PANEL,
        ),
    ] = None,
    weight: models.Weight = None,
    counts: models.Counts = None,
    variant: Annotated[
        str,
        typer.Option(
            help="Where all other settings begin: elip, or the paper's elip-c, elip-s, elip-s2, elip-b.",
            rich_help_panel=recipes.GUIDE,
        ),
    ] = "elip",
    *,
    test_split: options.TestSplit = None,
    val_split: options.ValSplit = None,
    near: options.Near = True,
    disk: Annotated[
        str | None,
        typer.Option(
            help="What may be written while it lasts, as 250GB or 1TB; what does not fit is computed at every look.",
            rich_help_panel=options.COST_PANEL,
            show_default="what is free",
        ),
    ] = None,
    usd_per_hour: options.UsdPerHour = None,
    brl_per_usd: options.BrlPerUsd = None,
    report: options.Report = None,
    locale: options.Locale = "en",
    **recipe: Any,
) -> None:
    from rich.console import Console

    from luneta.cost import Prices
    from luneta.errors import ConfigError
    from luneta.finetuning.claims import check_folder
    from luneta.layouts import GridView
    from luneta.rerank.recipe import RESULT

    spoken, console = speech.speak(locale), Console()
    if out is None and not dry_run:
        raise ConfigError("name a folder for the result with --out, or ask what it would take with --dry-run")
    if model is None and (weight is not None or counts is not None):
        raise ConfigError(
            "--weight and --counts are of a cross-encoder, and there is none: name it with --model, or leave them out"
        )
    checks.check_encoder(encoder)
    checks.check_outputs([], report)
    if out is not None:
        check_folder(out)
        if dry_run and (out / RESULT).is_file():
            speech.say(console, spoken, "ended", what=out)
            return
    how = recipes.elip_recipe(variant, recipe)

    def opened(part: str | None) -> ImageTextDataset:
        return options.open_data(
            data, max_bad_share, split=part, image=image, text=text, language=language, limit=limit, revision=revision
        )

    whole, proof = opened(split), opened(test_split) if test_split else None
    load("luneta.rerank.run", "luneta.report.reranking")
    from luneta.report.reranking import write_trained
    from luneta.rerank import predict_elip, train_elip
    from luneta.rerank.disk import read_size
    from luneta.rerank.tables import trained_view

    learner = options.open_encoder(encoder, dtype, device)
    told: dict[str, Any] = {
        "matcher": None if model is None else models.open_cross_encoder(
            model, dtype, device, weight=weight, counts=counts
        ),
        "recipe": how, "validation": opened(val_split) if val_split else None, "test": proof, "near": near,
        "max_bad_share": max_bad_share, "prices": Prices(usd_per_hour, brl_per_usd),
        "disk": None if disk is None else read_size(disk),
    }  # fmt: skip
    if out is None or dry_run:
        plan = predict_elip(learner, whole, **told)
        console.print(f"{encoder}: {plan.said(spoken)}", soft_wrap=True)
        for grid in plan.grids(spoken):
            console.print(GridView(grid))
        return
    trained = train_elip(learner, whole, out=out, **told)
    console.print(trained_view(trained, spoken))
    if report:
        write_trained(report, trained.pictured(proof, max_bad_share=max_bad_share), locale=spoken)
        speech.say(console, spoken, "wrote", what=report)
