"""luneta push-dataset"""

from __future__ import annotations

from typing import Annotated

import typer

from luneta.cli import options, speech

HELP = options.examples(
    "luneta push-dataset my_photos/ --to owner/name",
    "luneta push-dataset captions.csv --image file --text title --language pt-BR --to owner/name",
)(
    "Upload pictures and captions to the hub as a data set: the pictures as they are stored, a list of captions for "
    "each, and the metadata columns."
)


def command(
    data: options.Data,
    to: Annotated[str, typer.Option(help="Repository: owner/name.")],
    image: options.Image = None,
    text: options.Text = None,
    split: options.Split = None,
    language: options.Language = None,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    max_bad_share: options.MaxBadShare = 0.01,
    private: Annotated[
        bool,
        typer.Option(
            "--private/--public", help="Who sees a new repository; one that is public already needs --public."
        ),
    ] = True,
    locale: options.Locale = "en",
) -> None:
    from luneta.pushing import push_dataset

    speech.speak(locale)
    found = options.open_data(
        data, max_bad_share, image=image, text=text, split=split, language=language, limit=limit, seed=seed
    )
    typer.echo(push_dataset(found, to, private=private))
