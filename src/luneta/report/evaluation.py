"""The evaluation report: protocol, numbers, drawings and examples of one or more encoders."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luneta.advice import Suggestion
from luneta.comparison import surely_ahead
from luneta.errors import ConfigError, ProtocolMismatchError
from luneta.report.document import Page, Report, Section
from luneta.report.examples import galleries
from luneta.report.figures import legend, rank_figure, recall_figure, similarity_figure
from luneta.report.messages import Locale, check_locale, translator
from luneta.report.sections import (
    Advice,
    Cost,
    Encoders,
    Group,
    Note,
    Overview,
    Skipped,
    data_label,
    encoder_names,
)  # fmt: skip
from luneta.results import Evaluation, Metric
from luneta.terminal import cut_captions, for_trying_out
from luneta.types import DIRECTIONS, Direction

LOWER_IS_BETTER = frozenset({"median_rank", "mean_negative_similarity"})
NOT_A_CONTEST = frozenset({"mean_positive_similarity", "mean_negative_similarity"})
"""Similarities of different encoders live on different scales: higher is not better."""

N_SHOWN = 2
"""Examples of each kind and direction seen at once: one row; the others wait behind a line to click on."""

_RULES = {
    "captions": {"every caption is a query": "every_caption"},
    "duplicates": {
        "merge": "duplicates_merge",
        "strict": "duplicates_strict",
        "near": "duplicates_near",
        "groups": "duplicates_groups",
    },
    "ties": {"expectation over random orders": "ties_expected"},
    "interval": {"95 % percentile bootstrap over clusters of related queries": "interval_bootstrap"},
}
"""Rules of the protocol and the message that explains each value; an unknown value is shown as it stands."""

_HELP = (
    (r"recall@\d+", "recall@k", "help_recall"),
    (r"recall@\d+\|1000", "recall@k|1000", "help_normalised"),
    (r"mrr", "mrr", "help_mrr"),
    (r"ndcg@\d+", "ndcg@k", "help_ndcg"),
    (r"map@\d+", "map@k", "help_map"),
    (r"median_rank", "median_rank", "help_median_rank"),
    (r"mean_positive_similarity", "mean_positive_similarity, mean_negative_similarity", "help_similarity"),
)


@dataclass(frozen=True)
class EvaluationSection:
    """Everything measured for encoders under one protocol.

    Attributes:
        evaluations: at least one; all of the same protocol, since they are shown side by side.
        title: of the section; by default the data set's name.
        n_examples: hits, near misses and failures of each kind; None takes all that were chosen.
        folded: drawings and examples wait behind a line to click on.

    Raises:
        ConfigError: no evaluation.
        ProtocolMismatchError: the protocols differ.
    """

    evaluations: Sequence[Evaluation]
    title: str = ""
    n_examples: int | None = None
    folded: bool = False
    template = "evaluation.html.jinja"

    def __post_init__(self) -> None:
        if not self.evaluations:
            raise ConfigError("a report needs at least one evaluation")
        hashes = sorted({str(e.protocol["hash"])[:12] for e in self.evaluations})
        if len(hashes) > 1:
            raise ProtocolMismatchError(
                f"evaluations under different protocols ({', '.join(hashes)}) must not stand in one table: "
                "give each protocol a section of its own"
            )

    def heading(self, page: Page) -> str:
        return self.title or data_label(self.evaluations[0])

    def view(self, page: Page) -> Mapping[str, Any]:
        names = encoder_names(self.evaluations)
        examples = [galleries(evaluation, page, self.n_examples) for evaluation in self.evaluations]
        similarities = [
            similarity_figure(evaluation, name, index, page)
            for index, (name, evaluation) in enumerate(zip(names, self.evaluations, strict=True))
        ]
        return {
            "names": names,
            "folded": self.folded,
            "n_shown": N_SHOWN,
            "language": self.evaluations[0].dataset.get("language"),
            "data": _data_facts(self.evaluations, names, page),
            "rules": rule_facts(self.evaluations[0], page),
            "hash": self.evaluations[0].protocol["hash"],
            "tables": [_metric_table(self.evaluations, direction, page) for direction in DIRECTIONS],
            "help": _help(self.evaluations[0], page),
            "legend": legend(names),
            "recall": [(d, recall_figure(self.evaluations, names, d, page)) for d in DIRECTIONS],
            "ranks": [(d, rank_figure(self.evaluations, names, d, page)) for d in DIRECTIONS],
            "similarities": [figure for figure in similarities if figure],
            "examples": [(name, shown) for name, shown in zip(names, examples, strict=True) if shown],
        }


def _data_facts(evaluations: Sequence[Evaluation], names: Sequence[str], page: Page) -> list[tuple[str, str]]:
    t, dataset, protocol = page.t, evaluations[0].dataset, evaluations[0].protocol
    facts = [
        (t("data_set"), dataset["name"]),
        (t("split"), dataset.get("split")),
        (t("language"), dataset.get("language")),
        (t("revision"), dataset.get("revision")),
        (t("images"), page.number(dataset["n_images"], 0)),
        (t("texts"), page.number(dataset["n_texts"], 0)),
        (t("texts_cut"), cut_captions(evaluations, names, page.locale)),
    ]
    if sample := protocol.get("sample"):
        facts.append((t("sample"), t("sample_of", limit=page.number(sample["limit"], 0), seed=sample["seed"])))
    return [(name, str(value)) for name, value in facts if value]


def rule_facts(evaluation: Evaluation, page: Page) -> list[tuple[str, str]]:
    facts, protocol = [], evaluation.protocol
    for rule, known in _RULES.items():
        value = str(protocol.get(rule, ""))
        facts.append((page.t(f"protocol_{rule}"), page.t(known[value]) if value in known else value))
    if column := protocol.get("same_item"):
        facts.append((page.t("protocol_same_item"), page.t("same_item_column", column=column)))
    if links := protocol.get("links"):
        said = (f"{page.t(f'leakage_kind_{kind}')}: {page.number(n, 0)}" for kind, n in links.items())
        facts.append((page.t("protocol_links"), "; ".join(said)))
    return facts


def _metric_table(evaluations: Sequence[Evaluation], direction: Direction, page: Page) -> dict[str, Any]:
    """Rows of metrics, columns of encoders, chance last."""
    rows = []
    for name in evaluations[0].metrics[direction]:
        metrics = [evaluation.metrics[direction][name] for evaluation in evaluations]
        ahead = best_of(name, metrics)
        cells = [
            {"value": page.metric(name, m.value), "interval": page.interval(name, m), "ahead": index == ahead}
            for index, m in enumerate(metrics)
        ]
        rows.append({"name": name, "cells": cells, "chance": page.metric(name, metrics[0].chance)})
    return {"direction": direction, "rows": rows}


def best_of(name: str, metrics: Sequence[Metric]) -> int | None:
    """Which metric lies, with its whole interval, beyond the intervals of all others; None when none does.

    >>> best_of("recall@1", [Metric(0.6, 0.55, 0.65, 0.01), Metric(0.5, 0.45, 0.54, 0.01)])
    0
    >>> best_of("recall@1", [Metric(0.6, 0.55, 0.65, 0.01), Metric(0.58, 0.53, 0.63, 0.01)]) is None
    True
    """
    if len(metrics) < 2 or name in NOT_A_CONTEST:
        return None
    sign = -1 if name in LOWER_IS_BETTER else 1
    best = max(range(len(metrics)), key=lambda i: sign * metrics[i].value)
    ends = []
    for metric in metrics:
        if metric.low is None or metric.high is None:
            return None
        ends.append(sorted((sign * metric.low, sign * metric.high)))
    return best if all(ends[best][0] > ends[i][1] for i in range(len(metrics)) if i != best) else None


def _help(evaluation: Evaluation, page: Page) -> list[tuple[str, str]]:
    names = evaluation.metrics["text_to_image"]
    return [
        (shown, page.t(message))
        for pattern, shown, message in _HELP
        if any(re.fullmatch(pattern, name) for name in names)
    ]


def by_protocol(evaluations: Sequence[Evaluation]) -> list[Group]:
    """Evaluations brought together by protocol, in the order they first appear, each group named after its data."""
    groups: dict[str, list[Evaluation]] = {}
    for evaluation in evaluations:
        groups.setdefault(evaluation.protocol["hash"], []).append(evaluation)
    labels = [data_label(group[0]) for group in groups.values()]
    return [
        Group(label if labels.count(label) == 1 else f"{label} ({protocol[:8]})", group)
        for label, (protocol, group) in zip(labels, groups.items(), strict=True)
    ]


def lead(evaluations: Sequence[Evaluation], locale: Locale) -> str:
    """What was measured, in a few plain sentences with the main numbers and chance; one protocol only."""
    page = Page(locale, translator(locale))
    t, names = page.t, encoder_names(evaluations)
    recalls: dict[Direction, list[Metric]] = {d: [e.metrics[d]["recall@1"] for e in evaluations] for d in DIRECTIONS}
    forward, backward = recalls["text_to_image"], recalls["image_to_text"]
    best = max(range(len(evaluations)), key=lambda i: forward[i].value)
    sentences = []
    if len(evaluations) > 1:
        clear = all(surely_ahead(evaluations, direction) == best for direction in DIRECTIONS)
        sentences.append(
            t("lead_several_best", encoder=names[best])
            if clear
            else t("lead_several_close", n=len(evaluations), encoder=names[best])
        )
    dataset = evaluations[best].dataset
    for direction, metric, n in (
        ("text_to_image", forward[best], dataset["n_images"]),
        ("image_to_text", backward[best], dataset["n_texts"]),
    ):
        sentences.append(
            t(
                f"lead_{direction}",
                encoder=names[best],
                value=page.percent(metric.value),
                n=page.number(n, 0),
                chance=page.percent(metric.chance),
            )
        )
    if forward[best].is_like_guessing and backward[best].is_like_guessing:
        sentences.append(t("lead_chance"))
    if hint := for_trying_out(evaluations, locale):
        sentences.append(hint)
    return " ".join(sentences)


def write_report(
    path: str | os.PathLike[str],
    evaluations: Sequence[Evaluation],
    *,
    advice: Sequence[Suggestion] = (),
    extra: Sequence[Section] = (),
    command: str | None = None,
    locale: Locale = "en",
) -> Path:
    """Write evaluations as one HTML file that needs nothing else: no network, no script.

    Evaluations of equal protocol stand side by side; those of another protocol get a section of their own, and the
    page says that they must not be compared.

    Args:
        path: of the file.
        evaluations: at least one.
        advice: what `luneta.advise` returned.
        extra: more sections, shown after the evaluations.
        command: the command line that made these results, shown under "how to reproduce".
        locale: "en" or "pt-BR".

    Returns:
        The path.

    Raises:
        ConfigError: no evaluation, or pages are not written in that language.
        ArtifactError: the file cannot be written.
    """
    t = translator(check_locale(locale))
    if not evaluations:
        raise ConfigError("a report needs at least one evaluation")
    groups = by_protocol(evaluations)
    sections: list[Section] = [Overview(groups)]
    if advice:
        sections.append(Advice(advice))
    sections += [EvaluationSection(group.evaluations, group.label) for group in groups]
    sections += extra
    if skipped := list(dict.fromkeys(row for evaluation in evaluations for row in evaluation.skipped)):
        sections.append(Skipped(skipped))
    sections += [Cost(groups), Encoders(evaluations)]
    if command:
        sections.append(Note(t("reproduce"), commands=[command]))
    one = len(groups) == 1
    return Report(
        title=t("report_title", data=", ".join(group.label for group in groups)),
        lead=lead(evaluations, locale) if one else t("lead_protocols", n=len(groups)),
        sections=sections,
        locale=locale,
    ).write(path)
