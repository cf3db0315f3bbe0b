"""luneta finetune"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from luneta.cli import checks, options, recipes, speech
from luneta.cli.loading import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luneta.data.dataset import ImageTextDataset

PROOF = options.PROOF_PANEL

HELP = options.examples(
    "luneta finetune my_photos/ --encoder clip-b32 --out tuned",
    "luneta finetune my_photos/ --encoder siglip2-b16 --method lora --language pt-BR --keep-language en --out tuned",
    "luneta finetune cenas --split train --test-split test --language en,pt-BR --method lit --steps 300 --out tuned",
    "luneta finetune my_photos/ --encoder clip-b32 --hard-negatives --keep coco.json --report tuned.html --out tuned",
    "luneta evaluate other_photos/ --encoder tuned/model",
)(
    "Fine-tune an encoder on pairs of images and texts, and prove on a test part that shares nothing with them what "
    "that changed. The same command goes on where a run was stopped."
)


@options.spread(recipes.FINETUNING)
def command(
    data: options.Data,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the result; model/ in it is the new checkpoint.")
    ] = None,
    dry_run: options.DryRun = False,
    encoder: options.OneEncoder = "luneta-mini",
    image: options.Image = None,
    text: options.Text = None,
    split: options.Split = None,
    language: Annotated[
        str | None,
        typer.Option(
            help="Language of the captions, as en or pt-BR; several, comma-separated, are learnt together and proved "
            "one by one.",
            rich_help_panel=options.DATA_PANEL,
        ),
    ] = None,
    limit: options.Limit = None,
    revision: options.Revision = None,
    max_bad_share: options.MaxBadShare = 0.01,
    device: options.Device = "auto",
    *,
    test_split: options.TestSplit = None,
    val_split: options.ValSplit = None,
    test: Annotated[
        float | None,
        typer.Option(
            min=0, max=0.9, help="Share taken out for the proof, by groups.", rich_help_panel=PROOF, show_default="0.2"
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="Another data set whose recall should not fall; several times.", rich_help_panel=PROOF),
    ] = None,
    keep_language: Annotated[
        list[str] | None,
        typer.Option(help="Language of DATA whose recall should not fall; several times.", rich_help_panel=PROOF),
    ] = None,
    allowed_loss: Annotated[
        float | None, typer.Option(help="How much it may fall.", rich_help_panel=PROOF, show_default="0.03")
    ] = None,
    dtype: Annotated[
        str,
        typer.Option(
            help="What the proof is computed in, as by luneta evaluate: float32, bfloat16, float16 or auto.",
            rich_help_panel=PROOF,
        ),
    ] = "auto",
    near: options.Near = True,
    usd_per_hour: options.UsdPerHour = None,
    brl_per_usd: options.BrlPerUsd = None,
    report: options.Report = None,
    locale: options.Locale = "en",
    **recipe: Any,
) -> None:
    from rich.console import Console

    from luneta.cost import Prices
    from luneta.data.signatures import signed_once
    from luneta.errors import ConfigError
    from luneta.finetuning.claims import check_folder
    from luneta.finetuning.recipe import RESULT, Recipe

    spoken, console = speech.speak(locale), Console()
    if out is None and not dry_run:
        raise ConfigError("name a folder for the result with --out, or ask what it would take with --dry-run")
    if test is not None and test_split is not None:
        raise ConfigError(
            f"--test {test:g} takes a share out of DATA, and --test-split {test_split} names a whole split: give one "
            "of them"
        )
    if allowed_loss is not None and not (keep or keep_language):
        raise ConfigError(
            f"--allowed-loss {allowed_loss:g} is for what is to be kept, and nothing is: name it with --keep or "
            "--keep-language, or leave it out"
        )
    checks.check_encoder(encoder)
    if ":" in encoder:
        raise ConfigError(f"{encoder} cannot be fine-tuned: only checkpoints of transformers can")
    if out is not None:
        check_folder(out)
        if dry_run and (out / RESULT).is_file():
            speech.say(console, spoken, "ended", what=out)
            return
    checks.check_outputs([], report)
    dims, log_to = recipes.widths("--dims", recipe.pop("dims")), tuple(recipe.pop("log_to") or ())
    how = Recipe(**recipe, dims=dims, log_to=log_to)

    def opened(source: str, part: str | None, written_in: str | None) -> ImageTextDataset:
        named = {"image": image, "text": text, "limit": limit, "revision": revision} if source == data else {}
        return options.open_data(source, max_bad_share, split=part, language=written_in, **named)

    languages: list[str | None] = [*filter(None, map(str.strip, (language or "").split(",")))] or [None]
    share = 0.2 if test is None else test
    learnt = [opened(data, split, one) for one in languages]
    tested = [opened(data, test_split, one) for one in languages] if test_split else []
    parts = [split] if test_split is None else [split, test_split]  # what is learnt from proves and decides nothing
    kept = [_joined([opened(data, part, one) for part in parts]) for one in keep_language or []]
    kept += [opened(other, None, None) for other in keep or []]
    load("luneta.finetuning.run", "luneta.report.finetuning")
    from luneta.finetuning import finetune, predict_cost
    from luneta.finetuning.processes import is_main
    from luneta.finetuning.tables import finetuning_view
    from luneta.report.finetuning import write_finetuning

    with signed_once():  # pictures are compared here and again where what validates and is to be kept comes in
        train, proof = (_joined(learnt), tested) if test_split else _divided(learnt, share, how.seed, near)
        arguments: dict[str, Any] = {
            "recipe": how, "test": proof,
            "validation": _joined([opened(data, val_split, one) for one in languages]) if val_split else None,
            "keep": kept, "near": near, "max_bad_share": max_bad_share,
            "prices": Prices(usd_per_hour, brl_per_usd),
        }  # fmt: skip
        learner = options.open_encoder(encoder, dtype, device)
        if out is None or dry_run:
            predicted = predict_cost(learner, train, out=out, **arguments)
            console.print(f"{encoder}: {predicted.said(spoken)}", soft_wrap=True)
            return
        found = finetune(learner, train, out=out, allowed_loss=allowed_loss, **arguments)
    if is_main():
        console.print(finetuning_view(found, spoken))
        if report:
            shown = found.pictured(learner, proof, max_bad_share=max_bad_share)
            write_finetuning(report, shown, locale=spoken)
            speech.say(console, spoken, "wrote", what=report)


def _joined(datasets: Sequence[ImageTextDataset]) -> ImageTextDataset:
    from luneta.data.joining import join_datasets

    return join_datasets(datasets)


def _divided(
    datasets: Sequence[ImageTextDataset], share: float, seed: int, near: bool
) -> tuple[ImageTextDataset, list[ImageTextDataset]]:
    """A training part of all, and a test part of each, of the same pictures; nothing is shared."""
    import numpy as np

    from luneta.data.groups import find_groups

    whole = _joined(datasets)
    if not share:
        return whole, []
    splits = whole.divide(val=0, test=share, seed=seed, groups=find_groups(whole, near=near, seed=seed))
    if len(datasets) == 1:
        return splits.train, [splits.test]
    tested = set(splits.test.image_keys)
    return splits.train, [
        data.without_images(np.flatnonzero([key not in tested for key in data.image_keys]).tolist())
        for data in datasets
    ]
