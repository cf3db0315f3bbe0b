"""luneta embed"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from luneta.cli import options

HELP = options.examples(
    "luneta embed my_photos/ --encoder siglip2-b16 --out my_photos.store",
    "luneta embed 'shards/shard-{000..099}.tar' --encoder clip-b32 --out shards.store",
)(
    "Turn a data set's images and texts into vectors, on disk. Run it again to go on after an interruption, or when "
    "the data set has grown: only what is missing is computed."
)


def command(
    data: options.Data,
    out: Annotated[Path, typer.Option(help="Folder of the embedding store.")],
    encoder: options.OneEncoder = "luneta-mini",
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
    batch_size: options.BatchSize = None,
) -> None:
    from rich.console import Console

    from luneta.embedding import embed_to_store

    dataset = options.open_data(
        data, max_bad_share, image=image, text=text, split=split, language=language,
        limit=limit, seed=seed, revision=revision,
    )  # fmt: skip
    loaded = options.open_encoder(encoder, dtype, device)
    cost, skipped = embed_to_store(loaded, dataset, out, batch_size=batch_size, max_bad_share=max_bad_share)
    console = Console()
    console.print(
        f"{out}: {cost.n_images_computed:,} images and {cost.n_texts_computed:,} texts embedded, "
        f"{cost.n_images_reused:,} and {cost.n_texts_reused:,} were there already or occur twice, "
        f"in {cost.wall_s:,.1f} s",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    for row in skipped:
        console.print(f"skipped {row.source}: {row.reason}", highlight=False, markup=False, soft_wrap=True)
