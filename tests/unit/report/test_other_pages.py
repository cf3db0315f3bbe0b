"""Pages of the doctor, of several languages and of a leaderboard: their numbers are those found, in both languages."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from luneta.cli import app
from luneta.doctor import examine
from luneta.doctor.explanations import EXPLANATIONS
from luneta.doctor.measured import measured_in
from luneta.doctor.portuguese import PORTUGUESE
from luneta.errors import ConfigError
from luneta.evaluation import evaluate
from luneta.languages import LanguageGap, language_gap
from luneta.leaderboards import leaderboard
from luneta.report.doctor import write_doctor
from luneta.report.languages import is_sure, write_languages
from luneta.report.leaderboard import write_leaderboard
from pages import Element, read
from worlds import ConceptEncoder, world


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUNETA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def opened(path: Path) -> Element:
    return read(path.read_text(encoding="utf-8"))


def rows(page: Element) -> list[list[str]]:
    return [[cell.text for cell in row.children if not isinstance(cell, str)] for row in page.all("tr")]


def written(value: float, locale: str, digits: int = 1) -> str:
    text = f"{value:.{digits}f}"
    return text.replace(".", ",") if locale == "pt-BR" else text


class English(ConceptEncoder):
    """Reads "thing 3"; every other word is a noise of its own."""

    def encode_texts(self, texts):  # type: ignore[no-untyped-def]
        found = super().encode_texts(texts)
        for i, text in enumerate(texts):
            if not text.startswith("thing"):
                vector = np.random.default_rng(len(text) + sum(map(ord, text))).normal(size=self.dim)
                found[i] = vector / np.linalg.norm(vector)
        return found


@pytest.fixture(scope="module")
def gap() -> LanguageGap:
    data = world(60)
    portuguese = dataclasses.replace(data, texts=[text.replace("thing", "maçã") for text in data.texts])
    return language_gap(English(noise=0.5, name="English <b>"), {"en": data, "pt-BR": portuguese})


@pytest.mark.parametrize(("locale", "behind"), [("en", "Farthest behind is pt-BR"), ("pt-BR", "O mais atrás é pt-BR")])
def test_languages_and_their_gaps(tmp_path: Path, gap: LanguageGap, locale: str, behind: str) -> None:
    page = opened(write_languages(tmp_path / "l.html", [gap], command="luneta evaluate x", locale=locale))
    found = next(g for g in gap.gaps if (g.direction, g.metric, g.writing) == ("text_to_image", "recall@1", ""))
    assert is_sure(found)
    assert behind in page.text
    assert written(-100 * found.value, locale) in page.text
    row = next(r for r in rows(page) if r[0] == "pt-BR")
    assert row[2].startswith(written(100 * gap.evaluations["pt-BR"].metrics["text_to_image"]["recall@1"].value, locale))
    assert row[3].startswith(written(100 * found.value, locale))
    assert row[4] == "60"
    names = [r[0] for r in rows(page)]
    for said in {"en": ("UPPER CASE", "without accents"), "pt-BR": ("MAIÚSCULAS", "sem acentos")}[locale]:
        assert said in names
    assert "English <b>" in page.text
    assert "luneta evaluate x" in page.text


@pytest.mark.parametrize(
    ("locale", "said"),
    [("en", "on 45 shared: {own} against {other} in en"), ("pt-BR", "em 45 em comum: {own} contra {other} em en")],
)
def test_a_gap_says_on_which_pictures_it_stands(tmp_path: Path, locale: str, said: str) -> None:
    whole = world(60)
    part = whole.without_images(range(15))
    found = language_gap(ConceptEncoder(noise=2.0, dim=16), {"en": whole, "pt": part}, writings=False)
    row = next(r for r in rows(opened(write_languages(tmp_path / "l.html", [found], locale=locale))) if r[0] == "pt")
    gap = found.gaps[0]
    assert (gap.value, row[4]) == (0, "45")
    assert gap.score > found.evaluations["en"].metrics["text_to_image"]["recall@1"].value
    numbers = {name: written(100 * score, locale) for name, score in
               (("own", gap.score), ("other", gap.reference_score))}  # fmt: skip
    assert said.format(**{name: f"{number} %" for name, number in numbers.items()}) in row[3].replace("\xa0", " ")


@pytest.mark.parametrize(
    ("locale", "said"), [("en", "no better than guessing"), ("pt-BR", "não é melhor do que o acaso")]
)
def test_gaps_between_guesses_say_nothing(tmp_path: Path, locale: str, said: str) -> None:
    found = language_gap(ConceptEncoder(noise=60.0), {"en": world(60), "pt": world(60)}, writings=False)
    text = opened(write_languages(tmp_path / "l.html", [found], locale=locale)).text
    assert said in text
    assert {"en": "surely behind", "pt-BR": "com certeza atrás"}[locale] not in text


def test_a_gap_is_sure_only_when_corrected_and_apart_from_nought(gap: LanguageGap) -> None:
    clear = next(g for g in gap.gaps if g.metric == "recall@1" and g.language == "pt-BR" and not g.writing)
    assert is_sure(clear)
    assert not is_sure(dataclasses.replace(clear, p_holm=0.06))
    assert not is_sure(dataclasses.replace(clear, low=-0.5, high=0.1))


@pytest.mark.parametrize(("locale", "alike"), [("en", "like the first"), ("pt-BR", "como o primeiro")])
def test_a_leaderboard(tmp_path: Path, locale: str, alike: str) -> None:
    for n in (50, 70):
        for noise in (1.6, 1.0, 1.02):
            evaluation = evaluate(ConceptEncoder(noise=noise, name=f"noise {noise}"), world(n))
            evaluation.save(tmp_path / "results" / f"{n}-{noise}.json")
    cut = tmp_path / "results" / "cut.json"
    cut.write_text((tmp_path / "results" / "50-1.0.json").read_text()[:500])
    board = leaderboard(tmp_path / "results", metric="mrr")
    page = opened(write_leaderboard(tmp_path / "b.html", board, locale=locale))
    named = [row for row in rows(page) if row[0].startswith("noise") and len(row) == 7]
    assert len(named) == 2 * 2 * 3
    for standing, shown in zip(board.standings, (named[:3], named[6:9]), strict=True):
        for place, (file, evaluation, row) in enumerate(zip(standing.files, standing.evaluations, shown, strict=True)):
            marked = f" {alike}" if standing.like_the_best[place] else ""
            assert row[0] == f"{evaluation.encoder['name']}{marked} {file}"
            assert row[1] == str(place + 1)
            assert row[5].startswith(written(evaluation.metrics["text_to_image"]["mrr"].value, locale, 3))
    assert "cut.json" in page.text
    assert ("cut short" if locale == "en" else "truncado") in page.text


@pytest.mark.parametrize("locale", ["en", "pt-BR"])
def test_the_doctors_page(tmp_path: Path, locale: str) -> None:
    good, bad = examine(ConceptEncoder(noise=1.0, name="good")), examine(ConceptEncoder(constant=True, name="bad <i>"))
    page = opened(write_doctor(tmp_path / "d.html", [good, bad], locale=locale))
    assert bad.failed
    for check in (*good.checks, *bad.checks):
        name = PORTUGUESE[check.name].name if locale == "pt-BR" else check.name
        measured = " ".join(measured_in(check.measured, locale).split())
        assert any(row[0] == name and row[2] == measured for row in rows(page)), check.name
    said = PORTUGUESE if locale == "pt-BR" else EXPLANATIONS
    for check in bad.failed:
        assert any(said[check.name].mend in box.text for box in page.all("div", klass="bad"))
    assert {"en": "Do not trust", "pt-BR": "não confie"}[locale] in page.text
    assert "bad <i>" in page.text
    with pytest.raises(ConfigError, match="at least one"):
        write_doctor(tmp_path / "none.html", [])


def test_every_check_is_told_in_portuguese() -> None:
    assert set(PORTUGUESE) == set(EXPLANATIONS)
    assert len({said.name for said in PORTUGUESE.values()}) == len(PORTUGUESE)


def test_the_command_lines_speak_portuguese_and_write_the_pages(tmp_path: Path) -> None:
    run = CliRunner(env={"COLUMNS": "160"})
    results, pages = tmp_path / "results", [tmp_path / f"{i}.html" for i in range(3)]
    commands = (
        ["evaluate", "cenas", "--limit", "20", "--language", "en,pt-BR", "--json", str(results / "r.json")],
        ["leaderboard", str(results)],
        ["doctor", "-e", "luneta-mini", "--quick"],
    )
    said = (("distância", "sem acentos"), ("Em ordem de", "codificador", "acaso"), ("exame", "veredito", "passa"))
    for command, page, words in zip(commands, pages, said, strict=True):
        done = run.invoke(app, [*command, "--report", str(page), "--locale", "pt-BR"])
        assert done.exit_code == 0, done.output
        for word in words:
            assert word in done.stdout, command
        assert f"Escrito: {page}" in done.stdout
        assert '<html lang="pt-BR">' in page.read_text(encoding="utf-8")
    english = run.invoke(app, ["leaderboard", str(results), "--format", "csv"]).stdout
    portuguese = run.invoke(app, ["leaderboard", str(results), "--format", "markdown", "--locale", "pt-BR"]).stdout
    assert "encoder" in english
    assert "codificador" in portuguese
    assert json.loads((results / "r.luneta-mini.en.json").read_text())["dataset"]["language"] == "en"
    for command in commands[1:]:
        assert run.invoke(app, [*command, "--locale", "fr"]).exit_code == 2
        assert run.invoke(app, [*command, "--report", str(results)]).exit_code == 2
