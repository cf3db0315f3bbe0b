"""The models of a re-ranker: options that name them, and how they are opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from luneta.cli import checks, options
from luneta.cli.loading import load

if TYPE_CHECKING:
    from luneta.rerank import Reranker
    from luneta.types import CrossEncoder

Folder = Annotated[
    Path,
    typer.Argument(
        help="Folder of a re-ranker, as [i]train[/i] and [i]fit[/i] write it (OUT/reranker), or the name of a built-in "
        "encoder."
    ),
]
OwnEncoder = Annotated[
    str | None,
    typer.Option(
        "--encoder", "-e", help="The encoder it was made for, where it has moved or is an object of yours.",
        show_default="by its name", rich_help_panel=options.ENCODER_PANEL,
    ),
]  # fmt: skip
OwnModel = Annotated[
    str | None,
    typer.Option(
        "--model", help="The cross-encoder it scores with, where it has moved or is an object of yours.",
        show_default="by its name", rich_help_panel=options.ENCODER_PANEL,
    ),
]  # fmt: skip
Weight = Annotated[
    float | None,
    typer.Option(
        help="How much BLIP-2's matching counts beside its contrastive score: 1 on data like those it was trained on, "
        "0.05 on others.",
        show_default="1", rich_help_panel=options.ENCODER_PANEL,
    ),
]  # fmt: skip
Counts = Annotated[
    str | None,
    typer.Option(
        help="What counts of BLIP-2's matching: probability, or logit, which its authors add.",
        show_default="probability", rich_help_panel=options.ENCODER_PANEL,
    ),
]  # fmt: skip


def open_reranker(folder: Path, encoder: str | None, model: str | None, dtype: str, device: str) -> Reranker:
    """A re-ranker with its encoder, and with its cross-encoder where it has one."""
    load("luneta.rerank.reranker")
    from luneta.encoders.custom import names_code
    from luneta.errors import ConfigError
    from luneta.rerank.builtin import located
    from luneta.rerank.kinds import read_record
    from luneta.rerank.reranker import Reranker

    record = read_record(located(folder))
    name = encoder or str(record["encoder"]["name"])
    if encoder is None and names_code(name):  # what a file says must not decide which code runs
        raise ConfigError(f"{folder} was made for {name}, an object of your own: give it (--encoder {name})")
    checks.check_encoder(name)
    if dtype == "auto" and record["encoder"].get("dtype") == "float32" and not names_code(name):
        dtype = "float32"  # as it was chosen and measured; other formats not every machine computes in
    given = None
    if model is not None:
        given = open_cross_encoder(model, dtype, device, **record.get("cross_encoder", {}).get("options", {}))
    return Reranker.load(folder, options.open_encoder(name, dtype, device), cross_encoder=given)


def open_cross_encoder(name: str, dtype: str, device: str, **how: Any) -> CrossEncoder:
    """A checkpoint as the options say; an object of the user's decides itself where it computes and in what.

    Args:
        name: of a checkpoint, or `package.module:Object`.
        dtype, device: of a checkpoint.
        how: its `weight` and what it `counts`; None is not said.
    """
    from luneta.encoders.custom import names_code
    from luneta.encoders.registry import load_cross_encoder

    how = {option: value for option, value in how.items() if value is not None}
    if not names_code(name):
        how |= {"dtype": dtype, "device": device}
    return load_cross_encoder(name, **how)
