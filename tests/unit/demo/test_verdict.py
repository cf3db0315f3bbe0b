"""Several ways to learn the same thing: the sentence says what the numbers say, whatever they are."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from luneta.comparison import compare
from luneta.demo.styles import Styles
from luneta.demo.verdict import Change, Outcome, choices, leader, outcomes, outcomes_grid, verdict
from luneta.evaluation import evaluate
from luneta.finetuning import Recipe
from luneta.finetuning.interpolation import Point
from luneta.finetuning.proof import Proof
from luneta.report.document import Page
from luneta.report.messages import translator
from luneta.results import Evaluation
from worlds import ConceptEncoder, world

ENGLISH, PORTUGUESE = Page("en", translator("en")), Page("pt-BR", translator("pt-BR"))


def outcome(method: str, gain: float, seconds: float, *, sure: bool = True, lost: tuple[float, float] | None = None,
            alpha: float = 0.8) -> Outcome:  # fmt: skip
    """From .200 on sketches; flat drawings from .900, with the interval `lost` of their difference."""
    learnt = Change(0.2, 0.2 + gain, gain - 0.01 if sure else -0.02, gain + 0.05)
    low, high = lost or (-0.02, 0.01)
    kept = Change(0.9, 0.9 + (low + high) / 2, low, high)
    return Outcome(method, alpha, learnt, kept, seconds, seconds / 3600 * 0.5, seconds / 3600 * 0.5 * 5.4)


FULL, HEAD = outcome("full", 0.3, 72.0), outcome("head", 0.25, 36.0)  # for 1.0 and 0.5 US cents
LORA = outcome("lora", 0.1, 72.0, sure=False)


def test_best_and_best_for_its_cost() -> None:
    assert verdict([HEAD, LORA, FULL], "full", ENGLISH) == (
        "Most sketches are found by full, surely ahead of each of the others: 20.0 % before, 50.0 % after. "
        "For its cost head has gained most: 50.0 points a US cent, where full has gained 30.0. "
        "No method has surely forgotten more of flat drawings than the 3 points that were allowed."
    )
    assert verdict([HEAD, LORA, FULL], "full", PORTUGUESE) == (
        "Quem mais acha esboços é full, com certeza à frente de cada um dos outros: de 20,0 % a 50,0 %. "
        "Pelo que custou, quem mais ganhou foi head: 50,0 pontos por centavo de dólar; full ganhou 30,0. "
        "Nenhum método esqueceu com certeza mais dos desenhos chapados do que os 3 pontos permitidos."
    )


@pytest.mark.parametrize(
    ("page", "first", "thrifty"),
    [
        (ENGLISH, "Most sketches are found by head, 20.0 % before and 45.0 % after, not surely ahead of each of the "
                  "others.", "It has gained most for its cost as well: 50.0 points a US cent."),
        (PORTUGUESE, "Quem mais acha esboços é head, 20,0 % antes e 45,0 % depois, sem estar com certeza à frente de "
                     "cada um dos outros.",
                     "Foi também o que mais ganhou pelo que custou: 50,0 pontos por centavo de dólar."),
    ],
)  # fmt: skip
def test_one_that_is_both_and_not_surely_ahead(page: Page, first: str, thrifty: str) -> None:
    assert verdict([HEAD, LORA], None, page).startswith(f"{first} {thrifty} ")


def test_who_has_not_surely_learnt_is_not_the_best() -> None:
    """Though more sketches are found with it."""
    lucky = outcome("lit", 0.5, 1.0, sure=False)
    assert "found by head" in verdict([lucky, HEAD], None, ENGLISH)
    unknown = replace(lucky, learnt=replace(lucky.learnt, low=None, high=None))
    assert "found by head" in verdict([unknown, HEAD], None, ENGLISH)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (ENGLISH, "No method has surely learnt sketches. No"),
        (PORTUGUESE, "Nenhum método aprendeu esboços com certeza."),
    ],
)
def test_nobody_has_learnt(page: Page, expected: str) -> None:
    assert verdict([LORA], "lora", page).startswith(expected)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (ENGLISH, "More of flat drawings than the 3 points that were allowed has surely been forgotten by head, lit."),
        (PORTUGUESE, "Mais dos desenhos chapados do que os 3 pontos permitidos foi com certeza esquecido por head, "
                     "lit."),
    ],
)  # fmt: skip
def test_who_has_forgotten_more_than_was_allowed(page: Page, expected: str) -> None:
    """Only where the whole interval is beyond what was allowed."""
    forgetful = [
        replace(HEAD, kept=Change(0.9, 0.86, -0.05, -0.031)),
        FULL,
        outcome("lit", 0.1, 80.0, lost=(-0.2, -0.1)),
    ]
    assert verdict(forgetful, None, page).endswith(expected)
    perhaps = replace(HEAD, kept=Change(0.9, 0.86, -0.05, -0.029))
    assert expected[:40] not in verdict([perhaps, FULL], None, page)


@pytest.mark.parametrize(
    ("page", "one", "two"),
    [
        (ENGLISH, "In the mean, and not for sure, head has lost more than that.",
         "In the mean, and not for sure, head, lora have lost more than that."),
        (PORTUGUESE, "Na média, e sem certeza, head perdeu mais do que isso.",
         "Na média, e sem certeza, head, lora perderam mais do que isso."),
    ],
)  # fmt: skip
def test_who_has_lost_more_in_the_mean_though_it_is_not_sure(page: Page, one: str, two: str) -> None:
    unsure = Change(0.9, 0.86, -0.05, -0.029)
    assert verdict([replace(HEAD, kept=unsure), FULL], None, page).endswith(one)
    assert verdict([replace(HEAD, kept=unsure), replace(LORA, kept=unsure)], None, page).endswith(two)
    assert one[:18] not in verdict([HEAD, FULL], None, page)
    assert one[:18] not in verdict([replace(HEAD, kept=Change(0.9, 0.86, -0.05, -0.031)), FULL], None, page)


@pytest.mark.parametrize(
    ("page", "unwatched", "unkept"),
    [
        (ENGLISH, "What was forgotten of flat drawings cannot be told from so few.",
         "Nothing at all was kept of what was learnt by lora, lit."),
        (PORTUGUESE, "O que se esqueceu de desenhos chapados não se pode dizer com tão poucos.",
         "Nada ficou do que foi aprendido por lora, lit."),
    ],
)  # fmt: skip
def test_what_cannot_be_told_and_what_was_not_kept(page: Page, unwatched: str, unkept: str) -> None:
    nothing = [replace(LORA, alpha=0.0), replace(outcome("lit", 0.0, 50.0, sure=False), alpha=0.0, kept=None)]
    assert verdict(nothing, None, page).endswith(f"{unwatched} {unkept}")
    assert unkept[:12] not in verdict([HEAD], None, page)


def test_the_table_and_the_drawing_hold_the_same_in_one_order() -> None:
    """What a * stands beside is on the line: nothing cheaper finds as many."""
    found = sorted([FULL, replace(LORA, usd=0.006), HEAD], key=lambda one: one.usd)
    assert [(one.name, one.usd, one.recall, one.best) for one in choices(found, ENGLISH)] == [
        ("as it was", 0.0, 0.2, True), ("head", HEAD.usd, 0.45, True), ("lora", 0.006, pytest.approx(0.3), False),
        ("full", FULL.usd, 0.5, True),
    ]  # fmt: skip
    grid = outcomes_grid(found, ENGLISH)
    assert [row[0] for row in grid.rows] == [
        "as it was", "head * (the projections)", "lora (additions of low rank)", "full * (everything)",
    ]  # fmt: skip
    assert grid.rows[0][1:] == ("0.200", "0.900", "–", "–", "–", "–")
    assert grid.rows[1][1:] == (
        "0.200 → 0.450 (+0.240 to +0.300)", "0.900 → 0.895 (-0.020 to +0.010)", "0.8", "36", "0.0050", "0.0270",
    )  # fmt: skip
    assert outcomes_grid(found, PORTUGUESE).rows[1][:2] == ("head * (as projeções)", "0,200 → 0,450 (+0,240 a +0,300)")
    untold = replace(FULL, learnt=Change(0.2, 0.5, None, None), kept=None)
    assert outcomes_grid([untold], ENGLISH).rows[1][1:3] == ("0.200 → 0.500", "–")


def measured(noise: float, seed: int) -> Evaluation:
    encoder = ConceptEncoder(noise=noise, name=f"noise {noise:g}")
    return evaluate(encoder, world(120, captions_per_image=2), cache=False, seed=seed)


def taught(method: str, noise: float, seconds: float) -> Any:
    """As much of a fine-tuning as is looked at; its results are those of encoders of which more is known."""
    before, after = measured(6.0, 0), measured(noise, 0)
    return SimpleNamespace(
        recipe=Recipe(method=method), chosen=Point(0.4, {"validation": 0.0}),  # type: ignore[arg-type]
        proofs=[Proof("sketches", True, before, after), Proof("flat", False, after, before)],
        cost={"wall_s": seconds, "usd": seconds * 2, "brl": seconds * 3},
    )  # fmt: skip


@pytest.fixture(scope="module")
def styles() -> Styles:
    return Styles((taught("full", 2.0, 30.0), taught("head", 5.0, 10.0)), before_s=5.0)


def test_the_outcomes_are_those_of_the_proofs(styles: Styles) -> None:
    found = outcomes(styles)
    assert [(one.method, one.alpha, one.seconds, one.usd, one.brl) for one in found] == [
        ("head", 0.4, 10.0, 20.0, 30.0), ("full", 0.4, 30.0, 60.0, 90.0),
    ]  # fmt: skip
    assert styles.seconds == 45.0
    for one, tuned in zip(found, reversed(styles.learnt), strict=True):
        before, after = tuned.proofs[0].before, tuned.proofs[0].after
        recalls = [float((result.rankings["text_to_image"].n_better == 0).mean()) for result in (before, after)]
        np.testing.assert_allclose((one.learnt.before, one.learnt.after), recalls)
        named = [replace(r, encoder={**r.encoder, "name": name}) for name, r in (("a", before), ("b", after))]
        gap = compare(named).difference("text_to_image", "recall@1", 1, 0)
        assert (one.learnt.low, one.learnt.high) == (gap.low, gap.high)
        assert one.kept is not None
        assert (one.kept.before, one.kept.after) == (one.learnt.after, one.learnt.before)
        assert one.points_per_cent == pytest.approx(100 * gap.value / (100 * one.usd))


def test_who_is_ahead_is_a_matter_of_the_paired_test(styles: Styles) -> None:
    assert leader(styles) == "full"
    assert leader(Styles((styles.learnt[1], taught("lit", 5.0, 1.0)), 0.0)) is None
