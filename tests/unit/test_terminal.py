"""The terminal's table: whole in 80 columns, in both languages, whatever an encoder is called."""

from __future__ import annotations

import re
from dataclasses import replace

import pyarrow as pa
import pytest
from rich.console import Console, RenderableType

from luneta.comparison import compare
from luneta.evaluation import evaluate
from luneta.languages import language_gap
from luneta.results import Evaluation, Metric
from luneta.terminal import comparison_table, evaluation_table, languages_table, slices_table
from luneta.types import DIRECTIONS
from luneta.wording import LOCALES
from worlds import ConceptEncoder, ForgetfulEncoder, words_of, world


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    found = evaluate(ConceptEncoder(noise=2.0, name="[red]x[/closed]"), world(30), cache=False)
    metrics = {d: {**found.metrics[d], "median_rank": Metric(1234.5, 999.5, 23_456.0, 2.5)} for d in DIRECTIONS}
    return replace(found, metrics=metrics)


def printed(view: RenderableType, width: int = 80) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(view)
    return captured.get()


def shown(evaluation: Evaluation, locale: str, *others: Evaluation) -> str:
    return printed(evaluation_table([evaluation, *others], locale))


@pytest.mark.parametrize("locale", ["en", "pt-BR"])
def test_it_fits_and_shows_names_as_they_are(evaluation: Evaluation, locale: str) -> None:
    text = shown(evaluation, locale)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert text.replace("\n", " ").count("[red]x[/") == 2
    assert text.count("closed]") == 2


@pytest.mark.parametrize("locale", ["en", "pt-BR"])
def test_a_share_keeps_its_zero_in_values_intervals_and_p_values(evaluation: Evaluation, locale: str) -> None:
    other = evaluate(ConceptEncoder(noise=1.0, name="other"), world(30), cache=False)
    text = printed(comparison_table(compare([evaluation, other]), locale=locale))
    assert re.findall(r"(?:^|[^\d.,])[.,]\d", text) == []
    found = evaluation.metrics["text_to_image"]["recall@5"]
    assert f"{found.low:.3f}–{found.high:.3f}".replace(".", "," if locale == "pt-BR" else ".") in text


def test_it_speaks_portuguese(evaluation: Evaluation) -> None:
    text = shown(evaluation, "pt-BR")
    assert "duplicatas: unidas (merge)" in " ".join(text.split())
    assert re.search(r" posição *\n.*mediana *\n", text)
    assert re.search(r" median *\n.* rank *\n", shown(evaluation, "en"))
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


def test_comparisons_and_languages_speak_portuguese_too() -> None:
    """Nothing but names, metrics and words of both languages is the same in both."""
    data = replace(world(60), rows=pa.table({"kind": ["cat", None] * 30}))
    one, two = (evaluate(ConceptEncoder(noise=n, name=f"noise-{n}"), data, cache=False) for n in (0.5, 6.0))
    compared = compare([one, two])
    accented = replace(data, texts=[text.replace("thing", "maçã") for text in data.texts])
    gap = language_gap(ConceptEncoder(noise=2.0), {"en": data, "pt": accented}, cache=False)
    names = words_of("noise kind cat recall mrr ndcg median rank holm bootstrap clusters world merge en pt p")
    for view in (
        lambda locale: comparison_table(compared, "mrr", locale),
        lambda locale: slices_table(compared, locale),
        lambda locale: languages_table(gap, locale=locale),
    ):
        english, portuguese = (printed(view(locale), 120) for locale in LOCALES)
        assert len(words_of(english)) > 10
        shared = {word for word in words_of(english) & words_of(portuguese) if not re.fullmatch("[0-9a-f]{2,12}", word)}
        assert shared - names <= {"as", "do", "no", "usual"}
        assert re.search(r"\d\.\d", english)
        assert not re.search(r"\d\.\d", portuguese.replace("noise-0.5", "").replace("noise-6.0", ""))
    assert "sem acentos" in portuguese


def test_what_the_doctor_found_is_said_in_the_table_s_language(evaluation: Evaluation) -> None:
    found = ({"name": "unit length", "verdict": "fail", "measured": "lengths from 1.5 to 2"},
             {"name": "of a later version", "verdict": "fail", "measured": "something else"})  # fmt: skip
    broken = replace(evaluation, checks=found)
    english, portuguese = (" ".join(shown(broken, locale).split()) for locale in LOCALES)
    assert "unit length: lengths from 1.5 to 2 (luneta doctor" in english
    assert "comprimento unitário: comprimentos de 1,5 a 2 (luneta doctor" in portuguese
    assert "of a later version: something else" in portuguese


def test_languages_are_shown_on_the_pictures_they_share() -> None:
    whole = world(60)
    found = language_gap(
        ConceptEncoder(noise=2.0, dim=16), {"en": whole, "pt": whole.without_images(range(15))}, writings=False,
        cache=False,
    )  # fmt: skip
    gap, whole_score = found.gaps[0], found.evaluations["en"].metrics["text_to_image"]["recall@1"].value
    lines = [line.split() for line in printed(languages_table(found), 80).splitlines()]
    english, portuguese = (next(line for line in lines if line[:1] == [name]) for name in ("en", "pt"))
    assert english == ["en", f"{whole_score:.3f}", f"{1 / 60:.3f}", "60", "reference"]
    assert portuguese[:6] == ["pt", f"{gap.score:.3f}", f"{1 / 45:.3f}", "45", f"{gap.score:.3f}", "+0.000"]


@pytest.mark.parametrize(("noise", "guesses"), [(0.5, False), (60.0, True)])
def test_gaps_between_guesses_say_nothing(noise: float, guesses: bool) -> None:
    encoder = ConceptEncoder(noise=noise, name="mine")
    found = language_gap(encoder, {"en": world(60), "pt": world(60)}, writings=False, cache=False)
    english, portuguese = (" ".join(printed(languages_table(found, locale=locale), 80).split()) for locale in LOCALES)
    assert ("mine does no better than guessing in en: its gaps say nothing" in english) == guesses
    assert ("não se sai melhor do que o acaso em en" in portuguese) == guesses
