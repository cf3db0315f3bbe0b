"""luneta rerank evaluate"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from luneta.cli import checks, options, speech
from luneta.cli.rerank import models

HELP = options.examples(
    "luneta rerank evaluate elip/reranker cenas --split test",
    "luneta rerank evaluate elip/reranker my_photos/ --text caption --json reranked.json --report reranked.html",
    "luneta rerank evaluate elip/reranker renditions/ --k 100 --k 500 --k 1000",
)("Measure an encoder alone and re-ranked, on the same texts, with paired intervals.")


def command(
    folder: models.Folder,
    data: options.Data,
    encoder: models.OwnEncoder = None,
    model: models.OwnModel = None,
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
    k: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            help="Candidates that are looked at again; may be given several times, and each is looked at once.",
            show_default="as it was chosen",
        ),
    ] = None,
    early_exit: Annotated[
        bool,
        typer.Option(
            "--early-exit/--no-early-exit",
            help="At the k it was chosen for, leave out candidates that are far below the first; or look at all k.",
        ),
    ] = True,
    cache: options.Cache = True,
    json: Annotated[
        Path | None,
        typer.Option(
            help="Write the re-ranked result here, and the encoder's beside it as NAME.before.json; of several k, "
            "one file each, as NAME.k100.json."
        ),
    ] = None,
    report: options.Report = None,
    locale: options.Locale = "en",
) -> None:
    from dataclasses import replace

    from rich.console import Console

    from luneta.evaluation import measure
    from luneta.layouts import GridView
    from luneta.rerank.messages import RERANK
    from luneta.results import check_savable
    from luneta.wording import translator_of, written

    spoken, console = speech.speak(locale), Console()
    if json is not None:
        check_savable(json)  # before anything is loaded
    dataset = options.open_data(
        data, max_bad_share, image=image, text=text, split=split, language=language, limit=limit, seed=seed,
        revision=revision,
    )  # fmt: skip
    reranker = models.open_reranker(folder, encoder, model, dtype, device)
    if not early_exit:
        reranker = replace(reranker, fusion=replace(reranker.fusion, within=None))
    from luneta.report.reranking import write_reranked
    from luneta.rerank.evaluation import rerank_depths

    ks = sorted(set(k or [reranker.fusion.k]))
    results = _results(json, ks)
    checks.check_outputs(results, report)
    before, embeddings = measure(reranker.encoder, dataset, cache=cache, max_bad_share=max_bad_share)
    found = rerank_depths(reranker, embeddings, before, ks, cache=cache)
    console.print(GridView((found if len(ks) > 1 else found.at(ks[0])).grid(spoken)))
    pace = written(f"{found.cost['ms_per_text']:.1f}", spoken)
    t, kept = translator_of(spoken, RERANK), found.cost["kept"]
    if reranker.fusion.changes:
        message = t("rerank_pace_kept" if kept else "rerank_pace", ms=pace, kept=f"{100 * kept:.0f} %")
        console.print(message, highlight=False)
    for path, result in zip(results, [before, *found.after.values()], strict=False):
        result.save(path)
    if report:
        write_reranked(report, reranker, embeddings, found, locale=spoken)
        speech.say(console, spoken, "wrote", what=report)


def _results(json: Path | None, ks: list[int]) -> list[Path]:
    """Where the encoder's result goes and that of every depth; none where nobody asked for them.

    >>> [path.name for path in _results(Path("r.json"), [10])]
    ['r.before.json', 'r.json']
    >>> [path.name for path in _results(Path("r.json"), [10, 20])]
    ['r.before.json', 'r.k10.json', 'r.k20.json']
    """
    if json is None:
        return []
    parts = [".before", *(f".k{k}" if len(ks) > 1 else "" for k in ks)]
    return [json.with_name(f"{json.stem}{part}{json.suffix}") for part in parts]
