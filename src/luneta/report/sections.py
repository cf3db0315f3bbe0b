"""The smaller sections of a report: overview, advice, searches, rows left out, cost, encoders, notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from luneta.advice import Suggestion
from luneta.report.document import Page
from luneta.report.figures import series
from luneta.results import Evaluation, Metric
from luneta.types import DIRECTIONS, ImageRef, SkippedRow

N_SKIPPED_SHOWN = 50


@dataclass(frozen=True)
class Group:
    """Evaluations of several encoders on the same data, under the name that a reader knows the data by."""

    label: str
    evaluations: Sequence[Evaluation]


@dataclass(frozen=True)
class Overview:
    """Recall@1 of every encoder on every group, both directions, with intervals and chance: the report's picture."""

    groups: Sequence[Group]
    title: str = ""
    template = "overview.html.jinja"

    def heading(self, page: Page) -> str:
        return self.title or page.t("overview")

    def view(self, page: Page) -> Mapping[str, Any]:
        hashes = {e.protocol["hash"] for group in self.groups for e in group.evaluations}
        return {
            "several_protocols": len(hashes) > 1,
            "directions": [
                {
                    "name": direction,
                    "groups": [
                        {
                            "label": group.label,
                            "chance": page.percent(group.evaluations[0].metrics[direction]["recall@1"].chance),
                            "rows": [
                                strip(index, name, evaluation.metrics[direction]["recall@1"], page)
                                for index, (name, evaluation) in enumerate(
                                    zip(encoder_names(group.evaluations), group.evaluations, strict=True)
                                )
                            ],
                        }
                        for group in self.groups
                    ],
                }
                for direction in DIRECTIONS
            ],
        }


def strip(index: int, name: str, metric: Metric, page: Page) -> dict[str, Any]:
    """A recall@1 as a dot in its interval beside chance; `index` chooses the colour."""
    low = metric.value if metric.low is None else metric.low
    high = metric.value if metric.high is None else metric.high
    value, interval, chance = page.percent(metric.value), page.interval("recall@1", metric), page.percent(metric.chance)
    spoken = page.t("strip_interval", interval=interval) if interval else ""
    return {
        "name": name,
        "series": series(index),
        "value": value,
        "interval": interval,
        "spoken": page.t("strip", name=name, value=value, interval=spoken, chance=chance),
        "at": 100 * metric.value,
        "low_at": 100 * low,
        "width": 100 * (high - low),
        "chance_at": None if metric.chance is None else 100 * metric.chance,
    }


def encoder_names(evaluations: Sequence[Evaluation]) -> list[str]:
    """The name of each encoder; equal ones are told apart by the head of their fingerprint, else by a number."""
    names = [str(evaluation.encoder["name"]) for evaluation in evaluations]
    heads = [str(evaluation.encoder["fingerprint"])[:8] for evaluation in evaluations]
    told = [
        name if names.count(name) == 1 or not head else f"{name} ({head})"
        for name, head in zip(names, heads, strict=True)
    ]
    return [
        name if told.count(name) == 1 else f"{name} ({told[: index + 1].count(name)})"
        for index, name in enumerate(told)
    ]


def distinct_encoders(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """The first evaluation of every encoder: one name and fingerprint, one encoder.

    Without a fingerprint nothing says that two of a name are the same, unless they met different protocols.
    """
    found: dict[tuple[str, ...], Evaluation] = {}
    met: dict[tuple[str, str], int] = {}
    for evaluation in evaluations:
        name, fingerprint = str(evaluation.encoder["name"]), str(evaluation.encoder["fingerprint"])
        protocol = str(evaluation.protocol["hash"])
        met[protocol, name] = met.get((protocol, name), 0) + 1
        found.setdefault((name, fingerprint or str(met[protocol, name])), evaluation)
    return list(found.values())


def data_label(evaluation: Evaluation) -> str:
    """What a reader calls the data: name (of a path, its end), split, language."""
    dataset = evaluation.dataset
    name = str(dataset["name"])
    if name.startswith((".", "~")) or PurePath(name).is_absolute():
        name = PurePath(name).name or name
    return " · ".join(str(part) for part in (name, dataset.get("split"), dataset.get("language")) if part)


@dataclass(frozen=True)
class Advice:
    """Suggestions, each with the numbers it stands on."""

    suggestions: Sequence[Suggestion]
    title: str = ""
    template = "advice.html.jinja"

    def heading(self, page: Page) -> str:
        return self.title or page.t("advice")

    def view(self, page: Page) -> Mapping[str, Any]:
        return {
            "suggestions": [
                {
                    "title": suggestion.title(page.locale),
                    "text": suggestion.text(page.locale),
                    "rule": suggestion.rule,
                    "stable": suggestion.stable,
                    "evidence": [(name, _plain(value, page)) for name, value in suggestion.evidence.items()],
                }
                for suggestion in self.suggestions
            ]
        }


def _plain(value: Any, page: Page) -> str:
    """A value of a record as text: whole numbers with thousands separated, others with up to four digits."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return page.number(value, 0 if isinstance(value, int) else 4)


@dataclass(frozen=True)
class Retrieved:
    """One picture that a search found."""

    image: ImageRef
    score: float
    relevant: bool
    caption: str = ""


@dataclass(frozen=True)
class Search:
    """An example search: what was asked for and what came, best first."""

    query: str
    retrieved: Sequence[Retrieved]
    language: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Searches:
    """Example searches with their pictures."""

    searches: Sequence[Search]
    title: str = ""
    note: str = ""
    template = "searches.html.jinja"

    def heading(self, page: Page) -> str:
        return self.title or page.t("searches")

    def view(self, page: Page) -> Mapping[str, Any]:
        return {"note": self.note, "searches": [self._search(search, page) for search in self.searches]}

    def _search(self, search: Search, page: Page) -> dict[str, Any]:
        retrieved = []
        for found in search.retrieved:
            picture = page.picture(found.image)
            retrieved.append(
                {
                    "uri": picture.uri,
                    "label": picture.label,
                    "alt": found.caption or picture.label,
                    "language": search.language if found.caption else None,
                    "right": found.relevant,
                    "score": page.number(found.score),
                }
            )
        return {"query": search.query, "language": search.language, "note": search.note, "retrieved": retrieved}


@dataclass(frozen=True)
class Skipped:
    """Rows of the source that were left out, and why."""

    rows: Sequence[SkippedRow]
    template = "skipped.html.jinja"

    def heading(self, page: Page) -> str:
        return page.t("skipped")

    def view(self, page: Page) -> Mapping[str, Any]:
        return {
            "rows": [(row.row, row.source, page.reason(row.reason)) for row in self.rows[:N_SKIPPED_SHOWN]],
            "n": len(self.rows),
            "n_more": max(0, len(self.rows) - N_SKIPPED_SHOWN),
        }


@dataclass(frozen=True)
class Step:
    """Something that took time and is not an evaluation."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Cost:
    """How long everything took, and how fast it went."""

    groups: Sequence[Group]
    steps: Sequence[Step] = ()
    template = "cost.html.jinja"

    def heading(self, page: Page) -> str:
        return page.t("cost")

    def view(self, page: Page) -> Mapping[str, Any]:
        several = len(self.groups) > 1
        rows = [
            _cost_row(f"{group.label} · {name}" if several else name, evaluation, page)
            for group in self.groups
            for name, evaluation in zip(encoder_names(group.evaluations), group.evaluations, strict=True)
        ]
        seconds = [float(e.cost["wall_s"] or 0) for group in self.groups for e in group.evaluations]
        total = sum(seconds) + sum(step.seconds for step in self.steps)
        return {
            "rows": rows,
            "steps": [(step.name, duration(step.seconds, page)) for step in self.steps],
            "total": duration(total, page),
            "extra": [key for key in ("energy_kwh", "usd", "brl") if any(row[key] for row in rows)],
        }


def _cost_row(name: str, evaluation: Evaluation, page: Page) -> dict[str, Any]:
    cost = evaluation.cost

    def count(key: str) -> str:
        return page.number(cost[key], 0) if cost.get(key) else ""

    def amount(key: str) -> str:
        value = cost.get(key)
        return "" if value is None else page.number(value, 2 if value >= 1 else 4)

    return {
        "name": name,
        "time": duration(float(cost["wall_s"] or 0), page),
        "images_per_s": page.number(cost.get("images_per_s"), 0),
        "texts_per_s": page.number(cost.get("texts_per_s"), 0),
        "n_images": page.number(cost.get("n_images_computed"), 0),
        "n_images_reused": count("n_images_reused"),
        "n_texts": page.number(cost.get("n_texts_computed"), 0),
        "n_texts_reused": count("n_texts_reused"),
        "energy_kwh": amount("energy_kwh"),
        "usd": amount("usd"),
        "brl": amount("brl"),
    }


def duration(seconds: float, page: Page) -> str:
    """Seconds as a person says them: 4.2 s, 3 min 20 s."""
    if seconds < 100:
        return page.t("seconds", value=page.number(seconds, 1))
    minutes, rest = divmod(round(seconds), 60)
    return page.t("minutes", minutes=page.number(minutes, 0), seconds=rest)


@dataclass(frozen=True)
class Encoders:
    """What each encoder is, down to everything its fingerprint was made from."""

    evaluations: Sequence[Evaluation]
    template = "encoders.html.jinja"

    def heading(self, page: Page) -> str:
        return page.t("encoders")

    def view(self, page: Page) -> Mapping[str, Any]:
        distinct = distinct_encoders(self.evaluations)
        return {
            "encoders": [
                {
                    "name": name,
                    "facts": [
                        (page.t(key), _plain(evaluation.encoder[key], page))
                        for key in _ENCODER_FACTS
                        if evaluation.encoder.get(key) not in (None, [], ())
                    ],
                    "details": [(key, _plain(value, page)) for key, value in _flat(evaluation.encoder["details"])],
                }
                for name, evaluation in zip(encoder_names(distinct), distinct, strict=True)
            ]
        }


_ENCODER_FACTS = (
    "revision", "fingerprint", "embedding_dim", "n_parameters", "languages", "backend", "dtype", "device",
    "logit_scale", "logit_bias",
)  # fmt: skip


def _flat(record: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested records as (dotted name, value)."""
    pairs: list[tuple[str, Any]] = []
    for key, value in record.items():
        if isinstance(value, Mapping):
            pairs += _flat(value, f"{prefix}{key}.")
        else:
            pairs.append((f"{prefix}{key}", value))
    return pairs


@dataclass(frozen=True)
class Note:
    """Paragraphs of plain text, and lines of a terminal where there are any."""

    title: str
    paragraphs: Sequence[str] = ()
    commands: Sequence[str] = ()
    template = "note.html.jinja"

    def heading(self, page: Page) -> str:
        return self.title

    def view(self, page: Page) -> Mapping[str, Any]:
        return {"paragraphs": self.paragraphs, "commands": self.commands}


@dataclass(frozen=True)
class Links:
    """Pages beside this one, and what is found there in a line each.

    Attributes:
        links: (title, address relative to this page, what is found there).
    """

    links: Sequence[tuple[str, str, str]]
    title: str
    note: str = ""
    template = "links.html.jinja"

    def heading(self, page: Page) -> str:
        return self.title

    def view(self, page: Page) -> Mapping[str, Any]:
        return {"note": self.note, "links": self.links}
