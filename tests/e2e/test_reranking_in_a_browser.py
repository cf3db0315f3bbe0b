"""The pages of `luneta rerank train` and `luneta rerank evaluate` in a real browser, in both languages.

What is read off the page is held against the files that the commands left beside it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

from browsing import needs_chromium, spilled
from luneta.cli import app
from luneta.rerank import Fusion, run
from luneta.rerank.honesty import QUESTIONS, Answer
from luneta.results import load_evaluation

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

pytestmark = needs_chromium

LOCALES = ("en", "pt-BR")
HEADINGS = {
    "choice": {"en": "How far it is believed", "pt-BR": "Quanto se acredita nele"},
    "tried": {"en": "All that was tried", "pt-BR": "Tudo o que se tentou"},
    "questions": {"en": "Does it do what it says?", "pt-BR": "Ele faz o que diz?"},
    "numbers": {"en": "Before and after, in numbers", "pt-BR": "Antes e depois, em números"},
}
SHOWN = ("recall@1", "recall@5", "recall@10", "mrr", "ndcg@10")
NUMBER = re.compile(r"[-+]?\d+[.,]\d+|[-+]?\d+")


@pytest.fixture(scope="module")
def folder(tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small training that is believed by force, and a measurement; their pages are made.LOCALE.html and
    measured.LOCALE.html."""
    place, choose = tmp_path_factory.mktemp("pages"), run.choose
    shared = ("cenas", "--language", "en", "--limit", "40", "--dtype", "float32", "--device", "cpu")
    train = ("rerank", "train", *shared, "--split", "val", "--val-split", "test", "--test-split", "train",
             "-e", tiny_checkpoint("siglip"), "--steps", "12", "--queries", "6", "--hard", "3", "--insert-layer", "-1",
             "--hidden", "16", "--learning-rate", "0.05", "--no-near", "--out", "elip")  # fmt: skip
    measure = ("rerank", "evaluate", "elip/reranker", *shared, "--split", "train", "--k", "5", "--k", "10",
               "--json", "r.json")  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("LUNETA_CACHE", str(place / "cache"))
        patch.setattr(run, "choose", lambda *a, **o: dataclasses.replace(choose(*a, **o), fusion=Fusion(0.75, 10)))
        patch.setattr(run, "question", lambda *_, **__: [Answer(name, 0.125, 0.0625, 0.25) for name in QUESTIONS])
        for locale in LOCALES:
            for command, name in ((train, "made"), (measure, "measured")):
                told = [*command, "--report", f"{name}.{locale}.html", "--locale", locale]
                done = CliRunner(env={"HF_HUB_OFFLINE": "1"}).invoke(app, list(map(str, told)))
                assert done.exit_code == 0, done.output
        yield place


@pytest.fixture(scope="module")
def made(folder: Path) -> Any:
    return json.loads((folder / "elip" / "elip.json").read_text())


@pytest.fixture
def visit(browser: Browser, folder: Path) -> Iterator[Callable[..., tuple[Tab, list[str]]]]:
    """Opens a page with everything in it unfolded; beside it what happened on the way."""
    contexts = []

    def opened(name: str, width: int = 1280) -> tuple[Tab, list[str]]:
        context = browser.new_context(viewport={"width": width, "height": 844})
        contexts.append(context)
        tab, events = context.new_page(), []
        tab.on("console", lambda message: events.append(f"console: {message.text}"))
        tab.on("pageerror", lambda error: events.append(f"error: {error}"))
        tab.on("requestfailed", lambda request: events.append(f"failed: {request.url[:80]}"))
        tab.on("request", lambda request: events.append(f"request: {request.url[:80]}"))
        tab.goto((folder / f"{name}.html").as_uri())
        tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        return tab, events

    yield opened
    for context in contexts:
        context.close()


def section(tab: Tab, name: str, locale: str) -> Any:
    """The section under a heading."""
    return tab.locator("section").filter(has=tab.get_by_role("heading", name=HEADINGS[name][locale], exact=True))


def rows(tab: Tab, name: str, locale: str) -> list[list[str]]:
    """Cells of the table of a section as they are seen, without its header."""
    found = section(tab, name, locale).locator("tbody tr").all()
    return [row.locator("th, td").all_inner_texts() for row in found]


def numbers(said: str, locale: str) -> list[float]:
    """Numbers in a cell; a language writes its own decimal sign and no other."""
    found = NUMBER.findall(said)
    assert not any({"en": ",", "pt-BR": "."}[locale] in number for number in found), said
    return [float(number.replace(",", ".")) for number in found]


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("name", ["made", "measured"])
def test_it_opens_in_its_language_and_asks_for_nothing(visit: Any, folder: Path, name: str, locale: str) -> None:
    tab, events = visit(f"{name}.{locale}")
    tab.evaluate("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
    tab.wait_for_function("[...document.images].every(i => i.complete)")
    own = f"request: {(folder / name).as_uri()[:80]}"
    assert [event for event in events if not event.startswith(("request: data:", own))] == []
    assert tab.locator("html").get_attribute("lang") == locale
    assert min(tab.evaluate("[...document.images].map(i => i.naturalWidth)")) > 0
    assert section(tab, "numbers", locale).is_visible()
    for other in set(LOCALES) - {locale}:
        text = tab.locator("body").inner_text()
        assert [words[other] for words in HEADINGS.values() if words[other] in text] == []


POINTS = """svg => [...svg.querySelectorAll('path')]
    .filter(path => path.checkVisibility() && path.style.fill === 'none' && path.style.stroke.includes('--series-'))
    .map(path => [...path.getAttribute('d').matchAll(/[ML] ([-\\d.]+) ([-\\d.]+)/g)].map(m => [+m[1], +m[2]]))
    .filter(points => points.length > 2)"""
"""Of every line of a drawing, where its points are."""


@pytest.mark.parametrize("locale", LOCALES)
def test_the_curve_is_of_the_trials(visit: Any, made: Any, locale: str) -> None:
    """Every point lies where its alpha and its gain say, on one scale for all lines; the one that is used is first."""
    tab, _ = visit(f"made.{locale}")
    figure = section(tab, "choice", locale).locator("svg").first
    box = figure.bounding_box()
    assert box["width"] > 250
    assert box["height"] > 150
    drawn = figure.evaluate(POINTS)
    alone, *others = made["trials"]
    by_depth = {k: [alone, *trials] for k, trials in groupby(others, key=lambda trial: trial["fusion"]["k"])}
    depths = [made["fusion"]["k"], *sorted(set(by_depth) - {made["fusion"]["k"]}, reverse=True)]
    assert len(drawn) == len(depths) > 1
    for axis, value in enumerate((lambda t: t["fusion"]["alpha"], lambda t: t["gain"]["value"])):
        said = np.array([value(trial) for k in depths for trial in by_depth[k]])
        places = np.array([point[axis] for line in drawn for point in line])
        assert np.ptp(said) > 0.001
        slope, shift = np.polyfit(said, places, 1)
        np.testing.assert_allclose(slope * said + shift, places, atol=0.01)
        assert (slope > 0) == (axis == 0)  # up is more
    told = numbers(figure.get_attribute("aria-label").partition(": ")[2], locale)
    used = [(trial["gain"]["value"], trial["fusion"]["alpha"]) for trial in by_depth[depths[0]]]
    np.testing.assert_allclose(np.reshape(told, (-1, 2)), used, atol=5.1e-5)
    key = section(tab, "choice", locale).locator(".legend li").all_inner_texts()
    assert [numbers(words, locale) for words in key] == [[k] for k in depths]


@pytest.mark.parametrize("locale", LOCALES)
def test_the_table_holds_the_very_numbers(visit: Any, made: Any, locale: str) -> None:
    tab, _ = visit(f"made.{locale}")
    tried = rows(tab, "tried", locale)
    assert len(tried) == len(made["trials"])
    for (alpha, k, value, gain, limits), trial in zip(tried, made["trials"], strict=True):
        fusion, interval = trial["fusion"], trial["gain"]
        assert numbers(alpha, locale) == [fusion["alpha"]]
        assert ("*" in alpha) == (fusion == made["fusion"])
        assert k == str(fusion["k"])
        assert numbers(value, locale) == [pytest.approx(trial["value"], abs=5.1e-5)]
        assert numbers(gain, locale) == [pytest.approx(interval["value"], abs=5.1e-5)]
        ends = [] if interval["low"] is None else [interval["low"], interval["high"]]
        assert numbers(limits, locale) == pytest.approx(ends, abs=5.1e-5)
    assert sum("*" in row[0] for row in tried) == 1
    asked = rows(tab, "questions", locale)
    assert [numbers(difference, locale) for _, difference, _ in asked] == [[0.125, 0.0625, 0.25]] * 3
    assert {answer for *_, answer in asked} == {{"en": "yes", "pt-BR": "sim"}[locale]}


@pytest.mark.parametrize("locale", LOCALES)
def test_before_and_after_are_those_of_the_results(visit: Any, folder: Path, locale: str) -> None:
    """Of the proof on the page of the training, and of every depth on that of the measurement."""
    for name, files in {"made": ("elip/before", "elip/after"), "measured": ("r.before", "r.k5", "r.k10")}.items():
        tab, _ = visit(f"{name}.{locale}")
        metrics = [load_evaluation(folder / f"{file}.json").metrics["text_to_image"] for file in files]
        shown = {row[0]: row[1:] for row in rows(tab, "numbers", locale)}
        assert tuple(shown) == SHOWN
        for metric, cells in shown.items():
            values = [numbers(cell, locale)[0] for cell in cells[: len(files)]]
            assert values == pytest.approx([of[metric].value for of in metrics], abs=5.1e-4)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("name", ["made", "measured"])
def test_a_phone_scrolls_up_and_down_only(visit: Any, name: str, locale: str) -> None:
    tab, _ = visit(f"{name}.{locale}", 390)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert spilled(tab) == []
