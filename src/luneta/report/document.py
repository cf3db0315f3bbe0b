"""A report is a list of sections, each with its template; one file comes out, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from luneta.artifacts import write_text
from luneta.data.reasons import reason_in
from luneta.errors import ImageError
from luneta.progress import track
from luneta.report.html import render, thumbnail_data_uri
from luneta.report.messages import Locale, Translate, check_locale, translator
from luneta.report.numbers import format_number, format_percent
from luneta.results import Metric
from luneta.types import ImageRef

PICTURE_PX = 144
"""Longest side of the pictures in a report: sharp at the size they are shown, light enough for hundreds of them."""


@dataclass(frozen=True)
class Picture:
    """A thumbnail ready for a page; `uri` is None when the picture can no longer be read."""

    uri: str | None
    label: str


@dataclass
class Page:
    """What sections need in order to be written: the language, numbers as it writes them, thumbnails.

    A picture that is shown many times is decoded once.
    """

    locale: Locale
    t: Translate
    _pictures: dict[int, tuple[ImageRef, Picture]] = field(default_factory=dict)

    def number(self, value: float | None, digits: int = 3) -> str:
        return format_number(value, digits, self.locale)

    def percent(self, value: float | None, digits: int = 1) -> str:
        """A share of 0..1 as a percentage; below one percent with two significant digits."""
        return format_percent(value, digits, self.locale)

    def metric(self, name: str, value: float | None) -> str:
        """A metric's value as it is written everywhere in a report: shares in percent, ranks with one digit.

        >>> page = Page("pt-BR", translator("pt-BR"))
        >>> page.metric("recall@1", 0.5), page.metric("mrr", 0.5), page.metric("median_rank", 1234)
        ('50,0 %', '0,500', '1.234,0')
        """
        if name.startswith("recall@"):
            return self.percent(value)
        return self.number(value, 1 if name == "median_rank" else 3)

    def interval(self, name: str, metric: Metric) -> str:
        """The 95 % interval of a metric, without the unit; empty when it has none."""
        if metric.low is None or metric.high is None:
            return ""
        high = self.metric(name, metric.high).removesuffix(" %")
        digits = len(high.rpartition("." if self.locale == "en" else ",")[2])
        low = self.number(metric.low * (100 if name.startswith("recall@") else 1), digits)
        return self.t("interval", low=low, high=high)

    def reason(self, reason: str) -> str:
        """What the data floor says in English, in the page's language as far as it is known."""
        return reason_in(reason, self.locale)

    def picture(self, ref: ImageRef) -> Picture:
        """The thumbnail of a picture."""
        if id(ref) not in self._pictures:
            try:
                picture = Picture(thumbnail_data_uri(ref.open(), PICTURE_PX), ref.label)
            except ImageError:
                picture = Picture(None, ref.label)
            self._pictures[id(ref)] = (ref, picture)  # holding the ref keeps its id from being given to another
        return self._pictures[id(ref)][1]


class Section(Protocol):
    """One part of a report."""

    @property
    def template(self) -> str:
        """File name of its template, which sees the view as `section`."""
        ...

    def heading(self, page: Page) -> str: ...

    def view(self, page: Page) -> Mapping[str, Any]:
        """What the template shows."""
        ...


@dataclass(frozen=True)
class Report:
    """A title and its sections, in the order they are read.

    Attributes:
        title: of the page.
        sections: what it says.
        lead: one or two sentences under the title, with the main result.
        locale: "en" or "pt-BR".
    """

    title: str
    sections: Sequence[Section]
    lead: str = ""
    locale: Locale = "en"

    def to_html(self) -> str:
        """The whole page.

        Raises:
            ConfigError: pages are not written in that language.
        """
        locale = check_locale(self.locale)
        page = Page(locale, translator(locale))
        views = []
        with track("report", len(self.sections)) as advance:
            for number, section in enumerate(self.sections, start=1):
                views.append(
                    {
                        "template": section.template,
                        "anchor": f"s{number}",
                        "heading": section.heading(page),
                        "view": section.view(page),
                    }
                )
                advance(1)
        return render("report.html.jinja", locale=locale, title=self.title, lead=self.lead, sections=views)

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page as one file that needs nothing else.

        Raises:
            ArtifactError: the file cannot be written; whatever stood there before is left alone.
        """
        write_text(path, self.to_html())
        return Path(path)
