"""Drawings, tables and sentences: the section of a report that needs no template of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from luneta.grids import Grid
from luneta.report.document import Page


@dataclass(frozen=True)
class Figure:
    """A drawing and the names of its lines.

    Attributes:
        legend: what `report.figures.legend` makes; empty where there is one line.
    """

    drawing: Markup
    legend: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class FactsSection:
    """Drawings, tables and sentences under one heading."""

    title: str
    figures: Sequence[Figure] = ()
    grids: Sequence[Grid] = ()
    paragraphs: Sequence[str] = ()
    template: str = "facts.html.jinja"

    def heading(self, page: Page) -> str:
        return self.title

    def view(self, page: Page) -> Mapping[str, Any]:
        return {
            "label": self.title,
            "figures": self.figures,
            "grids": self.grids,
            "paragraphs": self.paragraphs,
        }
