"""luneta demo: the whole job on built-in data, with pictures.

Two small encoders that learned English captions of flat drawings meet Cenas: as they learned it, in Portuguese, and in
other drawing styles; then one of them learns Portuguese, learns sketches in four ways, and looks at them again in the
light of the text. What comes out is the story of the real world in miniature, measured anew at every run.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from luneta.advice import advice_list, advise
from luneta.artifacts import write_json
from luneta.data.sources import open_dataset
from luneta.demo.indexing import index_pictures
from luneta.demo.learning import FOLDER, learn
from luneta.demo.page import page_of, report_of, trust_lines
from luneta.demo.records import Demo, records
from luneta.demo.reranking import rerank_sketches
from luneta.demo.rounds import ENCODERS, ROUNDS, RULES, measured_rounds
from luneta.demo.searching import find_examples
from luneta.demo.styles import Styles, learn_sketches, look, sketches
from luneta.demo.trust import find_trust
from luneta.demo.verdict import leader, outcomes, outcomes_grid, verdict
from luneta.encoders.registry import load_encoder
from luneta.finetuning.tables import finetuning_view
from luneta.layouts import GridView
from luneta.profiling import profile
from luneta.profiling.terminal import profile_view
from luneta.report.comparison import write_comparison
from luneta.report.doctor import write_doctor
from luneta.report.document import Page
from luneta.report.finetuning import finetuning_lead, write_finetuning
from luneta.report.leakage import write_leakage
from luneta.report.messages import Locale, translator
from luneta.search.messages import SEARCH
from luneta.search.tables import cutoffs_grid, hits_grid, nothing
from luneta.terminal import evaluation_table
from luneta.wording import translator_of

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["run_demo"]


def run_demo(out: str | os.PathLike[str], *, console: Console, locale: Locale = "en", limit: int | None = None) -> Path:
    """Profile, measure, doubt, advise, teach, re-rank, index, search, and write it all down.

    Args:
        out: folder for report.html and the pages it leads to, summary.json, results/*.json, demo-tuned/ with the
            checkpoint that has learnt Portuguese, demo-sketches/METHOD/ with those that have learnt sketches, and
            demo-search.luneta to search and serve.
        console: where the tables go as they are made.
        locale: language of the pages, the tables and the advice.
        limit: pictures per data set, for a quick look in which little is learnt; None takes all 2000.

    Returns:
        Path of the report.

    Raises:
        ArtifactError: `out` cannot be written.
    """
    out, t = Path(out), translator(locale)
    start = time.perf_counter()
    found = profile(open_dataset(ROUNDS[0].source, language=ROUNDS[0].language, limit=limit))
    profile_s = time.perf_counter() - start
    console.print(profile_view(found, locale))

    encoders = [load_encoder(name) for name in ENCODERS]
    measured = []
    for result in measured_rounds(encoders, limit):
        console.print(f"\n[bold]{t(result.round.name)}[/bold]")
        console.print(evaluation_table(result.evaluations, locale))
        for evaluation in result.evaluations:
            evaluation.save(
                out / "results" / f"{result.round.language}-{result.round.style}-{evaluation.encoder['name']}.json"
            )
        measured.append(result)

    trust = find_trust(encoders, measured[0], limit)
    write_doctor(out / "doctor.html", trust.diagnoses, locale=locale)
    write_leakage(out / "leakage.html", trust.at_random, locale=locale)
    write_comparison(out / "comparison.html", trust.comparison, locale=locale)
    console.print(f"\n[bold]{t('demo_trust')}[/bold]")
    for title, _, text in trust_lines(trust, locale):
        console.print(f"{title} {text}", markup=False, highlight=False)
    for result in measured[:2]:
        console.print(f"\n[bold]{t(result.round.name)}[/bold]")
        console.print(advice_list(advise(result.evaluations, rules=RULES), locale))

    console.print(f"\n[bold]{t('demo_learning')}[/bold]")
    learnt = learn(out, limit)
    write_finetuning(out / "finetuning.html", learnt, locale=locale)
    console.print(finetuning_view(learnt, locale))

    console.print(f"\n[bold]{t('demo_styles')}[/bold]")
    styles = _learn_sketches(out, console, locale, limit)

    console.print(f"\n[bold]{t('demo_reranking')}[/bold]")
    reranked = rerank_sketches(limit)
    console.print(GridView(reranked.grid(locale)))

    console.print(f"\n[bold]{t('demo_index')}[/bold]")
    indexed = index_pictures(out, out / FOLDER / "model", limit)
    console.print(GridView(cutoffs_grid(indexed.calibration, locale)))
    for hits in indexed.answers:
        if hits.relevant is False:
            console.print(nothing(translator_of(locale, SEARCH), hits, locale), highlight=False)
        console.print(GridView(hits_grid(hits, locale)))

    searches = find_examples(measured[0], measured[1])
    demo = Demo(measured, found, profile_s, trust, learnt, styles, reranked, searches, indexed)
    write_json(out / "summary.json", list(records(demo)))
    return report_of(demo, locale).write(out / "report.html")


def _learn_sketches(out: Path, console: Console, locale: Locale, limit: int | None) -> Styles:
    """By every method, each told of when it has ended, and then side by side."""
    lesson = sketches(limit)
    before_s = look(lesson)
    learnt = []
    for found in learn_sketches(lesson, out, limit):
        write_finetuning(out / page_of(found), found, locale=locale)
        console.print(f"{found.recipe.method}: {finetuning_lead(found, locale)}", markup=False, highlight=False)
        learnt.append(found)
    styles = Styles(tuple(learnt), before_s)
    page = Page(locale, translator(locale))
    table = outcomes(styles)
    console.print(GridView(outcomes_grid(table, page)))
    console.print(verdict(table, leader(styles), page), markup=False, highlight=False)
    return styles
