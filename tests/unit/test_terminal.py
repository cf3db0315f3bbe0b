"""The terminal's table: whole in 80 columns, in both languages, whatever an encoder is called."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from luneta.evaluation import evaluate
from luneta.results import Evaluation, Metric
from luneta.terminal import evaluation_table
from luneta.types import DIRECTIONS
from worlds import ConceptEncoder, world


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    found = evaluate(ConceptEncoder(noise=2.0, name="[red]x[/closed]"), world(30), cache=False)
    metrics = {d: {**found.metrics[d], "median_rank": Metric(1234.5, 999.5, 23_456.0, 2.5)} for d in DIRECTIONS}
    return replace(found, metrics=metrics)


def shown(evaluation: Evaluation, locale: str) -> str:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(evaluation_table([evaluation], locale))
    return captured.get()


@pytest.mark.parametrize("locale", ["en", "pt-BR"])
def test_it_fits_and_shows_names_as_they_are(evaluation: Evaluation, locale: str) -> None:
    text = shown(evaluation, locale)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert text.replace("\n", " ").count("[red]x") == 2
    assert "[/close" in text


def test_it_speaks_portuguese(evaluation: Evaluation) -> None:
    text = shown(evaluation, "pt-BR")
    value = evaluation.metrics["text_to_image"]["recall@1"].value
    for part in (
        "texto → imagem",
        "imagem → texto",
        "acaso",
        "30 imagens",
        "intervalo",
        f"{value:.3f}".replace(".", ","),
    ):
        assert part in text
    assert "chance" not in text


def test_ranks_between_two_are_not_rounded(evaluation: Evaluation) -> None:
    text = shown(evaluation, "en")
    for part in ("1,234.5", "999.5–23.5k", "2.5"):
        assert part in text
    assert "1.234,5" in shown(evaluation, "pt-BR")
