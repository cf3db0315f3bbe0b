"""luneta compare"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luneta.cli import checks, options, speech

if TYPE_CHECKING:
    from luneta.comparison import Comparison
    from luneta.data.dataset import ImageTextDataset

HELP = options.examples(
    "luneta compare zero-shot.json fine-tuned.json",
    "luneta compare results/*.json --metric ndcg@10",
    "luneta compare a.json b.json --report compared.html --data my_photos/ --text caption",
    "luneta compare a.json b.json --format latex > table.tex",
    "luneta compare a.json b.json --json > comparison.json",
)(
    "Compare results query by query: which encoder is better, by how much, and how surely. Results that were not "
    "measured on the same task are refused (exit status 2), with what differs."
)


def command(
    results: Annotated[list[Path], typer.Argument(help="Files of luneta evaluate --json; the first is the baseline.")],
    metric: Annotated[str, typer.Option(help="Metric of the tables of differences.")] = "recall@1",
    seed: Annotated[int, typer.Option(help="Seed of bootstrap and randomisation.")] = 0,
    form: options.Format = None,
    report: options.Report = None,
    data: Annotated[
        str | None,
        typer.Option(help="The data set that was evaluated, for the report's pictures.", rich_help_panel="Report"),
    ] = None,
    image: Annotated[str | None, typer.Option(help="Its image column.", rich_help_panel="Report")] = None,
    text: Annotated[str | None, typer.Option(help="Its text column.", rich_help_panel="Report")] = None,
    split: Annotated[str | None, typer.Option(help="Its split.", rich_help_panel="Report")] = None,
    language: Annotated[str | None, typer.Option(help="Its language.", rich_help_panel="Report")] = None,
    locale: options.Locale = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead.")] = False,
) -> None:
    from rich.console import Console

    from luneta.comparison import check_metric, check_protocols, compare
    from luneta.errors import ConfigError
    from luneta.report.comparison import write_comparison
    from luneta.results import load_evaluation
    from luneta.terminal import comparison_table, slices_table

    if len(results) == 1:
        raise ConfigError(
            f"{results[0]} is one result, and comparing takes two or more: name another, which luneta evaluate --json "
            f"writes; luneta leaderboard {results[0].parent} shows all of a folder"
        )
    check_metric(metric)
    checks.check_outputs([], report)
    spoken = speech.speak(locale)
    evaluations = [load_evaluation(path) for path in results]
    check_protocols(evaluations, results)
    found = compare(evaluations, seed=seed)
    if report:
        pictures = None
        if data:
            pictures = _same_data(
                options.open_data(data, 0.01, image=image, text=text, split=split, language=language), found
            )
        write_comparison(report, found, data=pictures, locale=spoken)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), ensure_ascii=False, indent=1))
        return
    if form:
        typer.echo(found.grid(metric, spoken).write(form), nl=False)
        return
    console = Console()
    if report:
        speech.say(console, spoken, "wrote", what=report)
    console.print(comparison_table(found, metric, spoken))
    if found.slices or found.too_small:
        console.print(slices_table(found, spoken))


def _same_data(data: ImageTextDataset, found: Comparison) -> ImageTextDataset:
    """The data set, if it is the one that was evaluated."""
    from luneta.errors import ProtocolMismatchError

    expected = found.evaluations[0].protocol["dataset_fingerprint"]
    if data.fingerprint != expected:
        raise ProtocolMismatchError(
            f"{data.name} is not the data set of these results: {data.n_images:,} images and {data.n_texts:,} texts of "
            f"other content than the {found.evaluations[0].protocol['n_images']:,} and "
            f"{found.evaluations[0].protocol['n_texts']:,} evaluated. Give the same --text, --split and --language"
        )
    return data
