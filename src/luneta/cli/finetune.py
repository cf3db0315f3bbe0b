"""luneta finetune"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from luneta.cli import checks, options, speech

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luneta.data.dataset import ImageTextDataset

HOW = "How"
MEMORY = "Speed and memory"
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
    method: Annotated[
        str,
        typer.Option(
            help="full: everything; lora: low-rank additions to both towers; lit: one tower, the other locked; head: "
            "the projections only.",
            rich_help_panel=HOW,
        ),
    ] = "full",
    loss: Annotated[str, typer.Option(help="auto (as pretrained), infonce or sigmoid.", rich_help_panel=HOW)] = "auto",
    locked: Annotated[
        str | None,
        typer.Option(
            "--lock", help="The tower that lit locks: image or text.", rich_help_panel=HOW, show_default="image"
        ),
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(help="Times every image is shown.", rich_help_panel=HOW, show_default="by method")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps, instead of epochs.", rich_help_panel=HOW)] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Pairs told apart in a step.", rich_help_panel=HOW, show_default="by method"),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="At its peak.", rich_help_panel=HOW, show_default="by method")
    ] = None,
    warmup: Annotated[float, typer.Option(help="Share of the steps in which it rises.", rich_help_panel=HOW)] = 0.05,
    weight_decay: Annotated[float, typer.Option(help="Of matrices.", rich_help_panel=HOW)] = 0.0,
    layer_decay: Annotated[
        float, typer.Option(help="Factor of the learning rate from block to block downwards.", rich_help_panel=HOW)
    ] = 1.0,
    ema: Annotated[
        float | None, typer.Option(help="Keep a running average of the weights, such as 0.999.", rich_help_panel=HOW)
    ] = None,
    rank: Annotated[
        int | None, typer.Option(help="Of lora's additions.", rich_help_panel=HOW, show_default="8")
    ] = None,
    margin: Annotated[
        float | None, typer.Option(help="Push each hardest negative so far away too.", rich_help_panel=HOW)
    ] = None,
    text_negatives: Annotated[
        bool, typer.Option(help="Captions with words swapped are negatives too.", rich_help_panel=HOW)
    ] = False,
    dims: Annotated[
        str | None,
        typer.Option(help="Lengths at which shortened vectors should work too, as 64,128.", rich_help_panel=HOW),
    ] = None,
    relevance: Annotated[
        str | None,
        typer.Option(help="Column that says how much a picture's captions count.", rich_help_panel=HOW),
    ] = None,
    hard_negatives: Annotated[
        bool, typer.Option(help="Batches of pictures that are mistaken for one another.", rich_help_panel=HOW)
    ] = False,
    refresh: Annotated[
        int | None, typer.Option(help="Epochs after which these are looked for anew.", rich_help_panel=HOW)
    ] = None,
    augment: Annotated[
        bool, typer.Option(help="Crop, recolour and (where no caption names a side) mirror.", rich_help_panel=HOW)
    ] = False,
    patience: Annotated[
        int | None, typer.Option(help="End after so many validations without a better recall.", rich_help_panel=HOW)
    ] = None,
    validations: Annotated[
        int, typer.Option(help="How often recall is measured on the way.", rich_help_panel=HOW)
    ] = 10,
    log_to: Annotated[
        list[str] | None,
        typer.Option(
            help="Send losses and recalls to tensorboard, wandb, ... too; several times.", rich_help_panel=HOW
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.", rich_help_panel=HOW)] = 0,
    micro_batch: Annotated[
        int | None,
        typer.Option(
            help="Pairs that fit into memory at once; the gradients stay those of the whole batch.",
            rich_help_panel=MEMORY,
            show_default="the batch",
        ),
    ] = None,
    precision: Annotated[
        str, typer.Option(help="auto, float32, bfloat16 or float16.", rich_help_panel=MEMORY)
    ] = "auto",
    checkpointing: Annotated[bool, typer.Option(help="Less memory, more time.", rich_help_panel=MEMORY)] = False,
    drop_patches: Annotated[
        float, typer.Option(help="Share of the patches that are not read in training.", rich_help_panel=MEMORY)
    ] = 0.0,
    test_split: options.TestSplit = None,
    val_split: Annotated[
        str | None,
        typer.Option(
            help="Split of DATA that decides which weights are kept.",
            rich_help_panel=PROOF,
            show_default="a tenth of what is learnt from",
        ),
    ] = None,
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
) -> None:
    from rich.console import Console

    from luneta.cost import Prices
    from luneta.data.signatures import signed_once
    from luneta.errors import ConfigError
    from luneta.finetuning import Recipe, finetune, predict_cost
    from luneta.finetuning.processes import is_main
    from luneta.finetuning.run import RESULT
    from luneta.finetuning.tables import finetuning_view
    from luneta.report.finetuning import write_finetuning

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
    if report and (out is None or dry_run):
        raise ConfigError("--report shows what a fine-tuning has changed; with --dry-run there is nothing to show")
    checks.check_encoder(encoder)
    if ":" in encoder:
        raise ConfigError(f"{encoder} cannot be fine-tuned: only checkpoints of transformers can")
    if out is not None and (out / RESULT).is_file():
        raise ConfigError(f"{out} holds a finished training; choose another folder, or remove it to train anew")
    checks.check_outputs([], report)
    choices: dict[str, Any] = {  # words are checked by the recipe
        "method": method, "loss": loss, "locked": locked, "epochs": epochs, "steps": steps, "batch_size": batch_size,
        "micro_batch": micro_batch, "learning_rate": learning_rate, "layer_decay": layer_decay, "ema": ema,
        "rank": rank, "margin": margin, "text_negatives": text_negatives, "hard_negatives": hard_negatives,
        "refresh": refresh, "relevance": relevance, "warmup": warmup, "weight_decay": weight_decay,
        "validations": validations, "dims": _numbers(dims),
        "log_to": tuple(log_to or ()),
        "augment": augment, "seed": seed, "drop_patches": drop_patches,
        "checkpointing": checkpointing, "patience": patience, "precision": precision,
    }  # fmt: skip
    recipe = Recipe(**choices)

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
    with signed_once():  # pictures are compared here and again where what validates and is to be kept comes in
        train, proof = (_joined(learnt), tested) if test_split else _divided(learnt, share, seed, near)
        arguments: dict[str, Any] = {
            "recipe": recipe, "test": proof,
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
            write_finetuning(report, found, locale=spoken)
            speech.say(console, spoken, "wrote", what=report)


def _numbers(listed: str | None) -> tuple[int, ...]:
    """
    >>> _numbers("64, 128"), _numbers(None)
    ((64, 128), ())
    """
    from luneta.errors import ConfigError

    try:
        return tuple(int(part) for part in (listed or "").split(",") if part.strip())
    except ValueError as error:
        raise ConfigError(f"--dims is {listed!r}, expected whole numbers separated by commas, as 64,128") from error


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
