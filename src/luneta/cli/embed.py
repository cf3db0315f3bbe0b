"""luneta embed"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from luneta.cli import options, speech

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
    locale: options.Locale = "en",
) -> None:
    from rich.console import Console

    from luneta.cost import Prices
    from luneta.data.reasons import reason_in
    from luneta.embedding import embed_to_store
    from luneta.ledger import entered, ledger_is_wanted
    from luneta.store import check_folder
    from luneta.wording import written

    spoken = speech.speak(locale)
    check_folder(out)
    dataset = options.open_data(
        data, max_bad_share, image=image, text=text, split=split, language=language,
        limit=limit, seed=seed, revision=revision,
    )  # fmt: skip
    loaded = options.open_encoder(encoder, dtype, device)
    about = {"encoder": loaded.spec.name, "data": dataset.name, "out": str(out)}
    with entered("embed", about, device=loaded.spec.device, prices=Prices(), written=ledger_is_wanted()) as run:
        cost, skipped = embed_to_store(loaded, dataset, out, batch_size=batch_size, max_bad_share=max_bad_share)
        run.facts.update(n_images_computed=cost.n_images_computed, n_texts_computed=cost.n_texts_computed)
    console = Console()
    speech.say(
        console, spoken, "embedded", out=out, seconds=written(f"{cost.wall_s:,.1f}", spoken),
        images=written(f"{cost.n_images_computed:,}", spoken), texts=written(f"{cost.n_texts_computed:,}", spoken),
        old_images=written(f"{cost.n_images_reused:,}", spoken), old_texts=written(f"{cost.n_texts_reused:,}", spoken),
    )  # fmt: skip
    for row in skipped:
        speech.say(console, spoken, "skipped_row", source=row.source, reason=reason_in(row.reason, spoken))
