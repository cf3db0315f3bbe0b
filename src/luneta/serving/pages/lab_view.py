"""What the lab shows, as HTML: how far it is, and what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from luneta.report.comparison import ComparisonSection, comparison_lead
from luneta.report.document import Page
from luneta.report.evaluation import by_protocol, lead
from luneta.report.messages import translator as report_translator
from luneta.report.profile import ProfileSection
from luneta.report.sections import Advice, Cost, encoder_names
from luneta.results import Evaluation
from luneta.serving.pages.html import written_html
from luneta.serving.pages.lab import Job, Outcome
from luneta.serving.pages.labels import translator
from luneta.terminal import SHOWN
from luneta.types import DIRECTIONS, Direction
from luneta.wording import Locale

STAGES = (
    "images", "texts", "looking at images", "reading", "reading shards", "checking image files", "hashing images",
    "comparing images", "examining", "search", "similarities", "grouping texts", "lengths of texts", "report",
    "fetching pictures", "streaming", "unpacking",
)  # fmt: skip
"""Stages of progress that have a name in both languages."""

N_EXAMPLES = 6


def progress_html(job: Job, locale: Locale) -> str:
    """How far a job is."""
    t = translator(locale)
    step = job.steps[job.at]
    stage = job.stage.partition(" /")[0]
    said = t(f"stage_{stage.replace(' ', '_')}") if stage in STAGES else stage
    return written_html(
        "progress.html.jinja", locale, share=round(100 * job.share),
        steps=[(name if name not in ("data", "report") else t(f"lab_step_{name}"), at < job.at, at == job.at)
               for at, name in enumerate(job.steps)],
        now=step if step not in ("data", "report") else t(f"lab_step_{step}"), stage=said,
        done=job.done if job.total else None, total=job.total,
    )  # fmt: skip


def refused_html(why: str, locale: Locale, *, meant: bool = False) -> str:
    """Why there is nothing; `meant` where somebody wanted it so."""
    return written_html("lab_error.html.jinja", locale, error=why, meant=meant)


def invitation_html(locale: Locale) -> str:
    return written_html("lab_start.html.jinja", locale)


def outcome_html(found: Outcome, locale: Locale) -> str:
    """What was measured."""
    page = Page(locale, report_translator(locale))
    groups = by_protocol(found.evaluations)
    compared = None if found.comparison is None else ComparisonSection(found.comparison).view(page)
    profile = ProfileSection(found.profile).view(page)
    return written_html(
        "lab.html.jinja",
        locale,
        rt=page.t,
        lead=lead(found.evaluations, locale),
        tables=[_table(found.evaluations, direction, page) for direction in DIRECTIONS],
        metrics=[name.replace("_", " ") for name in SHOWN],
        compared=compared,
        comparison_lead=comparison_lead(found.comparison, locale) if found.comparison else "",
        advice=Advice(found.advice).view(page)["suggestions"],
        profile=profile,
        examples=profile["examples"][:N_EXAMPLES],
        cost=Cost(groups).view(page),
        command=found.command,
        protocol=str(found.evaluations[0].protocol["hash"])[:12],
    )


def _table(evaluations: Sequence[Evaluation], direction: Direction, page: Page) -> dict[str, Any]:
    """The main metrics of one direction, with their intervals, and what guessing would give."""
    first = evaluations[0].metrics[direction]
    return {
        "direction": direction,
        "rows": [
            (
                name,
                [
                    (page.metric(metric, own[metric].value), page.interval(metric, own[metric]))
                    for metric in SHOWN
                    for own in (evaluation.metrics[direction],)
                ],
            )
            for name, evaluation in zip(encoder_names(evaluations), evaluations, strict=True)
        ],
        "chance": ["–" if first[name].chance is None else page.metric(name, first[name].chance) for name in SHOWN],
    }
