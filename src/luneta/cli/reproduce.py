"""luneta reproduce elip"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luneta.cli import checks, options, speech

if TYPE_CHECKING:
    from luneta.data.dataset import ImageTextDataset
    from luneta.types import Matcher

HELP = "Measure what a paper measured, and put the numbers beside the published ones."

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", context_settings={"help_option_names": ["-h", "--help"]}
)


@app.callback()
def _papers() -> None:
    """One command for every paper."""


@app.command(
    help=options.examples(
        "luneta reproduce elip",
        "luneta reproduce elip --variant elip-c --coco coco/ --flickr flickr30k/ --weights elip_models/",
        "luneta reproduce elip --variant elip-s --imagenet-r renditions/ --weights epoch_1.pt",
    )(
        "Numbers of ELIP (Zhan et al., 2025): every benchmark that there are data for, the backbone alone and, where "
        "there are weights, with ELIP. What is missing is named, with what to download."
    )
)
def elip(
    variant: Annotated[str, typer.Option(help="elip-c, elip-s, elip-s2 or elip-b.")] = "elip-c",
    coco: Annotated[
        Path | None, typer.Option(help="Folder with dataset_coco.json and the pictures, or the file.")
    ] = None,
    flickr: Annotated[
        Path | None, typer.Option(help="Folder with dataset_flickr30k.json and the pictures, or the file.")
    ] = None,
    occluded_coco: Annotated[
        Path | None, typer.Option(help="What [i]luneta build occluded-coco[/i] wrote.")
    ] = None,
    imagenet_r: Annotated[Path | None, typer.Option(help="What [i]luneta build imagenet-r[/i] wrote.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="The authors' checkpoint, or the folder of all of them.")
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder", "-e", help="The backbone; with elip-b, what finds the candidates.",
            show_default="the variant's", rich_help_panel=options.ENCODER_PANEL,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="The BLIP-2 checkpoint of elip-b.", show_default="the paper's",
            rich_help_panel=options.ENCODER_PANEL,
        ),
    ] = None,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    max_bad_share: options.MaxBadShare = 0.01,
    dtype: options.DType = "auto",
    device: options.Device = "auto",
    cache: options.Cache = True,
    json: Annotated[Path | None, typer.Option(help="Write all numbers here.")] = None,
    locale: options.Locale = "en",
) -> None:  # fmt: skip
    from rich.console import Console

    from luneta.artifacts import write_json
    from luneta.data.judged import is_judged
    from luneta.encoders.registry import load_cross_encoder
    from luneta.errors import ConfigError, DatasetError, did_you_mean
    from luneta.layouts import GridView
    from luneta.rerank.published import BACKBONES, CROSS_ENCODER, REPORTED
    from luneta.rerank.reproduction import nothing_run, reproduce_elip
    from luneta.rerank.tables import reproduction_grid
    from luneta.types import Matcher

    spoken = speech.speak(locale)
    if variant not in REPORTED:
        raise ConfigError(f"{variant!r} has no published numbers. {did_you_mean(variant, REPORTED)}")
    if model is not None and variant != "elip-b":
        raise ConfigError(f"--model is for elip-b, and {variant} has no cross-encoder: leave it out")
    checks.check_outputs([], None, [] if json is None else [json])
    backbone = encoder or BACKBONES[variant]

    def matcher(weight: float) -> Matcher:
        found = load_cross_encoder(model or CROSS_ENCODER, dtype=dtype, device=device, weight=weight, counts="logit")
        if not isinstance(found, Matcher):
            raise ConfigError(f"{model} takes no visual prompts: elip-b needs a BLIP-2 checkpoint")
        return found

    def opened(benchmark: str, path: Path, file: str | None) -> ImageTextDataset:
        if file is None and not is_judged(path):
            raise DatasetError(f"{path} holds no judged queries; make them with luneta build {benchmark}")
        listed = path / file if file and (path / file).is_file() else path
        split = "test" if listed.suffix == ".json" else None
        image = str(path) if listed != path else None
        return options.open_data(str(listed), max_bad_share, split=split, image=image, limit=limit, seed=seed)

    places = {"coco": (coco, "dataset_coco.json"), "flickr30k": (flickr, "dataset_flickr30k.json"),
              "occluded-coco": (occluded_coco, None), "imagenet-r": (imagenet_r, None)}  # fmt: skip
    data = {name: opened(name, path, file) for name, (path, file) in places.items() if path is not None}
    if data:
        checks.check_encoder(backbone)
        found = reproduce_elip(
            options.open_encoder(backbone, dtype, device), variant, data, weights=weights, matcher=matcher,
            cache=cache, max_bad_share=max_bad_share, seed=seed,
        )  # fmt: skip
    else:
        found = nothing_run(variant, backbone)
    Console().print(GridView(reproduction_grid(found, spoken)))
    if json is not None:
        write_json(json, found.to_dict())
