"""What all runs have cost, as a table and as a page with quality against cost."""

from __future__ import annotations

import math
import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from luneta.cost import GIVEN, OF_TABLE
from luneta.grids import Grid
from luneta.ledger import Entry, reais_of, total
from luneta.report.document import Page, Report, Section
from luneta.report.messages import check_locale, translator
from luneta.report.plots import cost_plot


@dataclass(frozen=True, slots=True)
class Choice:
    """What a recall costs.

    Attributes:
        name: of the encoder, or how it was fine-tuned.
        usd: of the whole run.
        recall: @1, the mean of both directions.
        usd_per_hour, price_from: the price that `usd` comes from, and whose it is; None of what costs nothing.
        best: nothing cheaper has as much.
    """

    name: str
    usd: float
    recall: float
    usd_per_hour: float | None = None
    price_from: str | None = None
    best: bool = False


@dataclass(frozen=True, slots=True)
class Frontier:
    """Runs that were measured on the same data by the same protocol, the cheapest first."""

    protocol: str
    data: str
    choices: tuple[Choice, ...]


def frontiers(entries: Sequence[Entry], locale: str = "en") -> list[Frontier]:
    """What quality was had for what cost; for each protocol, those with at least two choices.

    An evaluation whose vectors were there already says nothing of what they cost, and is left out; of several of one
    encoder the dearest counts.
    """
    t = translator(locale)
    found: dict[str, dict[Hashable, Choice]] = {}
    names: dict[str, str] = {}
    for entry in entries:
        facts = entry.facts
        if entry.status != "finished" or facts.get("recall") is None or facts.get("usd") is None:
            continue
        protocol = str(facts["protocol"])
        names.setdefault(protocol, str(facts.get("measured_on", "")))
        choices = found.setdefault(protocol, {})
        encoder, recall = str(facts.get("encoder", "")), float(facts["recall"])
        if facts.get("recall_untrained") is not None:
            untrained = float(facts["recall_untrained"])
            choices["untrained", encoder, untrained] = Choice(
                t("costs_untrained", name=_short(encoder)), 0.0, untrained
            )
        method = f" · {facts['method']}" if facts.get("method") else ""
        choice = Choice(f"{_short(encoder)}{method}", float(facts["usd"]), recall, facts.get("usd_per_hour"),
                        facts.get("price_from"))  # fmt: skip
        if entry.kind != "evaluate":
            choices[entry.id] = choice
        elif not facts.get("n_images_reused"):
            key = "evaluated", encoder, recall
            choices[key] = max(choice, choices.get(key, choice), key=lambda one: one.usd)
    return [Frontier(protocol, names[protocol], ranked(list(choices.values()))) for protocol, choices in found.items()
            if len(choices) > 1]  # fmt: skip


def ranked(choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """The cheapest first, and which of them are the best for their cost."""
    found: list[Choice] = []
    highest = -1.0
    for choice in sorted(choices, key=lambda choice: (choice.usd, -choice.recall)):
        found.append(replace(choice, best=choice.recall > highest))
        highest = max(highest, choice.recall)
    return tuple(found)


def frontier_drawing(choices: Sequence[Choice], page: Page) -> Markup:
    """Quality against cost, of what `ranked` returns."""
    dearest = max(choice.usd for choice in choices)
    digits = 2 if dearest >= 0.1 or not dearest else 1 - math.floor(math.log10(dearest))  # two of the dearest's
    return cost_plot(
        [(choice.usd, choice.recall, choice.best) for choice in choices],
        percent=lambda share: page.percent(share, 0), number=lambda usd: page.number(usd, digits),
        x_label=page.t("costs_axis"), alt=page.t("costs_alt"),
    )  # fmt: skip


def costs_grid(entries: Sequence[Entry], *, ledger: Path, brl_per_usd: float | None = None, locale: str = "en") -> Grid:
    """All runs with their costs, and the sum of all: what failed is in it.

    Args:
        entries: of a ledger.
        ledger: where they were read from, for the reader to know what is not among them.
        brl_per_usd: exchange rate for runs that were written down without one.
        locale: "en" or "pt-BR".
    """
    page = Page(check_locale(locale), translator(locale))
    t, whole = page.t, total(entries, brl_per_usd)
    rows = [_row(entry, brl_per_usd, page) for entry in entries]
    summed = (t("costs_sum", n=page.number(whole.n_runs, 0)), "", "", "", page.number(whole.wall_s / 60, 1), "",
              _known(whole.energy_kwh, 4, page), page.number(whole.usd, 3), _known(whole.brl, 3, page))  # fmt: skip
    counted = {"costs_at_least": whole.n_at_least, "costs_unpriced": whole.n_unpriced}
    if whole.brl is not None:
        counted["costs_without_reais"] = whole.n_without_reais
    notes = [t(name, n=page.number(n, 0)) for name, n in counted.items() if n]
    if any(entry.facts.get("peak_mib") is not None for entry in entries):
        notes.append(t("costs_memory"))
    notes.append(t("costs_where", path=ledger.resolve()))
    header = (t("costs_started"), t("costs_kind"), t("costs_what"), t("costs_status"), t("costs_minutes"),
              t("costs_mib"), "kWh", "USD", "BRL")  # fmt: skip
    return Grid(t("costs_title"), header, (*rows, summed), tuple(notes), n_labels=4)


def _row(entry: Entry, brl_per_usd: float | None, page: Page) -> tuple[str, ...]:
    facts = entry.facts
    words = [_short(str(facts[key])) for key in ("encoder", "data", "method") if facts.get(key)]
    seconds = facts.get("wall_s")
    return (
        entry.started_at[:16].replace("T", " "), entry.kind, " · ".join(words), page.t(f"costs_{entry.status}"),
        _known(None if seconds is None else seconds / 60, 1, page), _known(facts.get("peak_mib"), 0, page),
        _known(facts.get("energy_kwh"), 4, page), _known(facts.get("usd"), 3, page),
        _known(reais_of(entry, brl_per_usd), 3, page),
    )  # fmt: skip


def _known(value: float | None, digits: int, page: Page) -> str:
    return "–" if value is None else page.number(value, digits)


def _short(name: str) -> str:
    """The last part of a path; names of the hub as they are."""
    return Path(name).name if os.path.isabs(name) or name.startswith(".") else name


@dataclass(frozen=True)
class RunsSection:
    """The table of all runs."""

    grid: Grid
    template: str = "costs.html.jinja"

    def heading(self, page: Page) -> str:
        return page.t("costs_runs")

    def view(self, page: Page) -> Mapping[str, Any]:
        return {"grid": self.grid, "drawing": None}


def _price(choice: Choice, page: Page) -> str:
    """Of an hour, and whose guess it is."""
    if choice.usd_per_hour is None:
        return "–"
    month = (choice.price_from or "").removeprefix(OF_TABLE)
    source = page.t("costs_price_given") if month == GIVEN else page.t("costs_price_table", month=month)
    return f"{page.number(choice.usd_per_hour, 2)} ({source})"


@dataclass(frozen=True)
class FrontierSection:
    """Quality against cost on one data set."""

    frontier: Frontier
    template: str = "costs.html.jinja"

    def heading(self, page: Page) -> str:
        return page.t("costs_frontier", data=self.frontier.data)

    def view(self, page: Page) -> Mapping[str, Any]:
        t, choices = page.t, self.frontier.choices
        rows = tuple(
            (choice.name, t("costs_best") if choice.best else "", _price(choice, page), page.number(choice.usd),
             page.percent(choice.recall))
            for choice in choices
        )  # fmt: skip
        note = t("costs_frontier_note", hash=self.frontier.protocol[:12])
        header = (t("costs_what"), "", t("costs_price"), "USD", "recall@1")
        return {"grid": Grid("", header, rows, (note,), n_labels=3), "drawing": frontier_drawing(choices, page)}


def write_costs(
    path: str | os.PathLike[str],
    entries: Sequence[Entry],
    *,
    ledger: Path,
    brl_per_usd: float | None = None,
    locale: str = "en",
) -> Path:
    """Write what was spent as one HTML file that needs nothing else; the arguments are those of `costs_grid`.

    Raises:
        ArtifactError: the file cannot be written.
        ConfigError: pages are not written in that language.
    """
    checked = check_locale(locale)
    page, whole = Page(checked, translator(checked)), total(entries, brl_per_usd)
    lead = page.t("costs_lead", n=page.number(whole.n_runs, 0), usd=page.number(whole.usd, 2),
                  time=f"{page.number(whole.wall_s / 3600, 2)} h")  # fmt: skip
    sections: list[Section] = [FrontierSection(frontier) for frontier in frontiers(entries, checked)]
    sections.append(RunsSection(costs_grid(entries, ledger=ledger, brl_per_usd=brl_per_usd, locale=checked)))
    return Report(page.t("costs_title"), sections, lead, checked).write(path)
