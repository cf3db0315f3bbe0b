"""What a fine-tuning changed, as a page: the proof, the course, what was kept, the cost."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from luneta.finetuning.messages import FINETUNING
from luneta.finetuning.tables import caveats, cost_line, curve_grid, curve_name, proof_grid
from luneta.grids import Grid
from luneta.report.document import Page, Report, Section
from luneta.report.evaluation import EvaluationSection
from luneta.report.facts import FactsSection, Figure
from luneta.report.figures import legend
from luneta.report.messages import TABLES, check_locale
from luneta.report.plots import share_lines
from luneta.report.sections import Encoders, Group, Overview
from luneta.results import Evaluation
from luneta.wording import translator_of

if TYPE_CHECKING:
    from luneta.finetuning.proof import Proof
    from luneta.finetuning.run import FineTuning


def page_in(locale: str) -> Page:
    """A page that knows the words of fine-tuning too."""
    checked = check_locale(locale)
    return Page(checked, translator_of(checked, *TABLES, FINETUNING))


def course_figure(found: FineTuning, page: Page) -> Figure | None:
    """Recall on the validation part over the steps; None where it was measured once only."""
    moments = [(moment["step"], moment["recall"]) for moment in found.history if "recall" in moment]
    if len(moments) < 2:
        return None
    steps, recalls = zip(*moments, strict=True)
    best = max(recalls)
    alt = page.t("finetuning_course_alt", first=page.percent(recalls[0]), best=page.percent(best))
    return Figure(
        share_lines(
            [(steps, recalls)], marked=steps[recalls.index(best)], percent=lambda share: page.percent(share, 0),
            number=lambda step: page.number(step, 0), x_label=page.t("finetuning_step"), alt=alt,
        )
    )  # fmt: skip


def curve_figure(found: FineTuning, page: Page) -> Figure:
    """Recall on every data set over the mixtures of before and after."""
    names = list(found.curve[0].recalls)
    alphas = [point.alpha for point in found.curve]
    drawing = share_lines(
        [(alphas, [point.recalls[name] for point in found.curve]) for name in names],
        marked=found.chosen.alpha, percent=lambda share: page.percent(share, 0),
        number=lambda alpha: page.number(alpha, 1), x_label=page.t("finetuning_alpha_axis"),
        alt=page.t("finetuning_curve_alt", alpha=page.number(found.chosen.alpha, 1)),
    )  # fmt: skip
    return Figure(drawing, legend([curve_name(name, page.t) for name in names]))


def before_and_after(found: FineTuning, page: Page) -> list[Group]:
    """Both results of every proof."""
    return [Group(proof.name, _both(proof, page)) for proof in found.proofs]


def finetuning_sections(found: FineTuning, page: Page) -> list[Section]:
    """All that a page says of a fine-tuning."""
    t, results = page.t, {group.label: group.evaluations for group in before_and_after(found, page)}
    sections: list[Section] = []
    if results:
        sections.append(Overview(before_and_after(found, page)))
        sections.append(
            FactsSection(t("finetuning_numbers"), grids=[proof_grid(proof, page.locale) for proof in found.proofs])
        )
    if warnings := caveats(found, page.locale):
        sections.append(FactsSection(t("finetuning_caveats"), paragraphs=warnings))
    if (course := course_figure(found, page)) is not None:
        sections.append(
            FactsSection(t("finetuning_course"), figures=[course], paragraphs=[t("finetuning_course_note")])
        )
    curve = replace(curve_grid(found, page.locale), title="")
    sections.append(FactsSection(t("finetuning_curve"), figures=[curve_figure(found, page)], grids=[curve]))
    sections += [EvaluationSection(both, name, folded=n > 0) for n, (name, both) in enumerate(results.items())]
    sections.append(FactsSection(t("finetuning_recipe"), grids=[_counts(found, page), _recipe(found, page)]))
    sections.append(FactsSection(t("cost"), paragraphs=[cost_line(found, page.locale)]))
    if results:
        sections.append(Encoders([next(iter(results.values()))[1]]))
    return sections


def finetuning_lead(found: FineTuning, locale: str) -> str:
    """The main result in a sentence."""
    page = page_in(locale)
    learnt = [proof for proof in found.proofs if proof.learnt]
    if not learnt or found.chosen.alpha == 0:
        return caveats(found, locale)[0]
    return " ".join(_in_a_sentence(proof, page) for proof in learnt)


def _in_a_sentence(proof: Proof, page: Page) -> str:
    before, after = (result.metrics["text_to_image"]["recall@1"].value for result in (proof.before, proof.after))
    change = proof.comparison.difference("text_to_image", "recall@1", 1, 0)
    low, high = (change.value if end is None else end for end in (change.low, change.high))
    return page.t(
        "finetuning_lead", data=proof.name, before=page.percent(before), after=page.percent(after),
        low=_points(low, page), high=_points(high, page),
    )  # fmt: skip


def write_finetuning(path: str | os.PathLike[str], found: FineTuning, *, locale: str = "en") -> Path:
    """Write what a fine-tuning changed as one HTML file that needs nothing else.

    Raises:
        ArtifactError: the file cannot be written; whatever stood there before is left alone.
        ConfigError: pages are not written in that language.
    """
    page = page_in(locale)
    title = page.t("finetuning_title", encoder=found.base, data=found.data)
    return Report(title, finetuning_sections(found, page), finetuning_lead(found, locale), page.locale).write(path)


def _both(proof: Proof, page: Page) -> Sequence[Evaluation]:
    """Before and after, under the page's words for them."""
    results = {"finetuning_before": proof.before, "finetuning_after": proof.after}
    return [replace(result, encoder={**result.encoder, "name": page.t(name)}) for name, result in results.items()]


def _points(value: float, page: Page) -> str:
    return f"{'+' if value >= 0 else '−'}{page.number(abs(100 * value), 1)}"


def _counts(found: FineTuning, page: Page) -> Grid:
    names = ("n_train", "n_val", "n_leaked", "n_truncated", "n_steps")
    rows = tuple((page.t(f"finetuning_{name}"), page.number(getattr(found, name), 0)) for name in names)
    return Grid("", ("", ""), rows)


def _recipe(found: FineTuning, page: Page) -> Grid:
    """Every choice, by the names that Python and the command line know them by."""
    rows = tuple((name, "–" if value in (None, []) else str(value)) for name, value in found.recipe.to_dict().items())
    return Grid("", ("", ""), rows)
