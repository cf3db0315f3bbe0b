"""luneta evaluate"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from luneta.cli import checks, options, speech

if TYPE_CHECKING:
    from rich.console import Console

    from luneta.data.dataset import ImageTextDataset
    from luneta.data.relevance import Things
    from luneta.ledger import Run
    from luneta.positives import Duplicates
    from luneta.report.messages import Locale
    from luneta.results import Evaluation
    from luneta.types import Encoder

HELP = options.examples(
    "luneta evaluate cenas",
    "luneta evaluate my_photos/ --text caption --encoder siglip2-b16 --encoder clip-b32 --report report.html",
    "luneta evaluate owner/name --split test --limit 1000 --encoder siglip2-b16 --json result.json",
    "luneta evaluate my_photos/ --language en,pt-BR,de --encoder siglip2-b16",
    "luneta evaluate my_photos/ --encoder siglip2-b16 --trec runs/ --mteb mteb/",
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
        str,
        typer.Option(
            help="merge: equal captions are relevant to each other's images, and equal pictures to each other's "
            "captions; near: near-identical pictures too; strict: only the given pairs."
        ),
    ] = "merge",
    same_item: Annotated[
        str | None, typer.Option(help="Column whose equal values mean the same thing, such as a product's number.")
    ] = None,
    cache: options.Cache = True,
    json: Annotated[
        Path | None,
        typer.Option(
            help="Write the result here and all queries beside it; several encoders: one file each; several languages: "
            "their gaps here, and one result each beside them."
        ),
    ] = None,
    trec: Annotated[
        Path | None,
        typer.Option(
            help="Write TREC runs (the first 100 of every query) and qrels here; several encoders: a folder each."
        ),
    ] = None,
    mteb: Annotated[
        Path | None, typer.Option(help="Write MTEB's JSON of both directions here; several encoders: a folder each.")
    ] = None,
    report: options.Report = None,
    locale: options.Locale = "en",
) -> None:
    from rich.console import Console

    from luneta.errors import ConfigError

    languages = list(dict.fromkeys(part.strip() for part in (language or "").split(",") if part.strip()))
    for name in encoder:
        checks.check_encoder(name)
    if trec and len(languages) > 1:
        raise ConfigError("--trec writes the run of one language; give --language one at a time")
    results = checks.result_paths(json, encoder, languages) if json else []
    gaps = checks.result_paths(json, encoder) if json and len(languages) > 1 else []
    task = _Task(
        open_encoder=lambda name: options.open_encoder(name, dtype, device),
        duplicates=_duplicates(duplicates, same_item),
        same_item=same_item,
        settings={"cache": cache, "batch_size": batch_size, "max_bad_share": max_bad_share},
        paths=iter(results),
        gaps=iter(gaps),
        trec=iter(checks.result_folders(trec, encoder) if trec else []),
        mteb=iter(checks.result_folders(mteb, encoder, languages) if mteb else []),
        report=report,
        locale=speech.speak(locale),
        console=Console(),
    )  # fmt: skip
    checks.check_outputs(results, report, gaps)
    wanted: list[str | None] = [*languages] or [None]
    datasets = {
        spoken: options.open_data(data, max_bad_share, image=image, text=text, split=split, language=spoken,
                                  limit=limit, seed=seed, revision=revision)
        for spoken in wanted
    }  # fmt: skip
    if len(languages) > 1:
        task.compare_languages(encoder, {str(spoken): found for spoken, found in datasets.items()})
    else:
        task.evaluate(encoder, next(iter(datasets.values())))


@dataclass
class _Task:
    """What was asked for, and where its results go.

    Attributes:
        duplicates, same_item: what counts as equal.
        settings: the other arguments of `evaluate`.
        paths: one path for each result, in order; nothing is written where there is none.
        gaps: the same for the gaps between languages of each encoder.
        trec, mteb: one folder for each result, in order.
    """

    open_encoder: Callable[[str], Encoder]
    duplicates: Duplicates
    same_item: str | None
    settings: dict[str, Any]
    paths: Iterator[Path]
    gaps: Iterator[Path]
    trec: Iterator[Path]
    mteb: Iterator[Path]
    report: Path | None
    locale: Locale
    console: Console

    def evaluate(self, encoders: Sequence[str], dataset: ImageTextDataset) -> None:
        from luneta.advice import advice_list, advise
        from luneta.evaluation import measure
        from luneta.exports import export_trec
        from luneta.ledger import cached_images, quality
        from luneta.report.evaluation import write_report
        from luneta.terminal import evaluation_table

        results, rule = [], self._rule(dataset)
        for name in encoders:
            opened = self.open_encoder(name)
            with self._entered(opened, dataset.name) as run:
                result, embeddings = measure(opened, dataset, duplicates=rule, **self.settings)
                run.facts.update(quality(result), n_images_reused=cached_images(embeddings))
            results.append(result)
            self._save(result)  # at once: what comes next may fail
            if folder := next(self.trec, None):
                self._wrote(*export_trec(embeddings, folder, duplicates=rule))
        self.console.print(evaluation_table(results, self.locale))
        suggestions = advise(results)
        self.console.print(advice_list(suggestions, self.locale))
        self._write_report(write_report, results, advice=suggestions)

    def compare_languages(self, encoders: Sequence[str], datasets: Mapping[str, ImageTextDataset]) -> None:
        from luneta.artifacts import write_json
        from luneta.languages import language_gap
        from luneta.report.languages import write_languages
        from luneta.terminal import languages_table

        gaps = []
        rules = {language: self._rule(data) for language, data in datasets.items()}
        for name in encoders:
            opened = self.open_encoder(name)
            with self._entered(opened, ", ".join(data.name for data in datasets.values())):
                gaps.append(language_gap(opened, datasets, duplicates=rules, **self.settings))
            for result in gaps[-1].evaluations.values():
                self._save(result)
            if path := next(self.gaps, None):
                write_json(path, gaps[-1].to_dict())
                self._wrote(path)
            self.console.print(languages_table(gaps[-1], locale=self.locale))
        self._write_report(write_languages, gaps)

    def _entered(self, encoder: Encoder, data: str) -> AbstractContextManager[Run]:
        """The run in the ledger, where somebody keeps one."""
        from luneta.cost import Prices
        from luneta.ledger import entered, ledger_is_wanted

        about = {"encoder": encoder.spec.name, "data": data}
        return entered("evaluate", about, device=encoder.spec.device, prices=Prices(), written=ledger_is_wanted())

    def _rule(self, dataset: ImageTextDataset) -> Duplicates | Things:
        """What counts as equal; what is near is looked for once, not for every encoder."""
        from luneta.data.groups import same_things

        if self.duplicates != "near" and self.same_item is None:
            return self.duplicates
        return same_things(dataset, near=self.duplicates == "near", item_column=self.same_item)

    def _save(self, result: Evaluation) -> None:
        from luneta.exports import export_mteb

        if path := next(self.paths, None):
            speech.say(self.console, self.locale, "wrote_both", result=path, queries=result.save(path))
        if folder := next(self.mteb, None):
            self._wrote(*export_mteb(result, folder))

    def _wrote(self, *files: Path) -> None:
        for file in files:
            speech.say(self.console, self.locale, "wrote", what=file)

    def _write_report(self, write: Callable[..., Path], found: Sequence[Any], **parts: Any) -> None:
        if self.report:
            write(self.report, found, command=_command_line(), locale=self.locale, **parts)
            self._wrote(self.report)


def _command_line() -> str:
    """What was typed, for the report's reader to type again."""
    return shlex.join(["luneta", *sys.argv[1:]])


def _duplicates(value: str, same_item: str | None) -> Duplicates:
    from luneta.errors import ConfigError
    from luneta.positives import check_duplicates

    rule = check_duplicates(value)
    if rule == "strict" and same_item is not None:
        raise ConfigError(
            "--duplicates strict counts only the given pairs: leave out --same-item, or choose merge or near"
        )
    return rule
