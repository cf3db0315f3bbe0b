"""A folder of results, ranked within each protocol, as a page."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luneta.comparison import COMPARED, distinct_names
from luneta.leaderboards import Leaderboard, Standing
from luneta.report.document import Page, Report, Section
from luneta.report.evaluation import by_protocol, rule_facts
from luneta.report.messages import check_locale, translator
from luneta.report.sections import Encoders, Overview, data_label
from luneta.types import DIRECTIONS, Direction


@dataclass(frozen=True)
class StandingSection:
    """The results of one protocol, the best first.

    Attributes:
        label: what a reader calls the data.
    """

    standing: Standing
    board: Leaderboard
    label: str
    template: str = "leaderboard.html.jinja"

    def heading(self, page: Page) -> str:
        return self.label

    def view(self, page: Page) -> Mapping[str, Any]:
        first = self.standing.evaluations[0]
        data = first.dataset
        return {
            "note": page.t("leaderboard_note", metric=self.board.metric, direction=page.t(self.board.direction)),
            "metrics": COMPARED,
            "directions": [
                {
                    "name": direction,
                    "rows": self._rows(direction, page),
                    "chance": [page.metric(m, first.metrics[direction][m].chance) for m in COMPARED],
                }
                for direction in DIRECTIONS
            ],
            "facts": [
                (page.t("images"), page.number(data["n_images"], 0)),
                (page.t("texts"), page.number(data["n_texts"], 0)),
                *rule_facts(first, page),
                (page.t("protocol_hash"), first.protocol["hash"]),
            ],
        }

    def _rows(self, direction: Direction, page: Page) -> list[dict[str, Any]]:
        standing, chosen = self.standing, (self.board.direction, self.board.metric)
        return [
            {
                "place": page.number(place, 0),
                "name": name,
                "file": file,
                "alike": alike,
                "cells": [
                    (page.metric(m, found.value), page.interval(m, found), (direction, m) == chosen)
                    for m in COMPARED
                    for found in [evaluation.metrics[direction][m]]
                ],
            }
            for place, (name, file, evaluation, alike) in enumerate(
                zip(
                    distinct_names(standing.evaluations),
                    standing.files,
                    standing.evaluations,
                    standing.like_the_best,
                    strict=True,
                ),
                start=1,
            )
        ]


@dataclass(frozen=True)
class RefusedSection:
    """Files of the folder that are no whole results or copies of one, and why they were left out."""

    board: Leaderboard
    template: str = "refused.html.jinja"

    def heading(self, page: Page) -> str:
        return page.t("leaderboard_refused")

    def view(self, page: Page) -> Mapping[str, Any]:
        english = self.board.refused
        return {
            "files": [
                (name, reason, "en" if reason == english.get(name) else page.locale)
                for name, reason in self.board.left_out(page.locale).items()
            ]
        }


def write_leaderboard(path: str | os.PathLike[str], board: Leaderboard, *, locale: str = "en") -> Path:
    """Write a leaderboard as one HTML file that needs nothing else.

    Args:
        path: of the file; folders on the way are made.
        board: what `leaderboard` returned.
        locale: the page's language, "en" or "pt-BR".

    Raises:
        ArtifactError: the file cannot be written; whatever stood there before is left alone.
        ConfigError: pages are not written in that language.
    """
    checked = check_locale(locale)
    t, page = translator(checked), Page(checked, translator(checked))
    evaluations = [evaluation for standing in board.standings for evaluation in standing.evaluations]
    groups = by_protocol(evaluations)
    sections: list[Section] = [
        Overview(groups),
        *(
            StandingSection(standing, board, group.label)
            for standing, group in zip(board.standings, groups, strict=True)
        ),
    ]
    if board.left_out():
        sections.append(RefusedSection(board))
    sections.append(Encoders(evaluations))
    several = len(groups) > 1
    lead = t(
        "leaderboard_lead" if several else "leaderboard_lead_one",
        n=page.number(len(evaluations), 0), protocols=page.number(len(groups), 0),
    )  # fmt: skip
    title = t("leaderboard_title") if several else f"{t('leaderboard_title')}: {data_label(evaluations[0])}"
    return Report(title, sections, lead, checked).write(path)
