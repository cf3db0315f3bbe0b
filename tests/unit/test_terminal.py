"""The terminal's table: whole in 80 columns, in both languages, whatever an encoder is called."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from luneta.evaluation import evaluate
from luneta.results import Evaluation, Metric
from luneta.terminal import evaluation_table
from luneta.types import DIRECTIONS
from worlds import ConceptEncoder, ForgetfulEncoder, world


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    found = evaluate(ConceptEncoder(noise=2.0, name="[red]x[/closed]"), world(30), cache=False)
    metrics = {d: {**found.metrics[d], "median_rank": Metric(1234.5, 999.5, 23_456.0, 2.5)} for d in DIRECTIONS}
    return replace(found, metrics=metrics)


def shown(evaluation: Evaluation, locale: str, *others: Evaluation) -> str:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(evaluation_table([evaluation, *others], locale))
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


def test_captions_that_lost_their_end_are_counted_per_encoder() -> None:
    data = world(1200)
    short, long = (
        evaluate(ForgetfulEncoder(noise=2.0, dim=4, name=f"reads-{n}", reads=n), data, cache=False) for n in (14, 99)
    )

    def note(*evaluations: Evaluation, locale: str = "en") -> str:
        return " ".join(shown(evaluations[0], locale, *evaluations[1:]).split())

    assert "longer than the encoder reads, cut: 1,190; protocol" in note(short)
    assert "cut: 1,190 (reads-14), 0 (reads-99); protocol" in note(short, long)
    assert "cut: 1,190; protocol" in note(short, replace(short, encoder={**short.encoder, "name": "another"}))
    unknown = replace(long, dataset={**long.dataset, "n_truncated": None})
    assert "cortadas: 1.190 (reads-14), não se sabe (reads-99); protocolo" in note(short, unknown, locale="pt-BR")
