"""The command line: one thin module per verb."""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from luneta import __version__
from luneta.artifacts import n_finished
from luneta.cli import (
    audit,
    build,
    compare,
    costs,
    demo,
    doctor,
    embed,
    encoders,
    evaluate,
    finetune,
    index,
    leaderboard,
    leakage,
    profile,
    push,
    push_dataset,
    reproduce,
    rerank,
    search,
    serve,
    speech,
    spelling,
    verify,
)
from luneta.error_messages import framed
from luneta.errors import LunetaError
from luneta.progress import watch

_Misuse: Any = typer.BadParameter.__base__  # of an option or argument; typer gives it no public name


class _Group(TyperGroup):
    """The verbs; what stops one ends with a message in its language and an exit status of ours."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        spelling.learn(self)
        ctx.obj = speech.asked_for(args)  # before the verb is known: what is wrong with its options is said in it too
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        before = n_finished()
        try:
            return super().invoke(ctx)
        except LunetaError as error:
            typer.secho(spelling.spelt(framed(error, ctx.obj)), fg="red", err=True)
            raise typer.Exit(2) from error
        except _Misuse as misuse:
            if said := speech.out_of_range(misuse, ctx.obj):
                misuse = _Misuse(said, ctx=misuse.ctx)
            if ctx.obj == "en":
                raise misuse
            typer.secho(speech.misused(misuse, ctx.obj), fg="red", err=True)
            raise typer.Exit(2) from misuse
        except KeyboardInterrupt as stop:
            typer.secho(speech.stopped(ctx.obj, finished=n_finished() > before), err=True)
            raise typer.Exit(130) from stop


app = typer.Typer(
    name="luneta",
    cls=_Group,
    help="Image-text retrieval you can trust: measure and compare CLIP, SigLIP and their kin on your own data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (
    demo,
    profile,
    encoders,
    doctor,
    embed,
    evaluate,
    compare,
    leaderboard,
    leakage,
    audit,
    finetune,
    index,
    search,
    serve,
    verify,
    costs,
    push,
    push_dataset,
):
    app.command(name=verb.__name__.rpartition(".")[2].replace("_", "-"), help=verb.HELP)(verb.command)

app.add_typer(rerank.app, name="rerank", help=rerank.HELP)
app.add_typer(build.app, name="build", help=build.HELP)
app.add_typer(reproduce.app, name="reproduce", help=reproduce.HELP)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"luneta {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Show the version."),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="Say nothing but results and errors."),
) -> None:
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    # Of a launcher's processes the first speaks.
    echo = "LOCAL_RANK" in os.environ and os.environ.get("RANK", "0") != "0"
    logging.getLogger("luneta").setLevel(logging.ERROR if echo else logging.WARNING if quiet else logging.INFO)
    context.with_resource(speech.spoken(context.obj))
    if quiet or echo:
        context.with_resource(watch(lambda stage, done, total: None))


def main() -> None:
    """Run the command line; a mistake of the user's ends with one clear message and exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name that is no text, a terminal without arrows
            stream.reconfigure(errors="replace")
    app()
