"""luneta build occluded-coco | imagenet-r"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luneta.cli import options

if TYPE_CHECKING:
    from luneta.data.dataset import ImageTextDataset

HELP = (
    "Build a benchmark from the files of the data set it is made of. Pictures stay where they are; every command then "
    "opens the folder as DATA."
)

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", context_settings={"help_option_names": ["-h", "--help"]}
)

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
        Path | None, typer.Option(help="Folder of the pictures.", show_default="around the annotations")
    ] = None,
    karpathy: Annotated[
        Path | None, typer.Option(help="dataset_coco.json: take its test part only, as in ELIP.")
    ] = None,
    judgements: Annotated[Path | None, typer.Option(help="The authors' judgements of what is occluded.")] = None,
    hidden: Annotated[
        float, typer.Option(min=0, max=1, help="Without judgements: the share that must be hidden.")
    ] = 0.1,
) -> None:
    from luneta.data.builders import build_occluded_coco

    _tell(build_occluded_coco(instances, out, images=images, karpathy=karpathy, judgements=judgements, hidden=hidden))


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
) -> None:
    from luneta.data.builders import build_imagenet_r

    _tell(build_imagenet_r(folder, out, names=names))


def _tell(folder: Path) -> None:
    from rich.console import Console

    from luneta.data.sources import open_dataset

    data: ImageTextDataset = open_dataset(folder)
    ignored = 0 if data.ignored is None else len(data.ignored)
    Console().print(
        f"{folder}: {data.n_images:,} pictures, {data.n_texts:,} queries, {len(data.pairs):,} right answers, "
        f"{ignored:,} passed over",
        highlight=False,
    )
