"""The evaluation report in a real browser: nothing runs, nothing is fetched, everything fits and can be read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageDraw

from browsing import needs_chromium, spilled
from luneta.advice import advise
from luneta.evaluation import evaluate
from luneta.report.evaluation import write_report
from luneta.report.sections import Retrieved, Search, Searches
from luneta.types import SkippedRow
from worlds import ConceptEncoder, Pixel, world

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

pytestmark = needs_chromium

EVIL = "<script>alert(1)</script>\"'><img src=http://x.test/y onerror=alert(2)><svg onload=alert(3)>{{ 7*7 }}"
ARABIC = "قارب أحمر صغير على الشاطئ عند الغروب"
LONG = "a" * 300


@dataclass(frozen=True)
class Drawn(Pixel):
    """A picture one can tell apart, in several shapes of frame."""

    def open(self) -> Image.Image:
        width, height = [(96, 96), (160, 60), (60, 160)][self.concept % 3]
        picture = Image.new("RGB", (width, height), f"hsl({self.concept * 37 % 360}, 60%, 75%)")
        ImageDraw.Draw(picture).ellipse(
            (10, 10, width - 10, height - 10), fill=f"hsl({self.concept * 61 % 360}, 70%, 40%)"
        )
        return picture

    def key(self) -> str:
        return hashlib.sha256(str(self.concept).encode()).hexdigest()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = world(60, captions_per_image=2)
    texts = [f"{(EVIL, ARABIC, LONG, 'um barco pequeno')[i % 4]} {i}" for i in range(120)]
    shown = replace(data, images=[Drawn(i) for i in range(60)], texts=texts)
    results = []
    for name, noise in (
        ("luneta-mini", 3.0),
        (EVIL, 4.0),
        ("somebody/with-a-rather-long-name-of-a-model-b16-224", 9.0),
    ):
        result = evaluate(ConceptEncoder(noise=noise, name=name), data, cache=False)
        details = {"weights": "0" * 64, EVIL: LONG}
        results.append(
            replace(
                result,
                data=shown,
                encoder={**result.encoder, "details": details},
                skipped=(SkippedRow(3, LONG, EVIL), SkippedRow(4, "images/4.jpg", ARABIC)),
            )
        )
    found = [Retrieved(shown.images[i], 0.5 - i / 10, i == 1, EVIL) for i in range(5)]
    return write_report(
        tmp_path_factory.mktemp("report") / "report.html",
        results,
        advice=advise(results),
        extra=[Searches([Search(ARABIC, found, "ar", LONG)], note=EVIL)],
        command=f"luneta evaluate {LONG} --encoder luneta-mini",
    )


@dataclass
class Visit:
    """A tab on the report, everything in it unfolded, and what happened on the way."""

    tab: Tab
    events: list[str]


@pytest.fixture
def visit(browser: Browser, report: Path) -> Iterator[Any]:
    contexts = []

    def open_report(width: int = 1280, scheme: Any = "light") -> Visit:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        tab, events = context.new_page(), []
        tab.on("console", lambda message: events.append(f"console: {message.text}"))
        tab.on("pageerror", lambda error: events.append(f"error: {error}"))
        tab.on("dialog", lambda dialog: (events.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        tab.on("request", lambda request: events.append(f"request: {request.url[:80]}"))
        tab.goto(report.as_uri())
        tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        return Visit(tab, events)

    yield open_report
    for context in contexts:
        context.close()


def test_nothing_runs_and_nothing_is_fetched(visit: Any, report: Path) -> None:
    seen = visit()
    seen.tab.wait_for_timeout(200)
    outside = [
        event for event in seen.events if not event.startswith(("request: data:", f"request: {report.as_uri()[:80]}"))
    ]
    assert outside == []
    assert seen.tab.locator("script").count() == 0
    assert seen.tab.get_by_text("<script>alert(1)</script>").count() > 10


def test_every_picture_loads(visit: Any) -> None:
    tab = visit().tab
    tab.evaluate("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
    tab.wait_for_function("[...document.images].every(i => i.complete)")
    widths = tab.evaluate("[...document.images].map(i => i.naturalWidth)")
    assert len(widths) > 100
    assert min(widths) > 0
    assert max(widths) <= 144


def test_pictures_of_every_shape_are_shown_whole(visit: Any) -> None:
    tab = visit().tab
    cut = tab.evaluate(
        """() => [...document.querySelectorAll('.frame img')].filter(image => {
            const inner = image.getBoundingClientRect(), frame = image.parentElement.getBoundingClientRect();
            return inner.height > frame.height + 1 || inner.width > frame.width + 1
                || Math.abs(frame.height - frame.width) > 1 || getComputedStyle(image).objectFit !== 'contain';
        }).length"""
    )
    assert cut == 0


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_screen(visit: Any, width: int) -> None:
    tab = visit(width).tab
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert spilled(tab) == []


LUMINANCE = """
    const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1});
    const brush = canvas.getContext('2d', {willReadFrequently: true});
    const rgba = colour => {
        brush.clearRect(0, 0, 1, 1);
        brush.fillStyle = colour;
        brush.fillRect(0, 0, 1, 1);
        return [...brush.getImageData(0, 0, 1, 1).data];
    };
    const part = v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
    const contrast = (one, other) => {
        const [high, low] = [light(one), light(other)].sort((a, b) => b - a);
        return (high + .05) / (low + .05);
    };
"""
"""Contrast as WCAG 2 defines it; a canvas turns any CSS colour into bytes."""

TEXTS_WITHOUT_CONTRAST = f"""() => {{
    {LUMINANCE}
    const behind = element => {{
        for (; element; element = element.parentElement) {{
            const colour = rgba(getComputedStyle(element).backgroundColor);
            if (colour[3] === 255) return colour;
        }}
        return [255, 255, 255, 255];
    }};
    const bad = {{}}, walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let n = 0;
    while (walker.nextNode()) {{
        const text = walker.currentNode.data.trim(), element = walker.currentNode.parentElement;
        if (!text || !element.checkVisibility()) continue;
        const style = getComputedStyle(element);
        const ratio = contrast(rgba(element.closest('svg') ? style.fill : style.color), behind(element));
        n += 1;
        if (ratio < 4.5) bad[text.slice(0, 40)] = ratio;
    }}
    return {{n, bad}};
}}"""

MARKS = ("--series-1", "--series-2", "--series-3", "--series-4", "--series-5", "--series-6", "--good", "--muted")
CONTRAST_OF_MARKS = f"""names => {{
    {LUMINANCE}
    const root = getComputedStyle(document.documentElement), colour = name => rgba(root.getPropertyValue(name));
    return names.map(name => contrast(colour(name), colour('--surface')));
}}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(visit: Any, scheme: str) -> None:
    tab = visit(scheme=scheme).tab
    found = tab.evaluate(TEXTS_WITHOUT_CONTRAST)
    assert found["n"] > 500
    assert found["bad"] == {}
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(v) for v in ground[4:-1].split(",")) < 200) == (scheme == "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_and_lines_stand_out_from_the_ground(visit: Any, scheme: str) -> None:
    """What carries meaning in a drawing has at least 3:1 against the card behind it."""
    tab = visit(scheme=scheme).tab
    ratios = dict(zip(MARKS, tab.evaluate(CONTRAST_OF_MARKS, MARKS), strict=True))
    assert {name: ratio for name, ratio in ratios.items() if ratio < 3} == {}


def test_keyboard_reaches_links_folds_and_wide_tables_and_shows_where_it_is(visit: Any) -> None:
    tab = visit(360).tab
    reached: dict[str, str] = {}
    for _ in range(60):
        tab.keyboard.press("Tab")
        tag, klass, outline = tab.evaluate(
            "(e => [e.tagName, e.className, getComputedStyle(e).outlineStyle])(document.activeElement)"
        )
        reached[f"{tag}.{klass}"] = outline
    assert {"A.skip", "A.", "DIV.scroll", "SUMMARY."} <= set(reached)
    assert {name: outline for name, outline in reached.items() if outline == "none" and name != "BODY."} == {}


def test_right_to_left_texts_run_right_to_left(visit: Any) -> None:
    tab = visit().tab
    query = tab.locator("p.query", has_text=ARABIC).first
    assert query.evaluate("e => getComputedStyle(e).direction") == "rtl"
    assert (
        tab.locator("p.query", has_text="um barco pequeno").first.evaluate("e => getComputedStyle(e).direction")
        == "ltr"
    )


def test_paper_shows_the_numbers(visit: Any) -> None:
    tab = visit().tab
    tab.emulate_media(media="print")
    assert tab.locator("nav.contents").is_hidden()
    assert tab.locator("table.metrics").first.is_visible()


def test_paper_shows_what_is_folded(visit: Any) -> None:
    tab = visit().tab
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = false)")
    hidden = "[...document.querySelectorAll('details article')].filter(e => !e.checkVisibility()).length"
    assert tab.evaluate(hidden) > 10
    tab.emulate_media(media="print")
    assert tab.evaluate(hidden) == 0
    assert tab.locator("details article").last.evaluate("e => e.getBoundingClientRect().height") > 50
