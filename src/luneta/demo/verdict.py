"""Several ways to learn the same thing, side by side: what each gained, what it forgot and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from luneta.comparison import surely_ahead
from luneta.demo.styles import Styles
from luneta.finetuning import FineTuning
from luneta.finetuning.proof import Proof
from luneta.finetuning.run import ALLOWED_LOSS
from luneta.grids import Grid
from luneta.report.costs import Choice, ranked
from luneta.report.document import Page
from luneta.types import Direction
from luneta.wording import written

DIRECTION: Direction = "text_to_image"
METRIC = "recall@1"


@dataclass(frozen=True, slots=True)
class Change:
    """Recall@1 from text to image before and after, and the 95 % interval of the paired difference."""

    before: float
    after: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, proof: Proof) -> Change:
        before, after = (result.metrics[DIRECTION][METRIC].value for result in (proof.before, proof.after))
        found = proof.comparison.difference(DIRECTION, METRIC, 1, 0)
        return cls(before, after, found.low, found.high)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one method came to.

    Attributes:
        method: its name.
        alpha: share of what was learnt that was kept.
        learnt: on what it was to learn.
        kept: on what it was not to forget; None where there were too few pictures to tell.
        seconds, usd, brl: what it cost, validation and proof included.
    """

    method: str
    alpha: float
    learnt: Change
    kept: Change | None
    seconds: float
    usd: float
    brl: float

    @classmethod
    def of(cls, found: FineTuning) -> Outcome:
        kept = next((Change.of(proof) for proof in found.proofs if not proof.learnt), None)
        cost = [float(found.cost[name]) for name in ("wall_s", "usd", "brl")]
        return cls(found.recipe.method, found.chosen.alpha, Change.of(_learnt(found)), kept, *cost)

    @property
    def has_surely_learnt(self) -> bool:
        return self.learnt.low is not None and self.learnt.low > 0

    @property
    def has_surely_forgotten(self) -> bool:
        """More than was allowed where the mixtures of before and after were decided on."""
        return self.kept is not None and self.kept.high is not None and self.kept.high < -ALLOWED_LOSS

    @property
    def has_perhaps_forgotten(self) -> bool:
        """The mean loss is more than was allowed, and it is not sure."""
        return (
            self.kept is not None
            and self.kept.after - self.kept.before < -ALLOWED_LOSS
            and not self.has_surely_forgotten
        )

    @property
    def points_per_cent(self) -> float:
        """Points of recall that a US cent has bought."""
        return (self.learnt.after - self.learnt.before) / self.usd


def outcomes(styles: Styles) -> list[Outcome]:
    """Of every method, the cheapest first."""
    return sorted(map(Outcome.of, styles.learnt), key=lambda one: one.usd)


def leader(styles: Styles) -> str | None:
    """The method that is ahead of each of the others, query by query; None where that is not sure of any."""
    ahead = surely_ahead([_learnt(found).after for found in styles.learnt], DIRECTION, METRIC)
    return None if ahead is None else styles.learnt[ahead].recipe.method


def _learnt(found: FineTuning) -> Proof:
    """On what it was to learn."""
    return next(proof for proof in found.proofs if proof.learnt)


def verdict(found: Sequence[Outcome], ahead: str | None, page: Page) -> str:
    """Who learnt best, who learnt most for its cost, and who forgot more than was allowed.

    Args:
        found: what `outcomes` returns.
        ahead: what `leader` returns.
        page: whose language it is said in.
    """
    t = page.t
    said = []
    if learners := [one for one in found if one.has_surely_learnt]:
        best = max(learners, key=lambda one: one.learnt.after)
        said.append(
            t("demo_styles_ahead" if best.method == ahead else "demo_styles_first", method=best.method,
              before=page.percent(best.learnt.before), after=page.percent(best.learnt.after))
        )  # fmt: skip
        thrifty = max(learners, key=lambda one: one.points_per_cent)
        said.append(
            t("demo_styles_thrifty_too" if thrifty is best else "demo_styles_thrifty", method=thrifty.method,
              best=best.method, points=page.number(thrifty.points_per_cent, 1),
              others=page.number(best.points_per_cent, 1))
        )  # fmt: skip
    else:
        said.append(t("demo_styles_unlearnt"))
    forgetful = [one.method for one in found if one.has_surely_forgotten]
    if any(one.kept is None for one in found):
        said.append(t("demo_styles_unwatched"))
    elif forgetful:
        said.append(t("demo_styles_forgot", allowed=page.number(100 * ALLOWED_LOSS, 0), methods=", ".join(forgetful)))
    else:
        said.append(t("demo_styles_kept", allowed=page.number(100 * ALLOWED_LOSS, 0)))
    if perhaps := [one.method for one in found if one.has_perhaps_forgotten]:
        said.append(t("demo_styles_maybe" if len(perhaps) > 1 else "demo_styles_maybe_one", methods=", ".join(perhaps)))
    if unkept := [one.method for one in found if one.alpha == 0]:
        said.append(t("demo_styles_unkept", methods=", ".join(unkept)))
    return " ".join(said)


def choices(found: Sequence[Outcome], page: Page) -> tuple[Choice, ...]:
    """What recall was had for what cost, the encoder as it was among them, the cheapest first."""
    start = Choice(page.t("demo_styles_start"), 0.0, found[0].learnt.before)
    return ranked([start, *(Choice(one.method, one.usd, one.learnt.after) for one in found)])


def outcomes_grid(found: Sequence[Outcome], page: Page) -> Grid:
    """A row for the encoder as it was, and one for every method, in the order of `choices`."""
    t = page.t
    best = {choice.name for choice in choices(found, page) if choice.best}
    learnt, kept = found[0].learnt, found[0].kept
    start = (t("demo_styles_start"), page.number(learnt.before), "–" if kept is None else page.number(kept.before),
             "–", "–", "–", "–")  # fmt: skip
    rows = [
        (
            f"{one.method}{' *' if one.method in best else ''} ({t(f'demo_styles_{one.method}')})",
            _change(one.learnt, page), "–" if one.kept is None else _change(one.kept, page),
            page.number(one.alpha, 1), page.number(one.seconds, 0), page.number(one.usd, 4), page.number(one.brl, 4),
        )
        for one in found
    ]  # fmt: skip
    header = (t("demo_styles_method"), t("demo_styles_sketches"), t("demo_styles_flat"), t("demo_styles_alpha"), "s",
              "USD", "BRL")  # fmt: skip
    note = t("demo_styles_note", allowed=page.number(100 * ALLOWED_LOSS, 0))
    return Grid("", header, (start, *rows), (note,))


def _change(change: Change, page: Page) -> str:
    said = f"{page.number(change.before)} → {page.number(change.after)}"
    if change.low is None or change.high is None:
        return said
    low, high = (written(f"{end or 0.0:+.3f}", page.locale) for end in (change.low, change.high))  # no minus before 0
    return f"{said} ({page.t('table_from_to', low=low, high=high)})"
