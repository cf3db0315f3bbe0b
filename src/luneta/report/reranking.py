"""What a re-ranker changed, as a page: before and after, the texts that changed most, and why it is believed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from luneta.embedding import Embeddings
from luneta.evaluation import embed_cached
from luneta.grids import Grid
from luneta.report.changes import ChangesSection, changes_of
from luneta.report.document import Page, Report, Section
from luneta.report.evaluation import EvaluationSection
from luneta.report.facts import FactsSection, Figure
from luneta.report.figures import legend
from luneta.report.messages import check_locale, translator
from luneta.report.plots import Curve, gain_curves
from luneta.report.sections import Encoders, Group, Overview, data_label, duration
from luneta.rerank import ElipTrained, Reranker, Reranking
from luneta.rerank.choosing import Choice, Trial
from luneta.rerank.evaluation import Depths
from luneta.rerank.fusion import Fusion
from luneta.rerank.messages import RERANK
from luneta.rerank.outcome import Outcome
from luneta.rerank.tables import answers_grid, choice_grid, early_exit_grid, signed, use_of
from luneta.results import Evaluation
from luneta.wording import translator_of

METRIC = "recall@1"
"""That the lead speaks of."""


def page_in(locale: str) -> Page:
    """What the pages are written with.

    Raises:
        ConfigError: pages are not written in that language.
    """
    checked = check_locale(locale)
    return Page(checked, translator(checked))


def write_reranked(
    path: str | os.PathLike[str], reranker: Reranker, embeddings: Embeddings, found: Depths, *, locale: str = "en"
) -> Path:
    """Write what a re-ranker changes on a data set as one HTML file that needs nothing else.

    Args:
        path: of the file.
        reranker: that was measured.
        embeddings: of the data it was measured on.
        found: the encoder alone and re-ranked, at one depth or several.
        locale: "en" or "pt-BR".

    Raises:
        ArtifactError: the file cannot be written; whatever stood there before is left alone.
        ConfigError: pages are not written in that language.
    """
    page = page_in(locale)
    sections = [
        *_before_and_after(found, page), *_changes(reranker, embeddings, found, page), *_behind(found, page),
    ]  # fmt: skip
    title = page.t("reranking_title", encoder=reranker.encoder.spec.name, data=data_label(found.before))
    return Report(title, sections, _lead(found, page), page.locale).write(path)


def write_trained(path: str | os.PathLike[str], trained: Outcome, *, locale: str = "en") -> Path:
    """Write what `train_elip` or `fit_reranker` came to as one HTML file that needs nothing else.

    Raises:
        ArtifactError: the file cannot be written; whatever stood there before is left alone.
        ConfigError: pages are not written in that language.
        DatasetError: the pictures of the test part cannot be read any more.
    """
    page, reranker = page_in(locale), trained.reranker
    sections: list[Section] = [*_choice(trained.choice, reranker.fusion, page), _questions(trained, page)]
    sections.append(_recipe(trained, page))
    lead = page.t("reranking_lead_unproved", use=use_of(trained, page.locale))
    if trained.test is not None:
        found = Depths(trained.test.before, {reranker.fusion.k: trained.test.after}, trained.test.cost)
        proof = _before_and_after(found, page)
        if found.before.data is not None:  # else it was read from a folder, and there are no pictures to show
            embeddings = embed_cached(reranker.encoder, found.before.data)
            proof += _changes(reranker, embeddings, found, page)
        sections, lead = [*proof, *sections, *_behind(found, page)], _lead(found, page)
    made_on = reranker.record.get("data") or reranker.record["validation"]
    title = page.t("reranking_title_made", encoder=reranker.encoder.spec.name, data=made_on["name"])
    return Report(title, sections, lead, page.locale).write(path)


def alone_and_reranked(found: Depths | Reranking, page: Page) -> list[Evaluation]:
    """The results, under the page's words for them."""
    after = {0: found.after} if isinstance(found, Reranking) else dict(found.after)
    names = (
        [page.t("reranking_at", k=page.number(k, 0)) for k in after] if len(after) > 1 else [page.t("reranking_after")]
    )
    named = zip([page.t("reranking_alone"), *names], [found.before, *after.values()], strict=True)
    return [replace(result, encoder={**result.encoder, "name": name}) for name, result in named]


def _before_and_after(found: Depths, page: Page) -> list[Section]:
    """Recall@1 as a picture, and the numbers with their paired differences."""
    group = Group(data_label(found.before), alone_and_reranked(found, page))
    grid = (found if len(found.after) > 1 else found.at(min(found.after))).grid(page.locale)
    return [
        Overview([group], title=page.t("reranking_overview")),
        FactsSection(page.t("reranking_numbers"), grids=[grid]),
    ]


def _choice(choice: Choice, used: Fusion, page: Page) -> list[FactsSection]:
    """The gain over alpha for every depth that was tried, and all trials in numbers."""
    depths = {k: list(trials) for k, trials in groupby(choice.trials[1:], key=lambda trial: trial.fusion.k)}
    ks = sorted(depths, key=lambda k: (used.changes and k != used.k, -k))  # what is used comes first, with its band
    curves = [_curve([choice.trials[0], *depths[k]]) for k in ks]
    names = [page.t("reranking_first", k=page.number(k, 0)) for k in ks]
    gains = ", ".join(
        page.t("reranking_curve_point", gain=signed(y, page.locale), alpha=page.number(x, 2))
        for x, y in zip(curves[0].x, curves[0].y, strict=True)
    )
    drawing = gain_curves(
        curves, marked=used.alpha, number=lambda alpha: page.number(alpha, 1),
        signed=lambda gain: signed(gain, page.locale, 3), x_label=page.t("reranking_alpha_axis"),
        alt=page.t("reranking_curve_alt", metric=choice.metric, name=names[0], gains=gains),
    )  # fmt: skip
    note = page.t("reranking_curve_note", metric=choice.metric)
    sections = [
        FactsSection(page.t("reranking_choice"), figures=[Figure(drawing, legend(names))], paragraphs=[note]),
        FactsSection(page.t("reranking_tried"), grids=[replace(choice_grid(choice, used, page.locale), title="")]),
    ]
    spared = early_exit_grid(choice, used, page.locale)
    return [*sections, *([FactsSection(spared.title, grids=[replace(spared, title="")])] if spared else [])]


def _curve(trials: Sequence[Trial]) -> Curve:
    gains = [trial.gain for trial in trials]
    ends = [(g.value if g.low is None else g.low, g.value if g.high is None else g.high) for g in gains]
    return Curve(
        [trial.fusion.alpha for trial in trials], [g.value for g in gains], [low for low, _ in ends],
        [high for _, high in ends],
    )  # fmt: skip


def _questions(trained: Outcome, page: Page) -> FactsSection:
    t = translator_of(page.locale, RERANK)
    words = {answer.question: t(f"rerank_{answer.question}") for answer in trained.answers}
    header = (page.t("reranking_question"), page.t("reranking_difference"), page.t("reranking_answer"))
    grid = answers_grid(trained.answers, words, header, page.locale)
    notes = [page.t("reranking_questions_note"), *([] if trained.choice.fusion.changes else [t("rerank_asked_alone")])]
    return FactsSection(page.t("reranking_questions"), grids=[grid], paragraphs=notes)


def _changes(reranker: Reranker, embeddings: Embeddings, found: Depths, page: Page) -> list[Section]:
    """What changed at the greatest depth; nothing where nothing can."""
    if not reranker.fusion.changes:
        return []
    deepest = max(found.after)
    used = replace(reranker, fusion=reranker.fusion.at(deepest))
    return [ChangesSection(changes_of(used, embeddings, found.at(deepest)), embeddings.dataset)]


def _behind(found: Depths, page: Page) -> list[Section]:
    """Every metric of both, and what the encoder is."""
    return [
        EvaluationSection(alone_and_reranked(found, page), data_label(found.before), folded=True),
        Encoders([found.before]),
    ]


def _lead(found: Depths, page: Page) -> str:
    deepest = found.at(max(found.after))
    if not deepest.after.encoder["reranker"]["fusion"]["alpha"]:
        return page.t("reranking_lead_unchanged")
    before, after = (r.metrics["text_to_image"][METRIC].value for r in (deepest.before, deepest.after))
    gain = deepest.comparison.difference("text_to_image", METRIC, 0, 1)
    points = [signed(100 * (gain.value if end is None else end), page.locale, 1)
              for end in (gain.value, gain.low, gain.high)]  # fmt: skip
    return page.t(
        "reranking_lead", before=page.percent(before), after=page.percent(after), gain=points[0], low=points[1],
        high=points[2],
    )  # fmt: skip


def _recipe(trained: Outcome, page: Page) -> FactsSection:
    """What it was learnt from, what it took, and every choice by the name that Python and the command line know."""
    rows = []
    if isinstance(trained, ElipTrained):
        names = ("n_train", "n_val", "n_leaked")
        rows += [(page.t(f"reranking_{name}"), page.number(getattr(trained, name), 0)) for name in names]
    rows.append((page.t("reranking_time"), duration(float(trained.cost["wall_s"]), page)))
    rows.append((page.t("reranking_device"), str(trained.cost["device"])))
    if trained.test is not None:
        pace = page.t("reranking_ms", ms=page.number(trained.test.cost["ms_per_text"], 1))
        rows.append((page.t("reranking_looking"), pace))
        looks = trained.test.cost.get("looks_per_text")
        if looks is not None:  # of a proof that was read, as it was written
            rows.append((page.t("reranking_looks"), page.number(looks, 1)))
    recipe = tuple((name, str(value)) for name, value in trained.reranker.record.get("recipe", {}).items())
    grids = [Grid("", ("", ""), tuple(rows)), *([Grid("", ("", ""), recipe)] if recipe else [])]
    return FactsSection(page.t("reranking_recipe"), grids=grids)
