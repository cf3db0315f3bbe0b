"""What re-ranking says: the same in both languages, numbers as each writes them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from rich.console import Console

from luneta.evaluation import evaluate
from luneta.grids import Grid
from luneta.layouts import GridView
from luneta.rerank.application import Hit
from luneta.rerank.choosing import Choice, Trial
from luneta.rerank.early_exit import EarlyExit
from luneta.rerank.evaluation import SHOWN, Reranking
from luneta.rerank.fusion import Fusion
from luneta.rerank.honesty import QUESTIONS, Answer, Answers
from luneta.rerank.plan import Plan
from luneta.rerank.tables import choice_grid, early_exit_grid, hits_grid
from luneta.stats import Interval
from worlds import ConceptEncoder, words_of, world


def shown(grid: Grid) -> str:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(GridView(grid))
    return captured.get()


SURE = Interval(0.02, 0.01, 0.03)
CHOICE = Choice(
    Fusion(0.25, 20),
    0.5212,
    Interval(0.0212, 0.0101, 0.0343),
    [Trial(Fusion(0.0, 20), 0.5, Interval(0.0, None, None)),
     Trial(Fusion(0.25, 20), 0.5212, Interval(0.0212, 0.0101, 0.0343))],
    "mrr",
    [EarlyExit(0.125, 9.5, 0.015, Interval(0.0, None, None), 0.0, 0.0072, SURE),
     EarlyExit(0.0875, 4.25, 0.11, Interval(-0.002, -0.003, 0.0), 0.01, 0.02, SURE)],
)  # fmt: skip
USED = replace(CHOICE.fusion, within=0.125)


@pytest.fixture(scope="module")
def reranking() -> Reranking:
    before, after = (evaluate(ConceptEncoder(noise=n, name="same"), world(80), cache=False) for n in (3.0, 1.0))
    return Reranking(before, after, {"ms_per_text": 1.0})


def test_a_p_that_is_almost_nothing_is_not_printed_as_nothing(reranking: Reranking) -> None:
    assert max(reranking.comparison.difference("text_to_image", name, 0, 1).p_holm for name in SHOWN) < 0.001
    assert {row[-1] for row in reranking.grid().rows} == {"<0.001"}
    assert {row[-1] for row in reranking.grid("pt-BR").rows} == {"<0,001"}


def test_tables_speak_portuguese_with_decimal_commas(reranking: Reranking) -> None:
    """Nothing but names and metrics is the same in both."""
    hits = [Hit(1, 4, "boat.png", 0.3125, 3), Hit(2, 0, "owl.png", 0.25, 1)]
    for english, portuguese in (
        [choice_grid(CHOICE, CHOICE.fusion, locale) for locale in ("en", "pt-BR")],
        [early_exit_grid(CHOICE, USED, locale) for locale in ("en", "pt-BR")],
        [hits_grid("um barco", hits, locale) for locale in ("en", "pt-BR")],
        [reranking.grid(locale) for locale in ("en", "pt-BR")],
    ):
        one, other = shown(english), shown(portuguese)
        assert re.search(r"\d\.\d", one)
        assert re.search(r"\d\.\d", other) is None
        shared = words_of(one) & words_of(other)
        assert {w for w in shared if not re.fullmatch("[0-9a-f]{2,}", w)} <= words_of(
            "mrr recall ndcg um barco boat png owl world as no"
        )
        assert sorted(re.findall(r"\d+", one)) == sorted(re.findall(r"\d+", other))


def test_the_old_words_are_the_english_ones() -> None:
    assert "0.25 * 20 0.5212 +0.0212 +0.0101 to +0.0343" in " ".join(shown(choice_grid(CHOICE, CHOICE.fusion)).split())
    assert (
        "On texts that had no part in choosing alpha and k: +0.0212 (+0.0101 to +0.0343)."
        in choice_grid(CHOICE, CHOICE.fusion).notes
    )


def test_how_far_it_looks() -> None:
    grid = early_exit_grid(CHOICE, USED)
    assert grid is not None
    assert grid.rows == (
        ("all 20", "20", "", "", ""),
        ("0.125 *", "9.5", "1.5 %", "+0.0000 (no text changes)", "0.0 % (up to 0.7 %)"),
        ("0.0875", "4.2", "11.0 %", "-0.0020 (-0.0030 to +0.0000)", "1.0 % (up to 2.0 %)"),
    )
    assert [row[0] for row in early_exit_grid(CHOICE, CHOICE.fusion).rows] == ["all 20 *", "0.125", "0.0875"]  # type: ignore[union-attr]
    idle = early_exit_grid(CHOICE, replace(USED, alpha=0.0))
    assert [row[0] for row in idle.rows] == ["all 20", "0.125", "0.0875"]  # type: ignore[union-attr]
    assert early_exit_grid(replace(CHOICE, early_exits=()), USED) is None
    starred = [row for row in choice_grid(CHOICE, USED).rows if "*" in row[0]]
    assert [row[:2] for row in starred] == [("0.25 *", "20")]  # of alpha and k, whatever the distance


@pytest.mark.parametrize("question", QUESTIONS)
def test_answers(question: str) -> None:
    sure, unsure = Answer(question, 0.0212, 0.0101, 0.0343), Answer(question, -0.5, None, None)
    assert str(sure).endswith("? +0.021 (+0.010 to +0.034): yes")
    assert str(unsure).endswith("? -0.500 (no interval): no")
    assert sure.said("pt-BR").endswith("? +0,021 (+0,010 a +0,034): sim")
    assert unsure.said("pt-BR").endswith("? -0,500 (sem intervalo): não")
    assert question not in str(sure) + sure.said("pt-BR")
    assert str(Answers([sure, unsure])) == f"{sure}; {unsure}"
    assert Answers([sure, unsure]).said("pt-BR") == f"{sure.said('pt-BR')}; {unsure.said('pt-BR')}"


def test_a_plan() -> None:
    plan = Plan(720, 2500, 0.02, 0.11)
    assert str(plan) == "about 12 minutes, 2.4 GiB of disk while it lasts, 0.020 USD, 0.110 BRL"
    assert plan.said("pt-BR") == "cerca de 12 minutos, 2,4 GiB de disco enquanto dura, 0,020 USD, 0,110 BRL"
