"""luneta evaluate"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luneta.cli import options

if TYPE_CHECKING:
    from luneta.evaluation import Duplicates
    from luneta.results import Evaluation

HELP = options.examples(
    "luneta evaluate cenas",
    "luneta evaluate my_photos/ --text caption --encoder siglip2-b16 --encoder clip-b32 --report report.html",
    "luneta evaluate owner/name --split test --limit 1000 --encoder siglip2-b16 --json result.json",
)("Measure how well encoders find the right image for a text and the right text for an image.")


def command(
    data: options.Data,
    encoder: options.Encoders = ["luneta-mini"],  # noqa: B006 - typer copies it
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
    duplicates: Annotated[
        str, typer.Option(help="merge: equal captions are relevant to each other's images; strict: they are not.")
    ] = "merge",
    cache: Annotated[bool, typer.Option(help="Reuse vectors of an earlier run of the same encoder.")] = True,
    json: Annotated[
        Path | None,
        typer.Option(help="Write the result here and all queries beside it; several encoders: one file each."),
    ] = None,
    report: options.Report = None,
    locale: options.Locale = "en",
) -> None:
    from rich.console import Console

    from luneta.advice import advice_list, advise
    from luneta.evaluation import evaluate
    from luneta.terminal import evaluation_table

    dataset = options.open_data(
        data, max_bad_share, image=image, text=text, split=split, language=language,
        limit=limit, seed=seed, revision=revision,
    )  # fmt: skip
    results = [
        evaluate(
            options.open_encoder(name, dtype, device),
            dataset,
            duplicates=_duplicates(duplicates),
            cache=cache,
            batch_size=batch_size,
            max_bad_share=max_bad_share,
        )
        for name in encoder
    ]
    suggestions = advise(results)
    console = Console()
    console.print(evaluation_table(results))
    console.print(advice_list(suggestions))
    if json:
        for path, result in zip(_result_paths(json, results), results, strict=True):
            queries = result.save(path)
            console.print(f"Wrote {path} and {queries}", highlight=False, soft_wrap=True)
    if report:
        from luneta.report.evaluation import write_report
        from luneta.report.messages import check_locale

        write_report(report, results, advice=suggestions, command=_command_line(), locale=check_locale(locale))
        console.print(f"Wrote {report}", highlight=False, soft_wrap=True)


def _command_line() -> str:
    """What was typed, for the report's reader to type again."""
    return shlex.join(["luneta", *sys.argv[1:]])


def _duplicates(value: str) -> Duplicates:
    from typing import get_args

    from luneta.errors import ConfigError, did_you_mean
    from luneta.evaluation import Duplicates

    known: tuple[Duplicates, ...] = get_args(Duplicates)
    for rule in known:
        if value == rule:
            return rule
    raise ConfigError(f"unknown duplicates rule {value!r}. {did_you_mean(value, known)}")


def _result_paths(path: Path, results: list[Evaluation]) -> list[Path]:
    """One path per result: PATH itself for one encoder, PATH with the encoder's name put in for several."""
    if len(results) == 1:
        return [path]
    names = [str(result.encoder["name"]).rstrip("/").split("/")[-1].replace(":", "-") for result in results]
    if len(set(names)) < len(names):
        names = [f"{number}-{name}" for number, name in enumerate(names, 1)]
    return [path.with_name(f"{path.stem}.{name}{path.suffix}") for name in names]
