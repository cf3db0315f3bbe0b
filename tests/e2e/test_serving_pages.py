"""The pages of a real server in a real browser: search in both languages, the lab, phones, the dark, the keyboard."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from test_report_browser import TEXTS_WITHOUT_CONTRAST

from browsing import needs_chromium
from luneta.bundles import IndexRecipe, build_bundle
from luneta.bundles.attaching import calibrate
from luneta.data.sources import open_dataset
from luneta.encoders.registry import load_encoder
from luneta.search import Item, Query, Searcher

pytestmark = [
    needs_chromium,
    pytest.mark.skipif(find_spec("gradio") is None, reason="pages are an optional dependency"),
]

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator
    from playwright.sync_api import Page as Tab

N = 120
PATIENCE_MS = 30_000
HARMLESS = re.compile(r"svelte-i18n|Autofocus processing|Method not implemented")
"""What gradio's own script says in any page."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("served") / "scenes.luneta"
    data, encoder = open_dataset("cenas", language="en", limit=N), load_encoder("luneta-mini")
    source = {"source": {"source": "cenas", "language": "en", "limit": N}}
    build_bundle(encoder, data, place, recipe=IndexRecipe(kind="exact"), cache=False, **source)
    calibrate(place, None, encoder=encoder, error_rate=0.05)
    return place


@pytest.fixture(scope="module")
def searcher(folder: Path) -> Searcher:
    return Searcher.open(folder)


@pytest.fixture(scope="module")
def caption(searcher: Searcher) -> str:
    """A text of the bundle that finds something relevant."""
    texts = searcher.bundle.items("text").column("_text").to_pylist()
    return next(text for text in texts if len(text.split()) < 7 and searcher.search(text).relevant)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def address(folder: Path, cache: Path) -> Iterator[str]:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "LUNETA_CACHE": str(cache),
        "GRADIO_TEMP_DIR": str(cache / "uploads"),
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "luneta", "serve", folder, "--port", "0"],
        env=environment, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert server.stderr
    said = ""
    while not (found := re.search(r"http://[\d.]+:\d+", said)):
        line = server.stderr.readline()
        assert line, said
        said += line
    yield found[0]
    server.send_signal(signal.SIGINT)
    try:
        server.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.communicate()


@dataclass
class Visit:
    """A tab on the pages, and what happened in it that nobody meant."""

    tab: Tab
    events: list[str]

    def search(self, text: str) -> None:
        self.tab.locator("#query input").fill(text)
        self.tab.keyboard.press("Enter")
        self.answered(text)

    def answered(self, text: str) -> None:
        self.tab.locator(".answers h2", has_text=text).wait_for(timeout=PATIENCE_MS)

    def ids(self) -> list[int]:
        """Numbers of the answers, in the order shown."""
        return [int(number) for number in self.tab.locator(".card .acts [data-act=more]").evaluate_all(
            "buttons => buttons.map(button => button.dataset.id)"
        )]  # fmt: skip

    def cards(self) -> Locator:
        return self.tab.locator(".card")


Open = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Open]:
    contexts, visits = [], []

    def opened(width: int = 1280, scheme: Any = "light", locale: str = "en-GB") -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, locale=locale, reduced_motion="reduce"
        )
        contexts.append(context)
        tab, events = context.new_page(), []
        tab.set_default_timeout(PATIENCE_MS)
        tab.on("console", lambda message: None if HARMLESS.search(message.text) else events.append(message.text))
        tab.on("pageerror", lambda error: events.append(f"error: {error}"))
        tab.on(
            "response", lambda answer: events.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None
        )
        tab.on(
            "request", lambda asked: None if _is_ours(asked.url, address) else events.append(f"asked {asked.url[:90]}")
        )
        tab.goto(address)
        tab.locator(".card").first.wait_for()
        tab.wait_for_function("document.documentElement.lang && luneta.language()")
        visits.append(Visit(tab, events))
        return visits[-1]

    yield opened
    events = [event for each in visits for event in each.events]
    for context in contexts:
        context.close()
    assert events == []


def _is_ours(url: str, address: str) -> bool:
    return url.startswith((f"{address}/", "data:", "blob:"))


def expected(searcher: Searcher, query: Any, **wish: Any) -> list[int]:
    return [hit.id for hit in searcher.search(query, **wish)]


def test_search_in_english(visit: Open, searcher: Searcher, caption: str) -> None:
    seen = visit()
    assert seen.tab.evaluate("document.documentElement.lang") == "en"
    assert seen.tab.get_by_role("heading", name="Some of what is in here").is_visible()
    seen.search(caption)
    assert seen.ids() == expected(searcher, caption)
    first = seen.cards().first
    hit = searcher.search(caption)[0]
    assert first.locator(".score").inner_text().split()[-1] == f"{hit.score:.3f}"
    assert first.locator("img").get_attribute("alt") == hit.texts[0]
    assert first.locator("img").evaluate("image => image.naturalWidth") > 50
    seen.tab.get_by_role("button", name="Next").click()
    seen.answered("11–20")
    assert seen.ids() == expected(searcher, caption, offset=10)


def test_search_in_portuguese_and_another_language_in_the_midst(visit: Open, searcher: Searcher, caption: str) -> None:
    seen = visit(locale="pt-BR")
    assert seen.tab.evaluate("document.documentElement.lang") == "pt-BR"
    seen.tab.get_by_label("O que você procura?").fill(caption)
    seen.tab.get_by_role("button", name="Buscar", exact=True).click()
    seen.answered(f"1–10 para “{caption}”")
    assert seen.ids() == expected(searcher, caption)
    assert re.search(r"\b0,\d{3}$", seen.cards().first.locator(".score").inner_text())
    seen.tab.locator("#query input").fill("half a que")
    seen.tab.get_by_text("English").click()
    seen.answered(f"1–10 for “{caption}”")
    assert seen.tab.get_by_label("What are you looking for?").input_value() == "half a que"
    assert seen.ids() == expected(searcher, caption)
    seen.tab.wait_for_function("document.documentElement.lang === 'en'")
    seen.tab.reload()
    seen.tab.get_by_label("What are you looking for?").wait_for()  # the choice is remembered


def test_search_by_a_picture_and_a_filter(visit: Open, searcher: Searcher, tmp_path: Path) -> None:
    seen = visit()
    picture = searcher.picture(17)
    picture.save(tmp_path / "mine.png")
    seen.tab.locator("#picture input[type=file]").set_input_files(tmp_path / "mine.png")
    seen.tab.locator("#picture img").wait_for()
    seen.tab.get_by_role("button", name="Search", exact=True).click()
    seen.answered("your picture")
    assert seen.ids() == expected(searcher, picture)
    assert seen.ids()[0] == 17
    seen.tab.get_by_label("Place").click()
    seen.tab.get_by_role("option", name="kitchen").click()
    seen.tab.keyboard.press("Escape")
    seen.tab.get_by_role("button", name="Search", exact=True).click()
    seen.tab.get_by_text("filters: Place: kitchen").wait_for()
    assert seen.ids() == expected(searcher, picture, where="place = 'kitchen'")


def test_more_like_an_answer_and_why_it_was_found(visit: Open, searcher: Searcher, caption: str) -> None:
    seen = visit()
    seen.search(caption)
    number = seen.ids()[2]
    third = seen.cards().nth(2)
    third.get_by_role("button", name="Why this one?").last.click()
    heading = seen.tab.get_by_role("heading", name="What carries the score")
    heading.wait_for()
    seen.tab.wait_for_function("document.activeElement?.id === 'why-title'")
    maps = seen.tab.locator(".detail img")
    assert maps.nth(1).get_attribute("alt") == f"Heat map of: {searcher.search(caption)[2].texts[0]}"
    assert maps.nth(1).evaluate("image => image.naturalWidth") > 50
    words = seen.tab.locator(".carriers span").all_inner_texts()
    assert [word.split("\n")[0].rstrip("0123456789.+-") for word in words] == caption.split()
    seen.tab.get_by_role("button", name="Close").click()
    heading.wait_for(state="detached")
    third.get_by_role("button", name="More like this").click()
    seen.answered("like “")
    assert seen.tab.locator("#query input").input_value() == ""
    assert seen.ids() == expected(searcher, Query.of(Item("image", number)))


def test_nothing_relevant_and_a_look_anyway(visit: Open, searcher: Searcher) -> None:
    queries = ("a submarine eating pizza", "quantum tax law", "the parliament in session", "zzzz")
    query = next(query for query in queries if searcher.search(query).relevant is False)
    seen = visit()
    seen.search(query)
    seen.tab.get_by_text("Nothing relevant here").wait_for()
    assert seen.ids() == []
    seen.tab.get_by_role("button", name="Look anyway").click()
    seen.tab.get_by_text("None of these is relevant").wait_for()
    assert seen.ids() == expected(searcher, query)


def test_thumbs_are_kept_and_move_the_next_search(visit: Open, searcher: Searcher, caption: str, cache: Path) -> None:
    seen = visit()
    seen.search(caption)
    before = seen.ids()
    seen.cards().nth(4).get_by_role("button", name="This is what I mean").click()
    seen.cards().nth(4).locator("[data-act=up][aria-pressed=true]").wait_for()
    seen.cards().nth(0).get_by_role("button", name="Not this").click()
    seen.tab.get_by_text("Your thumbs: 1 up, 1 down").wait_for()
    (file,) = (cache / "feedback").iterdir()
    assert seen.tab.get_by_text(f"Kept in {file}").is_visible()
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [(line["id"], line["vote"]) for line in lines] == [(before[4], 1), (before[0], -1)]
    with seen.tab.expect_download() as taken:
        seen.tab.get_by_role("button", name="Download your thumbs").click()
    assert Path(taken.value.path()).read_bytes() == file.read_bytes()
    seen.tab.get_by_role("button", name="Search again with them").click()
    seen.tab.get_by_text("2 of your thumbs moved this search.").wait_for()
    assert seen.ids() == expected(searcher, caption, like=[before[4]], unlike=[before[0]])


def test_what_makes_no_sense_is_told_in_a_sentence(visit: Open) -> None:
    seen = visit(locale="pt-BR")
    seen.tab.get_by_role("button", name="Buscar", exact=True).click()
    alert = seen.tab.locator(".answers [role=alert]")
    alert.wait_for()
    assert alert.inner_text().split("\n")[-1] == "Diga o que procurar: um texto, uma imagem ou ambos."
    seen.tab.get_by_text("Uma condição sua").click()
    seen.tab.get_by_label(re.compile(r"^\s*Condição")).fill("stile = 'flat'")
    seen.tab.locator("#query input").fill("x")
    seen.tab.keyboard.press("Enter")
    seen.tab.locator(".answers [role=alert]", has_text="stile").wait_for()


def test_a_file_of_another_kind_is_told_in_the_pages_language(visit: Open, tmp_path: Path) -> None:
    seen = visit(locale="pt-BR")
    (tmp_path / "text.txt").write_text("no picture")
    (tmp_path / "data.exe").write_text("no data")
    said = "“{}” não é um arquivo de um tipo que sirva aqui."
    seen.tab.locator("#picture input[type=file]").set_input_files(tmp_path / "text.txt")
    alert = seen.tab.locator(".wrong-kind")
    alert.wait_for()
    assert alert.inner_text() == said.format("text.txt")
    assert seen.tab.get_by_text("Invalid file type").count() == 0
    seen.tab.get_by_role("tab", name="Laboratório").click()
    seen.tab.get_by_label("Envio").check()
    seen.tab.locator("#lab-upload input[type=file]").set_input_files(tmp_path / "data.exe")
    seen.tab.locator(".wrong-kind", has_text=said.format("data.exe")).wait_for()
    assert seen.tab.get_by_text("Invalid file type").count() == 0
    seen.tab.get_by_label("Imagens no máximo (amostra aleatória)").fill("1")
    seen.tab.get_by_label("Cenas (embutido)").check()
    seen.tab.get_by_role("button", name="Medir").click()
    seen.tab.locator("#lab-results [role=alert]", has_text="Escolha de 2 a 5000 imagens.").wait_for()
    assert seen.tab.get_by_text("minimum value").count() == 0


def test_the_lab_measures_cenas(visit: Open) -> None:
    seen = visit()
    tab = seen.tab
    tab.get_by_role("tab", name="Lab").click()
    tab.get_by_label("Pictures at most (a random sample)").fill("60")
    tab.get_by_role("button", name="Measure").click()
    tab.locator(".working progress").wait_for()
    results = tab.locator(".lab.measured")
    results.wait_for()
    tables = results.locator("table")
    assert tables.count() == 5  # two directions, compared in two directions, and the cost
    rows = tables.first.locator("tbody tr")
    assert rows.locator("th").all_inner_texts() == ["luneta-mini", "luneta-mini-siglip", "guessing"]
    assert re.fullmatch(r"\d+\.\d %\s+\[\d+\.\d, \d+\.\d\]", rows.first.locator("td").first.inner_text())
    assert results.get_by_text("luneta evaluate cenas --limit=60").is_visible()
    with tab.expect_download() as taken:
        tab.get_by_role("button", name="Download the report (HTML)").click()
    report = Path(taken.value.path()).read_text("utf-8")
    assert taken.value.suggested_filename == "report.html"
    assert "luneta-mini-siglip" in report
    with tab.expect_download() as taken:
        tab.get_by_role("button", name="Download the results (JSON)").click()
    assert json.loads(Path(taken.value.path()).read_text("utf-8"))["schema"] == "luneta.lab/1"
    tab.get_by_text("Português").click()
    tab.locator(".lab.measured h2", has_text="Resultados").wait_for()
    assert "acaso" in tables.first.inner_text()


def test_the_lab_is_cancelled_and_refuses_in_a_sentence(visit: Open) -> None:
    seen = visit(locale="pt-BR")
    tab = seen.tab
    tab.get_by_role("tab", name="Laboratório").click()
    tab.get_by_label("Imagens no máximo (amostra aleatória)").fill("2000")
    tab.get_by_role("button", name="Medir").click()
    tab.locator(".working progress").wait_for()
    tab.get_by_role("button", name="Cancelar").click()
    tab.locator("#lab-results", has_text="Cancelado.").wait_for()
    tab.get_by_label("Hugging Face Hub").check()
    tab.get_by_label("Nome no hub").fill("../../etc")
    tab.get_by_role("button", name="Medir").click()
    tab.locator("#lab-results [role=alert]", has_text="dono/nome").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_in_the_light_and_in_the_dark(visit: Open, caption: str, scheme: str) -> None:
    seen = visit(390, scheme)
    tab = seen.tab
    assert tab.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
    tab.wait_for_function("!document.querySelector('.side .fold > button.label-wrap.open')")  # answers come first
    seen.search(caption)
    seen.cards().first.locator("[data-act=up]").click()
    tab.locator(".marks").wait_for()
    tab.get_by_text("Filters", exact=True).click()
    tab.get_by_label("Place").wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    spilled = tab.evaluate(
        """() => [...document.querySelectorAll('main *')].filter(e => {
            const box = e.getBoundingClientRect();
            return e.checkVisibility() && !e.closest('.visually-hidden, .skip, .scroll, [aria-hidden=true]')
                && box.width > 1 && (box.right > innerWidth + 1 || box.left < -1);
        }).map(e => e.outerHTML.slice(0, 120))"""
    )
    assert spilled == []
    found = tab.evaluate(TEXTS_WITHOUT_CONTRAST)
    assert found["n"] > 60
    assert found["bad"] == {}


NAMELESS = """() => [...document.querySelectorAll('button, input, textarea, a[href], [role=tab], img')].filter(e => {
    if (!e.checkVisibility() || e.closest('[aria-hidden=true]') || e.type === 'file') return false;
    if (e.tagName === 'IMG') return !e.hasAttribute('alt');
    const by = (e.getAttribute('aria-labelledby') || '').split(' ');
    const labelled = by.map(id => document.getElementById(id)?.innerText);
    const names = [e.getAttribute('aria-label'), e.title, e.innerText, e.placeholder, ...labelled,
                   ...[...(e.labels || [])].map(label => label.innerText)];
    return !names.some(name => (name || '').trim());
}).map(e => e.outerHTML.slice(0, 160))"""


def test_the_keyboard_is_enough_and_everything_has_a_name(visit: Open, searcher: Searcher, caption: str) -> None:
    seen = visit()
    tab = seen.tab
    tab.mouse.click(2, 2)  # from the top: the page begins in its query
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.innerText") == "Skip to the search"
    order: list[str] = []
    for _ in range(12):
        tab.keyboard.press("Tab")
        order.append(tab.evaluate("document.activeElement.closest('[id]')?.id || ''"))
        if tab.evaluate("document.activeElement.matches('#query input')"):
            break
    assert order.index("language") < order.index("tabs") < order.index("query")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.type(caption)
    tab.keyboard.press("Enter")
    seen.answered(caption)
    number = seen.ids()[0]
    for _ in range(60):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.matches('.acts [data-act=more]')"):
            break
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert tab.evaluate("document.activeElement.dataset.id") == str(number)
    tab.keyboard.press("Enter")
    seen.answered("like “")
    assert seen.ids() == expected(searcher, Query.of(Item("image", number)))
    assert tab.evaluate(NAMELESS) == []
    tab.get_by_role("tab", name="Lab").click()
    tab.get_by_role("button", name="Measure").wait_for()
    assert tab.evaluate(NAMELESS) == []
