"""luneta rerank fit"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luneta.cli import checks, options, speech
from luneta.cli.loading import load
from luneta.cli.rerank import models

if TYPE_CHECKING:
    from luneta.data.dataset import ImageTextDataset

HELP = options.examples(
    "luneta rerank fit my_photos/ -e siglip2-b16 --model Salesforce/blip2-itm-vit-g-coco --out itm",
    "luneta rerank fit my_photos/ --split val --test-split test --model Salesforce/blip2-itm-vit-g --weight 0.05 "
    "--candidates 20 --out itm",
)(
    "Make a re-ranker of a cross-encoder, which looks at a text and a picture together: BLIP-2's image-text matching, "
    "or an object of yours. Nothing is trained; how far it is believed is chosen on DATA, and where no gain is sure it "
    "changes nothing."
)


def command(
    data: options.Data,
    model: Annotated[
        str,
        typer.Option(
            help="BLIP-2 checkpoint for image-text matching: hub id or folder; or [i]package.module:Object[/i].",
            rich_help_panel=options.ENCODER_PANEL,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the result; reranker/ in it is the re-ranker.")],
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
    weight: models.Weight = None,
    counts: models.Counts = None,
    candidates: Annotated[int, typer.Option(min=1, help="Of each text, how many are looked at again at most.")] = 100,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    test_split: options.TestSplit = None,
    near: options.Near = True,
    usd_per_hour: options.UsdPerHour = None,
    brl_per_usd: options.BrlPerUsd = None,
    report: options.Report = None,
    locale: options.Locale = "en",
) -> None:
    from rich.console import Console

    from luneta.cost import Prices

    spoken, console = speech.speak(locale), Console()
    checks.check_encoder(encoder)
    checks.check_outputs([], report)

    def opened(part: str | None) -> ImageTextDataset:
        return options.open_data(
            data, max_bad_share, split=part, image=image, text=text, language=language, limit=limit, revision=revision
        )

    fitted_on, proof = opened(split), opened(test_split) if test_split else None
    load("luneta.rerank.fitting", "luneta.report.reranking")
    from luneta.report.reranking import write_trained
    from luneta.rerank import fit_reranker
    from luneta.rerank.tables import trained_view

    crossing = models.open_cross_encoder(model, dtype, device, weight=weight, counts=counts)
    fitted = fit_reranker(
        options.open_encoder(encoder, dtype, device), crossing, fitted_on, out=out, test=proof, near=near,
        k=candidates, max_bad_share=max_bad_share,
        seed=seed, prices=Prices(usd_per_hour, brl_per_usd),
    )  # fmt: skip
    console.print(trained_view(fitted, spoken))
    if report:
        write_trained(report, fitted.pictured(proof, max_bad_share=max_bad_share), locale=spoken)
        speech.say(console, spoken, "wrote", what=report)
