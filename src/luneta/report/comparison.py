"""Encoders compared query by query, as a section of a report or a page of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luneta.comparison import Comparison, Contrast, Difference
from luneta.data.dataset import ImageTextDataset
from luneta.report.document import Page, Report, Section
from luneta.report.evaluation import EvaluationSection
from luneta.report.examples import picture_view
from luneta.report.messages import check_locale, translator
from luneta.report.sections import Encoders, Group, Overview, data_label
from luneta.terminal import slice_name, slices_left_out
from luneta.types import DIRECTIONS
from luneta.wording import p_value


@dataclass(frozen=True)
class ComparisonSection:
    """Paired differences, parts of the queries, and the queries on which encoders differ most.

    Attributes:
        data: the data set that was evaluated; with it queries are shown with their pictures.
    """

    comparison: Comparison
    data: ImageTextDataset | None = None
    template: str = "comparison.html.jinja"

    def heading(self, page: Page) -> str:
        return page.t("comparison_heading")

    def view(self, page: Page) -> Mapping[str, Any]:
        found, names = self.comparison, self.comparison.names
        return {
            "names": names,
            "directions": [
                (direction, [_difference(d, names, page) for d in found.differences if d.direction == direction])
                for direction in DIRECTIONS
            ],
            "slices": [
                {
                    "direction": part.direction,
                    "label": f"{slice_name(part.name, page.locale)}: {part.value or page.t('none')}",
                    "n": page.number(part.n_queries, 0),
                    "values": [
                        f"{page.percent(value)} {_arrow(difference)}".strip()
                        for value, difference in zip(part.values, part.differences, strict=True)
                    ],
                }
                for part in found.slices
            ],
            "left_out": slices_left_out(found, page.locale),
            "contrasts": [
                {
                    "title": page.t("comparison_versus", first=names[first], second=names[second]),
                    "names": (names[first], names[second]),
                    "queries": [self._contrast(contrast, page) for contrast in contrasts],
                }
                for (first, second), contrasts in found.contrasts.items()
                if contrasts
            ],
            "language": found.evaluations[0].dataset.get("language"),
        }

    def _contrast(self, contrast: Contrast, page: Page) -> dict[str, Any]:
        picture = None
        if self.data is not None:
            image = contrast.query
            if contrast.direction == "text_to_image":
                image = int(self.data.images_of(contrast.query)[0])
            picture = picture_view(self.data, image, page)
        ranks = (contrast.first_rank, contrast.second_rank)
        return {
            "direction": contrast.direction,
            "name": contrast.name,
            "picture": picture,
            "ranks": [page.number(rank, 0 if rank == int(rank) else 1) for rank in ranks],
            "better": 0 if ranks[0] < ranks[1] else 1,
        }


def _difference(found: Difference, names: list[str], page: Page) -> dict[str, Any]:
    points = [None if v is None else page.number(100 * v, 1) for v in (found.value, found.low, found.high)]
    return {
        "pair": f"{names[found.first]} – {names[found.second]}",
        "metric": found.metric,
        "value": points[0],
        "interval": "" if points[1] is None else page.t("interval", low=points[1], high=points[2]),
        "p": p_value(found.p_holm, page.locale),
        "wins": page.number(found.n_wins, 0),
        "losses": page.number(found.n_losses, 0),
        "sure": found.is_significant,
    }


def _arrow(difference: tuple[float, float | None, float | None] | None) -> str:
    if difference is None or difference[1] is None or difference[2] is None:
        return ""
    return "▲" if difference[1] > 0 else "▼" if difference[2] < 0 else ""


def comparison_lead(comparison: Comparison, locale: str) -> str:
    """Which of the first two encoders is ahead, text to image, and how surely, in a sentence."""
    checked = check_locale(locale)
    page, names = Page(checked, translator(checked)), comparison.names
    first = next(d for d in comparison.differences if (d.direction, d.metric) == ("text_to_image", "recall@1"))
    ahead, behind = (first.first, first.second) if first.value >= 0 else (first.second, first.first)
    return page.t(
        "comparison_lead_sure" if first.is_significant else "comparison_lead_unsure",
        first=names[ahead], second=names[behind], value=page.number(abs(100 * first.value), 1),
        p=p_value(first.p_holm, checked, sentence=True),
    )  # fmt: skip


def write_comparison(
    path: str | os.PathLike[str], comparison: Comparison, *, data: ImageTextDataset | None = None, locale: str = "en"
) -> Path:
    """Write a comparison as one HTML file that needs nothing else.

    Args:
        path: of the file.
        comparison: what `compare` returned.
        data: the data set that was evaluated, for the pictures; results read from files hold none.
        locale: "en" or "pt-BR".

    Raises:
        ArtifactError: the file cannot be written; whatever stood there before is left alone.
        ConfigError: pages are not written in that language.
    """
    checked = check_locale(locale)
    evaluations = comparison.evaluations
    if data is None:
        data = evaluations[0].data
    label = data_label(evaluations[0])
    sections: list[Section] = [
        Overview([Group(label, evaluations)]),
        ComparisonSection(comparison, data),
        EvaluationSection(evaluations, label),
        Encoders(evaluations),
    ]
    title = translator(checked)("comparison_title", data=label)
    return Report(title, sections, comparison_lead(comparison, checked), checked).write(path)
