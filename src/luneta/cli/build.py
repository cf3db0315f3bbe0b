"""luneta build occluded-coco | imagenet-r"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luneta.cli import options, speech
from luneta.wording import Locale, Messages, translator_of, written

if TYPE_CHECKING:
    from luneta.data.dataset import ImageTextDataset

HELP = (
    "Build a benchmark from the files of the data set it is made of. Pictures stay where they are; every command then "
    "opens the folder as DATA."
)

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", context_settings={"help_option_names": ["-h", "--help"]}
)

_BUILT: Messages = {
    "built": (
        "{folder}: {pictures} pictures, {queries} queries, {right} right answers, {passed} passed over",
        "{folder}: {pictures} imagens, {queries} consultas, {right} respostas certas, {passed} que não contam",
    ),
}

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the result.")]


@app.command(
    help=options.examples(
        "luneta build occluded-coco annotations/instances_val2014.json --karpathy dataset_coco.json --out occluded",
        "luneta build occluded-coco instances_val2014.json "
        "--judgements karpathy_test_cat_id_2_occ_img_negative_img.json --out occluded",
    )(
        "Occluded COCO: names of things, searched for in pictures in which such a thing is partly hidden. With the "
        "judgements of ELIP's authors it is their benchmark; without, what is hidden is guessed from COCO's masks."
    )
)
def occluded_coco(
    instances: Annotated[Path, typer.Argument(help="instances_val2014.json, or another of its kind.")],
    out: Out,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the pictures.", show_default="found around the file")
    ] = None,
    karpathy: Annotated[
        Path | None, typer.Option(help="dataset_coco.json, to take its test part only, as in ELIP.")
    ] = None,
    judgements: Annotated[
        Path | None, typer.Option(help="What ELIP's authors judged to be occluded, in the file that they publish.")
    ] = None,
    hidden: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Without judgements: the share that must be hidden.", show_default="0.1"),
    ] = None,
    locale: options.Locale = "en",
) -> None:
    from luneta.data.builders import HIDDEN, build_occluded_coco
    from luneta.errors import ConfigError

    spoken = speech.speak(locale)
    if judgements is not None and hidden is not None:
        raise ConfigError("--hidden says nothing with --judgements, which tell what is occluded: give one of them")
    share = HIDDEN if hidden is None else hidden
    _tell(
        build_occluded_coco(instances, out, images=images, karpathy=karpathy, judgements=judgements, hidden=share),
        spoken,
    )


@app.command(
    help=options.examples(
        "luneta build imagenet-r imagenet-r/ --out renditions",
    )("ImageNet-R as a search: names of classes, searched for in art, toys, tattoos and other renditions.")
)
def imagenet_r(
    folder: Annotated[Path, typer.Argument(help="imagenet-r as it is unpacked.")],
    out: Out,
    names: Annotated[
        Path | None, typer.Option(help="Names of the classes, by WordNet id.", show_default="its README.txt")
    ] = None,
    locale: options.Locale = "en",
) -> None:
    from luneta.data.builders import build_imagenet_r

    spoken = speech.speak(locale)
    _tell(build_imagenet_r(folder, out, names=names), spoken)


def _tell(folder: Path, locale: Locale) -> None:
    from rich.console import Console

    from luneta.data.sources import open_dataset

    data: ImageTextDataset = open_dataset(folder)
    counts = {
        "pictures": data.n_images, "queries": data.n_texts, "right": len(data.pairs),
        "passed": 0 if data.ignored is None else len(data.ignored),
    }  # fmt: skip
    said = {name: written(f"{n:,}", locale) for name, n in counts.items()}
    line = translator_of(locale, _BUILT)("built", folder=folder, **said)
    Console().print(line, highlight=False, markup=False, soft_wrap=True)
