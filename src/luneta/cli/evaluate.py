"""luneta evaluate"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luneta.cli import checks, options

if TYPE_CHECKING:
    from luneta.evaluation import Duplicates

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
    from luneta.report.evaluation import write_report
    from luneta.report.messages import check_locale
    from luneta.terminal import evaluation_table

    language_of_page, rule = check_locale(locale), _duplicates(duplicates)
    for name in encoder:
        checks.check_encoder(name)
    paths = checks.result_paths(json, encoder) if json else []
    checks.check_outputs(paths, report)

    console = Console()
    dataset = options.open_data(
        data, max_bad_share, image=image, text=text, split=split, language=language,
        limit=limit, seed=seed, revision=revision,
    )  # fmt: skip
    results = []
    for number, name in enumerate(encoder):
        loaded = options.open_encoder(name, dtype, device)
        result = evaluate(
            loaded, dataset, duplicates=rule, cache=cache, batch_size=batch_size, max_bad_share=max_bad_share
        )
        if paths:  # at once: what comes next may fail
            queries = result.save(paths[number])
            console.print(f"Wrote {paths[number]} and {queries}", highlight=False, markup=False, soft_wrap=True)
        results.append(result)
    console.print(evaluation_table(results, language_of_page))
    suggestions = advise(results)
    console.print(advice_list(suggestions, language_of_page))
    if report:
        write_report(report, results, advice=suggestions, command=_command_line(), locale=language_of_page)
        console.print(f"Wrote {report}", highlight=False, markup=False, soft_wrap=True)


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
