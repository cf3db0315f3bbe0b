"""luneta leakage"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from luneta.cli import checks, options, speech

if TYPE_CHECKING:
    from luneta.data.dataset import ImageTextDataset
    from luneta.leakage import Leakage
    from luneta.results import Evaluation
    from luneta.types import Encoder, Vectors
    from luneta.wording import Locale

HELP = options.examples(
    "luneta leakage cenas:train cenas:test",
    "luneta leakage my_photos/ my_photos/ --train-split train --test-split test --encoder siglip2-b16",
    "luneta leakage translated/train.csv original/test.csv --text legenda --test-text caption --report leak.html",
    "luneta leakage train/ test/ --encoder siglip2-b16 --vectors --least-cosine 0.95",
    "luneta leakage owner/train owner/test --train-revision v1 --test-revision v2 --limit 1000 --result result.json",
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
    language: options.Language = None,
    test_language: Annotated[
        str | None,
        typer.Option(
            help="Language of the test set.", rich_help_panel=options.DATA_PANEL, show_default="as --language"
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Random sample of this many images of the test set; all of the training set is searched.",
            rich_help_panel=options.DATA_PANEL,
        ),
    ] = None,
    seed: options.Seed = 0,
    train_revision: Annotated[
        str | None,
        typer.Option(help="Revision of a training set on the hub.", rich_help_panel=options.DATA_PANEL),
    ] = None,
    test_revision: Annotated[
        str | None, typer.Option(help="Revision of a test set on the hub.", rich_help_panel=options.DATA_PANEL)
    ] = None,
    same_item: Annotated[
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
    vectors: Annotated[
        bool,
        typer.Option(
            help="Look for pictures with near vectors of the encoder too; this embeds the training set.",
            rich_help_panel=options.ENCODER_PANEL,
        ),
    ] = False,
    least_cosine: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Cosine from which on vectors are near.", rich_help_panel=options.ENCODER_PANEL
        ),
    ] = 0.97,
    dtype: options.DType = "auto",
    device: options.Device = "auto",
    batch_size: options.BatchSize = None,
    result: Annotated[
        Path | None,
        typer.Option(help="Result of [i]luneta evaluate --json[/i] on the test set, instead of --encoder."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write what was found here.")] = None,
    report: options.Report = None,
    locale: options.Locale = "en",
) -> None:
    task = _Task(
        encoder=encoder, result=result, use_vectors=vectors,
        open_encoder=lambda name: options.open_encoder(name, dtype, device),
        settings={"batch_size": batch_size, "max_bad_share": max_bad_share},
        links={"near": near, "item_column": same_item, "captions": captions, "least_cosine": least_cosine},
        json=json, report=report, locale=speech.speak(locale),
    )  # fmt: skip
    task.check()
    trained = options.open_data(
        train, max_bad_share, image=image, text=text, split=train_split, language=language, revision=train_revision
    )
    tested = options.open_data(
        test, max_bad_share, image=image, text=test_text or text, split=test_split, language=test_language or language,
        limit=limit, seed=seed, revision=test_revision,
    )  # fmt: skip
    task.show(task.find(trained, tested))


@dataclass
class _Task:
    """What was asked for, and where it goes.

    Attributes:
        encoder, result: what the score is of; at most one.
        use_vectors: whether pictures with near vectors of the encoder are the same.
        settings: arguments of `evaluate` and of embedding.
        links: arguments of `find_groups`.
    """

    encoder: str | None
    result: Path | None
    use_vectors: bool
    open_encoder: Callable[[str], Encoder]
    settings: dict[str, Any]
    links: dict[str, Any]
    json: Path | None
    report: Path | None
    locale: Locale

    def check(self) -> None:
        """Refuse what would fail late."""
        from luneta.artifacts import check_writable
        from luneta.errors import ConfigError

        if self.encoder and self.result:
            raise ConfigError("give --encoder or --result, not both")
        if self.use_vectors and not self.encoder:
            raise ConfigError("--vectors compares pictures by the vectors of an encoder; name one with --encoder")
        if self.encoder:
            checks.check_encoder(self.encoder)
        for path in (self.json, self.report):
            if path:
                check_writable(path)

    def find(self, trained: ImageTextDataset, tested: ImageTextDataset) -> Leakage:
        from luneta.data.group_links import item_ids
        from luneta.data.groups import find_groups
        from luneta.leakage import find_leakage

        if column := self.links["item_column"]:
            for data in (trained, tested):
                item_ids(data, column)  # which fails if there is none, before the encoder begins
        evaluation, vectors = self._measured(trained, tested)
        groups = find_groups((trained, tested), image_vectors=vectors, **self.links)
        return find_leakage(trained, tested, groups=groups, evaluation=evaluation)

    def _measured(
        self, trained: ImageTextDataset, tested: ImageTextDataset
    ) -> tuple[Evaluation | None, list[Vectors] | None]:
        """The score on the test set, and the vectors of both sets' images, as far as they were asked for."""
        from luneta.evaluation import embed_cached, measure
        from luneta.results import load_evaluation

        if not self.encoder:
            return (load_evaluation(self.result) if self.result else None), None
        encoder = self.open_encoder(self.encoder)
        evaluation, embeddings = measure(encoder, tested, **self.settings)
        if not self.use_vectors:
            return evaluation, None
        return evaluation, [embed_cached(encoder, trained, **self.settings).all_images, embeddings.all_images]

    def show(self, found: Leakage) -> None:
        from rich.console import Console

        from luneta.artifacts import write_json
        from luneta.leakage.terminal import leakage_view
        from luneta.report.leakage import write_leakage

        console = Console()
        console.print(leakage_view(found, self.locale))
        if self.json:
            write_json(self.json, found.to_dict())
            speech.say(console, self.locale, "wrote", what=self.json)
        if self.report:
            write_leakage(self.report, found, locale=self.locale)
            speech.say(console, self.locale, "wrote", what=self.report)
