"""luneta leakage"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luneta.cli import checks, options, speech

if TYPE_CHECKING:
    from luneta.data.dataset import ImageTextDataset
    from luneta.results import Evaluation

HELP = options.examples(
    "luneta leakage cenas:train cenas:test",
    "luneta leakage my_photos/ my_photos/ --train-split train --test-split test --encoder siglip2-b16",
    "luneta leakage translated/train.csv original/test.csv --text legenda --test-text caption --report leak.html",
)(
    "Find what of a test set the training set has seen: the same or nearly the same pictures, equal captions; with an "
    "encoder or its result also how much its recall owes to that. Exit status 0, whatever is found."
)


def command(
    train: Annotated[str, typer.Argument(help="Data set that is trained on, as for [i]luneta profile[/i].")],
    test: Annotated[str, typer.Argument(help="Data set that is tested on.")],
    image: options.Image = None,
    text: options.Text = None,
    test_text: Annotated[
        str | None,
        typer.Option(help="Text column of the test set.", rich_help_panel=options.DATA_PANEL, show_default="as --text"),
    ] = None,
    train_split: Annotated[
        str | None, typer.Option(help="Split of the training set.", rich_help_panel=options.DATA_PANEL)
    ] = None,
    test_split: Annotated[
        str | None, typer.Option(help="Split of the test set.", rich_help_panel=options.DATA_PANEL)
    ] = None,
    item: Annotated[
        str | None,
        typer.Option(help="Column whose equal values mean the same thing.", rich_help_panel=options.DATA_PANEL),
    ] = None,
    captions: Annotated[bool, typer.Option(help="Look for equal captions too.")] = True,
    near: Annotated[bool, typer.Option(help="Look for near-identical pictures too; this decodes them all.")] = True,
    max_bad_share: options.MaxBadShare = 0.01,
    encoder: Annotated[
        str | None,
        typer.Option("--encoder", "-e", help="Evaluate it on the test set.", rich_help_panel=options.ENCODER_PANEL),
    ] = None,
    result: Annotated[
        Path | None,
        typer.Option(help="Result of [i]luneta evaluate --json[/i] on the test set, instead of --encoder."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write what was found here.")] = None,
    report: options.Report = None,
    locale: options.Locale = "en",
) -> None:
    from rich.console import Console

    from luneta.artifacts import check_writable, write_json
    from luneta.data.groups import find_groups
    from luneta.errors import ConfigError
    from luneta.leakage import find_leakage
    from luneta.report.leakage import write_leakage

    language_of_page = speech.speak(locale)
    if encoder and result:
        raise ConfigError("give --encoder or --result, not both")
    if encoder:
        checks.check_encoder(encoder)
    for path in (json, report):
        if path:
            check_writable(path)
    trained = options.open_data(train, max_bad_share, image=image, text=text, split=train_split)
    tested = options.open_data(test, max_bad_share, image=image, text=test_text or text, split=test_split)
    evaluation = _evaluation(encoder, result, tested, max_bad_share)
    groups = find_groups((trained, tested), near=near, item_column=item, captions=captions)
    found = find_leakage(trained, tested, groups=groups, evaluation=evaluation)
    console = Console()
    console.print(found)
    if json:
        write_json(json, found.to_dict())
        speech.say(console, language_of_page, "wrote", what=json)
    if report:
        write_leakage(report, found, locale=language_of_page)
        speech.say(console, language_of_page, "wrote", what=report)


def _evaluation(
    encoder: str | None, result: Path | None, tested: ImageTextDataset, max_bad_share: float
) -> Evaluation | None:
    if result:
        from luneta.results import load_evaluation

        return load_evaluation(result)
    if not encoder:
        return None
    from luneta.evaluation import evaluate

    return evaluate(options.open_encoder(encoder, "auto", "auto"), tested, max_bad_share=max_bad_share)
