"""One or more encoders in several languages, as a page."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luneta.comparison import LEVEL
from luneta.errors import ConfigError
from luneta.languages import MEASURED, Gap, LanguageGap
from luneta.report.document import Page, Report, Section
from luneta.report.evaluation import EvaluationSection, by_protocol
from luneta.report.messages import check_locale, translator
from luneta.report.sections import Cost, Encoders, Note, data_label, strip
from luneta.results import Evaluation
from luneta.types import DIRECTIONS, Direction
from luneta.wording import p_value

SHOWN = "recall@1"
N_EXAMPLES = 2
"""Hits, near misses and failures of each kind, of every language."""


@dataclass(frozen=True)
class LanguageSection:
    """Every language and way of writing of one encoder, with its gap to what it is held against."""

    found: LanguageGap
    template: str = "languages.html.jinja"

    def heading(self, page: Page) -> str:
        return page.t("languages_heading", encoder=_encoder(self.found))

    def view(self, page: Page) -> Mapping[str, Any]:
        return {
            "reference": next(iter(self.found.evaluations)),
            "directions": [
                {
                    "name": direction,
                    "rows": [self._row(direction, *row, page) for row in self._rows()],
                }
                for direction in DIRECTIONS
            ],
            "metrics": [metric for metric in MEASURED if metric != SHOWN],
        }

    def _rows(self) -> Iterator[tuple[str, str, Evaluation]]:
        """(language, way of writing or empty, result), each language followed by its ways of writing."""
        for language, evaluation in self.found.evaluations.items():
            yield language, "", evaluation
            for (own, writing), rewritten in self.found.writings.items():
                if own == language:
                    yield language, writing, rewritten

    def _row(self, direction: Direction, language: str, writing: str, evaluation: Evaluation, page: Page) -> Any:
        metrics = evaluation.metrics[direction]
        name = page.t(f"table_writing_{writing}") if writing else language
        gap = self._gap(direction, SHOWN, language, writing)
        return {
            **strip(len(writing) > 0, name, metrics[SHOWN], page),
            "writing": bool(writing),
            "n": page.number(evaluation.dataset["n_images"], 0),
            "gap": None if gap is None else _gap(gap, page),
            "shared": None if gap is None else self._shared(gap, evaluation, page),
            "others": [
                (
                    page.metric(metric, metrics[metric].value),
                    None if other is None else _gap(other, page),
                )
                for metric in MEASURED
                if metric != SHOWN
                for other in [self._gap(direction, metric, language, writing)]
            ],
        }

    def _shared(self, gap: Gap, evaluation: Evaluation, page: Page) -> str | None:
        """On which pictures a gap stands, where these are not all of both."""
        if gap.n_images == evaluation.dataset["n_images"] == self.found.evaluations[gap.reference].dataset["n_images"]:
            return None
        values = {name: page.metric(gap.metric, score) for name, score in
                  (("own", gap.score), ("other", gap.reference_score))}  # fmt: skip
        return page.t("languages_shared", n=page.number(gap.n_images, 0), reference=gap.reference, **values)

    def _gap(self, direction: Direction, metric: str, language: str, writing: str) -> Gap | None:
        wanted = (direction, metric, language, writing)
        return next((g for g in self.found.gaps if (g.direction, g.metric, g.language, g.writing) == wanted), None)


def is_sure(gap: Gap) -> bool:
    """At 5 % for all gaps of its metric, and the interval agrees."""
    return gap.p_holm < LEVEL and not (gap.low is not None and gap.high is not None and gap.low <= 0 <= gap.high)


def _gap(gap: Gap, page: Page) -> dict[str, Any]:
    points = [None if v is None else page.number(100 * v, 1) for v in (gap.value, gap.low, gap.high)]
    return {
        "value": f"+{points[0]}" if gap.value > 0 else points[0],
        "interval": "" if points[1] is None else page.t("interval", low=points[1], high=points[2]),
        "p": page.t("languages_p", p=p_value(gap.p_holm, page.locale, sentence=True)),
        "sure": is_sure(gap),
    }


def _encoder(found: LanguageGap) -> str:
    return str(next(iter(found.evaluations.values())).encoder["name"])


def _lead(found: LanguageGap, page: Page) -> str:
    reference, evaluation = next(iter(found.evaluations.items()))
    value = page.metric(SHOWN, evaluation.metrics["text_to_image"][SHOWN].value)
    said = page.t("languages_lead", encoder=_encoder(found), value=value, reference=reference)
    if all(evaluation.metrics[direction][SHOWN].is_like_guessing for direction in DIRECTIONS):
        return f"{said} {page.t('languages_lead_guesses', reference=reference)}"
    gaps = [g for g in found.gaps if (g.direction, g.metric, g.writing) == ("text_to_image", SHOWN, "")]
    behind = min(gaps, key=lambda gap: gap.value)
    if behind.value < 0 and is_sure(behind):
        points = page.number(-100 * behind.value, 1)
        return f"{said} {page.t('languages_lead_behind', language=behind.language, gap=points)}"
    return f"{said} {page.t('languages_lead_level')}"


def write_languages(
    path: str | os.PathLike[str], found: Sequence[LanguageGap], *, command: str | None = None, locale: str = "en"
) -> Path:
    """Write one or more encoders in several languages as one HTML file that needs nothing else.

    Args:
        path: of the file; folders on the way are made.
        found: what `language_gap` returned, one for each encoder.
        command: the command line that made it, shown under "how to reproduce".
        locale: the page's language, "en" or "pt-BR".

    Raises:
        ArtifactError: the file cannot be written; whatever stood there before is left alone.
        ConfigError: no encoder, or pages are not written in that language.
    """
    checked = check_locale(locale)
    if not found:
        raise ConfigError("a page of languages needs at least one encoder")
    t, page = translator(checked), Page(checked, translator(checked))
    evaluations = [evaluation for one in found for evaluation in one.evaluations.values()]
    groups = by_protocol(evaluations)
    sections: list[Section] = [LanguageSection(one) for one in found]
    sections += [EvaluationSection(g.evaluations, g.label, n_examples=N_EXAMPLES, folded=True) for g in groups]
    sections += [Cost(groups), Encoders(evaluations)]
    if command:
        sections.append(Note(t("reproduce"), commands=[command]))
    label = data_label(evaluations[0]).rpartition(" · ")[0] or data_label(evaluations[0])
    title = t("languages_title", n=page.number(len(found[0].evaluations), 0), data=label)
    return Report(title, sections, " ".join(_lead(one, page) for one in found), checked).write(path)
