"""luneta push"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from luneta.cli import options, speech

HELP = options.examples(
    "luneta push tuned/model --to owner/name",
    "luneta push tuned/model --to owner/name --public",
)(
    "Upload a checkpoint to the hub: weights, configuration, tokenizer, processor, card and licence. Only this command "
    "and push-dataset ever upload anything."
)


def command(
    folder: Annotated[Path, typer.Argument(help="Checkpoint, such as model/ of a fine-tuning.")],
    to: Annotated[str, typer.Option(help="Repository: owner/name.")],
    private: Annotated[
        bool,
        typer.Option(
            "--private/--public", help="Who sees a new repository; one that is public already needs --public."
        ),
    ] = True,
    locale: options.Locale = "en",
) -> None:
    from luneta.pushing import push_checkpoint

    speech.speak(locale)
    typer.echo(push_checkpoint(folder, to, private=private))
