"""luneta rerank: one thin module per verb."""

from __future__ import annotations

import typer

from luneta.cli.rerank import apply, evaluate, fit, train

HELP = (
    "Look at an encoder's first answers again, each picture in the light of the text (ELIP) or together with it "
    "(cross-encoders such as BLIP-2), and put them into a better order where that is proved to help."
)

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", context_settings={"help_option_names": ["-h", "--help"]}
)
for verb in (train, fit, evaluate, apply):
    app.command(name=verb.__name__.rpartition(".")[2], help=verb.HELP)(verb.command)
