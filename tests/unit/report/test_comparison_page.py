"""The comparison page: its numbers are those of the comparison, in both languages, with the pictures of the queries."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from luneta.cli import app
from luneta.comparison import Comparison, compare
from luneta.evaluation import evaluate
from luneta.report.comparison import write_comparison
from pages import Element, read
from worlds import ConceptEncoder, world


def opened(path: Path) -> Element:
    return read(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUNETA_CACHE", str(tmp_path_factory.mktemp("cache")))
        data = world(60, captions_per_image=2)
        return compare([evaluate(ConceptEncoder(noise=noise, name=f"noise {noise}"), data) for noise in (0.9, 1.8)])


@pytest.mark.parametrize(("locale", "sure"), [("en", "surely"), ("pt-BR", "com certeza")])
def test_the_page_says_what_was_found(tmp_path: Path, found: Comparison, locale: str, sure: str) -> None:
    page = opened(write_comparison(tmp_path / "c.html", found, locale=locale))
    first = found.difference("text_to_image", "recall@1", 0, 1)
    assert first.is_significant
    written = f"{100 * first.value:.1f}"
    written = written.replace(".", ",") if locale == "pt-BR" else written
    assert sure in page.text
    rows = [[cell.text for cell in row.children if not isinstance(cell, str)] for row in page.all("tr")]
    (row,) = [r for r in rows if r[0] == "noise 0.9 – noise 1.8" and r[1] == "recall@1" and r[2].startswith(written)]
    assert (row[4], row[5]) == (str(first.n_wins), str(first.n_losses))
    for contrast in found.contrasts[0, 1]:
        assert contrast.name in page.text
    assert page.all("img")  # results in memory know their pictures


def test_pictures_come_from_the_data_set_that_was_evaluated_and_no_other(tmp_path: Path) -> None:
    run = CliRunner()
    for name in ("luneta-mini", "luneta-mini-siglip"):
        done = run.invoke(
            app, ["evaluate", "cenas", "--limit", "40", "-e", name, "--json", str(tmp_path / f"{name}.json")]
        )
        assert done.exit_code == 0, done.output
    files = [str(tmp_path / f"{name}.json") for name in ("luneta-mini", "luneta-mini-siglip")]
    other = run.invoke(app, ["compare", *files, "--report", str(tmp_path / "c.html"), "--data", "cenas:val"])
    assert other.exit_code == 2
    assert "is not the data set of these results" in other.output
    assert not (tmp_path / "c.html").exists()
    assert run.invoke(app, ["compare", *files, "--report", str(tmp_path / "c.html")]).exit_code == 0
    assert not opened(tmp_path / "c.html").all("img")
