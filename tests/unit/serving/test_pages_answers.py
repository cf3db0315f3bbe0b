"""What the search page shows: what the searcher found, escaped, in the language asked for."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import string
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("gradio")

import serving
from luneta.bundles.calibration import Calibration, Cutoff, Rate
from luneta.progress import track
from luneta.search import Hits, Item, Searcher
from luneta.serving import Settings
from luneta.serving.pages.answers import answers_html, examples_html, header_html
from luneta.serving.pages.asking import N_EXPLAINED, PAGE, Asked, Desk, View, turned
from luneta.serving.pages.feedback import DOWN, UP, FeedbackBook, Marks
from luneta.serving.pages.frame import Frame
from luneta.serving.pages.messages import PAGES
from luneta.serving.pages.presets import PLAIN, Preset, preset_of
from luneta.serving.pages.refusals import Refusal
from luneta.serving.pages.search_page import SearchPage
from luneta.wording import LOCALES
from pages import Element, read


def desk_of(
    folder: Path, tmp_path: Path, presets: Mapping[str, Preset] | None = None, searcher: Any = None, **settings: Any
) -> Desk:
    found: dict[str, Searcher] = {"pixels": searcher or serving.searcher(folder)}
    return Desk(found, presets or {}, Settings(**settings), FeedbackBook(tmp_path / "feedback"))


@pytest.fixture
def desk(bundle: Path, tmp_path: Path) -> Desk:
    return desk_of(bundle, tmp_path)


def shown(desk: Desk, view: View, marks: Marks | None = None, locale: Any = "en") -> Element:
    return read(answers_html(desk, view, marks or Marks(), locale))


def cards(page: Element) -> list[Element]:
    return page.all("li", klass="card")


def test_the_messages_stand_in_both_languages_with_the_same_parameters() -> None:
    def fields(text: str) -> set[str]:
        return {name for _, name, *_ in string.Formatter().parse(text) if name}

    assert {name for name, (english, portuguese) in PAGES.items() if fields(english) != fields(portuguese)} == set()
    assert all(english and portuguese for english, portuguese in PAGES.values())


def test_every_message_that_is_asked_for_is_there_and_every_one_there_is_asked_for() -> None:
    root = Path(serving.__file__).parents[1] / "src" / "luneta" / "serving" / "pages"
    files = [path for path in (*root.glob("*.py"), *root.glob("templates/*.jinja")) if path.name != "messages.py"]
    texts = [path.read_text("utf-8") for path in files]
    source = "\n".join(texts)
    named = set(re.findall(r"""\bt\(["'](\w+)["']""", source)) | set(re.findall(r"""Refusal\(["'](\w+)["']""", source))
    assert named <= set(PAGES)
    unused = {name for name in PAGES if not re.search(rf"""["']{name}["']""", source)}
    made_up = (
        "stage_",
        "lab_step_",
        "lab_style_",
        "target_",
        "lab_cenas",
        "lab_hub",
        "lab_folder",
        "lab_upload",
        "where_",
    )
    assert {name for name in unused if not name.startswith(made_up)} == set()


@pytest.mark.parametrize("target", ["image", "text"])
def test_the_answers_are_those_of_the_searcher(bundle: Path, desk: Desk, target: Any) -> None:
    asked = Asked("pixels", "thing 7 - 0.5*thing 3", target=target, where="style = 'flat' and number < 40")
    expected = serving.searcher(bundle).search(asked.text, target=target, where=asked.where)
    view = desk.answer(asked, Marks())
    page = shown(desk, view)
    found = cards(page)
    assert view.hits is not None
    assert [hit.id for hit in view.hits] == [hit.id for hit in expected]
    numbers = [card.all("button", **{"data-act": "more"})[0].attributes["data-id"] for card in found]
    assert numbers == [str(hit.id) for hit in expected]
    scores = [card.all("span", klass="score")[0].text for card in found]
    assert scores == [f"score {hit.score:.3f}" for hit in expected]
    captions = [card.all("p", klass="caption")[0].text for card in found]
    assert captions == [hit.text if target == "text" else hit.texts[0] for hit in expected]


def test_numbers_are_written_as_the_language_does(desk: Desk) -> None:
    view = desk.answer(Asked("pixels", "thing 7"), Marks())
    english, portuguese = (
        cards(shown(desk, view, locale=locale))[0].all("span", klass="score")[0].text for locale in LOCALES
    )
    assert re.fullmatch(r"score -?\d\.\d{3}", english)
    assert portuguese == english.replace("score", "pontuação").replace(".", ",")


def test_pictures_say_what_they_show(desk: Desk) -> None:
    view = desk.answer(Asked("pixels", "thing 7"), Marks())
    assert view.hits is not None
    pictures = [card.all("img")[0].attributes for card in cards(shown(desk, view))]
    assert [picture["alt"] for picture in pictures] == [hit.texts[0] for hit in view.hits]
    assert all(picture["src"].startswith("data:image/jpeg;base64,") for picture in pictures)


def test_pages_go_on_where_the_last_one_ended(bundle: Path, desk: Desk) -> None:
    first = Asked("pixels", "thing 7")
    expected = [hit.id for hit in serving.searcher(bundle).search("thing 7", top_k=3 * PAGE)]
    found: list[int] = []
    for number in range(3):
        view = desk.answer(turned(first, number), Marks())
        assert view.hits is not None
        found += [hit.id for hit in view.hits]
        previous, following = shown(desk, view).all("nav")[0].all("button")
        assert ("disabled" in previous.attributes, "disabled" in following.attributes) == (number == 0, False)
    assert found == expected
    last = shown(desk, desk.answer(turned(first, 5), Marks()))
    assert "disabled" in last.all("nav")[0].all("button")[1].attributes
    assert turned(first, -3) == first


def test_more_like_an_answer_is_a_search_for_it(bundle: Path, desk: Desk) -> None:
    from luneta.search import Query

    asked = Asked("pixels", item=Item("image", 5), target="image")
    view = desk.answer(asked, Marks())
    expected = serving.searcher(bundle).search(Query.of(Item("image", 5)))
    assert view.hits is not None
    assert [hit.id for hit in view.hits] == [hit.id for hit in expected]
    assert "like “thing 5" in shown(desk, view).all("h2")[0].text


def test_text_and_picture_are_added_up(bundle: Path, desk: Desk, tmp_path: Path) -> None:
    from luneta.search import Part, Query

    path = tmp_path / "9.png"
    path.write_bytes(serving.picture(9))
    view = desk.answer(Asked("pixels", "thing 2", str(path)), Marks())
    with Image.open(path) as opened:
        expected = serving.searcher(bundle).search(Query((Part("thing 2"), Part(opened.convert("RGB")))))
    assert view.hits is not None
    assert [hit.id for hit in view.hits] == [hit.id for hit in expected]
    assert "thing 2 + your picture" in shown(desk, view).all("h2")[0].text


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked("pixels"), "Say what to look for"),
        (Asked("pixels", "  "), "Say what to look for"),
        (Asked("pixels", picture="/nowhere/x.png"), "The picture is no longer here"),
        (Asked("gone", "x"), "This collection is no longer served"),
        (Asked("pixels", "x", where="stile = 'flat'"), "no column 'stile'"),
        (Asked("pixels", "x - x"), "cancel one another"),
    ],
)
def test_what_cannot_be_answered_is_told_in_a_sentence(desk: Desk, asked: Asked, said: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - told below
        desk.answer(asked, Marks())
    alert = shown(desk, View("pixels", error=caught.value)).all("div", role="alert")[0]
    assert said in alert.text
    assert "Traceback" not in alert.text


def test_an_uploaded_picture_that_is_asked_with_is_in_use(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "9.png"
    path.write_bytes(serving.picture(9))
    os.utime(path, (1, 1))
    desk.answer(Asked("pixels", picture=str(path)), Marks())
    assert path.stat().st_mtime > time.time() - 60


@pytest.mark.parametrize("data", [b"", b"<svg xmlns='x'/>", b"no picture", serving.picture(3, size=(64, 64))[:80]])
def test_what_is_no_picture_is_told_so(desk: Desk, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(data)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - told below
        desk.answer(Asked("pixels", picture=str(path)), Marks())
    for locale, said in (("en", "picture cannot be read"), ("pt-BR", "imagem não pode ser lida")):
        assert said in desk.told(caught.value, locale)  # type: ignore[arg-type]


def test_pictures_are_limited_in_bytes_and_pixels(bundle: Path, tmp_path: Path) -> None:
    desk = desk_of(bundle, tmp_path, max_upload_mib=0.01, max_pixels=10_000)
    large, many = tmp_path / "large.png", tmp_path / "many.png"
    large.write_bytes(bytes(20_000))
    many.write_bytes(serving.picture(3, size=(101, 100)))
    for path, said in ((large, "0.01 MiB"), (many, "0.01 million pixels")):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - told below
            desk.answer(Asked("pixels", picture=str(path)), Marks())
        assert said in desk.told(caught.value, "en")


def test_an_error_names_no_place_of_this_machine(desk: Desk, bundle: Path) -> None:
    from luneta.errors import ArtifactError, ConfigError

    assert desk.told(ConfigError(f"{bundle} has no re-ranker"), "en") == "Pixels has no re-ranker"
    for error in (ArtifactError(f"{bundle}/items.arrow is damaged"), RuntimeError(str(bundle))):
        assert str(bundle.parent) not in desk.told(error, "en")


EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>${alert(3)}{{7*7}}`"


def test_nothing_from_outside_becomes_a_part_of_the_page(desk: Desk) -> None:
    view = desk.answer(Asked("pixels", "thing 7"), Marks())
    assert view.hits is not None
    evil = [replace(hit, texts=(EVIL,), metadata={"style": EVIL}) for hit in view.hits]
    page = shown(desk, replace(view, asked=replace(view.asked, text=EVIL), hits=Hits(EVIL, evil)))  # type: ignore[type-var]
    assert page.all("script") == []
    assert all("onerror" not in element.attributes for element in page.everything())
    assert {picture.attributes["alt"] for picture in page.all("img")} == {EVIL}
    assert cards(page)[0].all("p", klass="caption")[0].text == EVIL


def with_cutoff(bundle: Path, value: float) -> Searcher:
    searcher = serving.searcher(bundle)
    rate = Rate(0.1, None, None, 10)
    cutoff = Cutoff("image", None, value, "missed", 0.1, 10, rate, rate, "their answers taken away")
    vars(searcher.bundle)["calibration"] = Calibration([cutoff], {"image": 1, "text": 1})
    return searcher


def test_nothing_relevant_is_said_instead_of_ten_wrong_pictures(bundle: Path, tmp_path: Path) -> None:
    desk = desk_of(bundle, tmp_path, searcher=with_cutoff(bundle, 2.0))
    asked = Asked("pixels", "thing 7")
    page = shown(desk, desk.answer(asked, Marks()))
    assert cards(page) == []
    assert "below 2.000" in page.all("div", klass="callout")[0].text
    assert [button.attributes["data-act"] for button in page.all("button")] == ["anyway"]
    anyway = shown(desk, desk.answer(replace(asked, anyway=True), Marks()))
    assert len(cards(anyway)) == PAGE
    assert "None of these is relevant" in anyway.text
    assert all("below the cut-off" in card.text for card in cards(anyway))
    relevant = desk_of(bundle, tmp_path, searcher=with_cutoff(bundle, -1.0))
    found = shown(relevant, relevant.answer(asked, Marks()))
    assert len(cards(found)) == PAGE
    assert not any("below the cut-off" in card.text for card in cards(found))
    assert found.all("div", klass="callout") == []


def test_thumbs_are_written_and_move_the_next_search(bundle: Path, desk: Desk) -> None:
    asked = Asked("pixels", "thing 7")
    view = desk.answer(asked, Marks())
    assert view.hits is not None
    liked, disliked = view.hits[3].id, view.hits[0].id
    marks = desk.vote(view, desk.vote(view, Marks(), liked, UP, "thing 7"), disliked, DOWN, "thing 7")
    lines = [json.loads(line) for line in desk.votes_path(desk.start("pixels")).read_text("utf-8").splitlines()]
    assert [(line["id"], line["vote"], line["query"], line["rank"]) for line in lines] == [
        (liked, 1, "thing 7", 4), (disliked, -1, "thing 7", 1),
    ]  # fmt: skip
    assert not any(path.is_relative_to(bundle) for path in [desk.votes_path(desk.start("pixels"))])
    pressed = {
        button.attributes["data-id"]: button.attributes["data-act"]
        for button in shown(desk, view, marks).all("button", **{"aria-pressed": "true"})
    }
    assert pressed == {str(liked): "up", str(disliked): "down"}
    again = desk.answer(asked, marks)
    expected = serving.searcher(bundle).search("thing 7", like=[liked], unlike=[disliked])
    assert again.hits is not None
    assert [hit.id for hit in again.hits] == [hit.id for hit in expected]
    assert "2 of your thumbs" in shown(desk, again, marks).text
    other = desk.answer(Asked("pixels", "thing 9"), marks)
    assert other.n_marks == 0


def test_a_thumb_for_what_is_not_shown_is_none(desk: Desk) -> None:
    view = desk.answer(Asked("pixels", "thing 7"), Marks())
    assert desk.vote(view, Marks(), 10_000, UP, "x") == Marks()
    assert desk.vote(desk.start("pixels"), Marks(), 0, UP, "x") == Marks()
    assert not desk.votes_path(desk.start("pixels")).exists()


def test_the_path_of_the_thumbs_is_told_on_this_machine_only(bundle: Path, tmp_path: Path) -> None:
    for host, told in (("127.0.0.1", True), ("0.0.0.0", False)):
        desk = desk_of(bundle, tmp_path, host=host)
        view = desk.answer(Asked("pixels", "thing 7"), Marks())
        assert view.hits is not None
        marks = desk.vote(view, Marks(), view.hits[0].id, UP, "thing 7")
        assert (str(tmp_path) in shown(desk, view, marks).text) == told


def test_thumbs_can_be_taken_away_where_they_are_asked_for(desk: Desk) -> None:
    import base64

    view = desk.answer(Asked("pixels", "thing 7"), Marks())
    assert view.hits is not None
    marks = desk.vote(view, Marks(), view.hits[0].id, UP, "thing 7")
    page = shown(desk, view, marks)
    assert page.all("a") == []
    assert len(page.all("button", **{"data-act": "export"})) == 1
    link = shown(desk, replace(view, taking=True), marks).all("a")[0].attributes
    assert link["download"] == "luneta-thumbs.jsonl"
    written = base64.b64decode(link["href"].partition("base64,")[2]).decode()
    assert written == desk.votes_path(view).read_text("utf-8")


def test_an_answer_does_not_grow_with_the_thumbs_given_before(desk: Desk) -> None:
    view = desk.answer(Asked("pixels", "thing 7"), Marks())
    assert view.hits is not None
    marks = few = desk.vote(view, Marks(), view.hits[0].id, UP, "thing 7")
    for _ in range(1000):
        marks = marks.logged(marks.log[0])
    assert answers_html(desk, view, marks, "en") == answers_html(desk, view, few, "en")


def test_an_answer_is_explained(bundle: Path, desk: Desk) -> None:
    asked = Asked("pixels", "thing 7")
    view = desk.answer(asked, Marks())
    assert view.hits is not None
    small = desk.explain(asked, view.hits[0], "en")
    assert "too small to be explained" in small.problem  # the pictures of this bundle are 4 pixels wide
    page = shown(desk, replace(view, detail=small))
    assert small.problem in page.all("section", klass="detail")[0].text
    known = [element.text for element in page.all("dt")]
    assert "Style" in known
    values = [element.text for element in page.all("dd")]
    assert not any(str(bundle.parent) in value for value in values)  # of a path its name alone is told
    assert desk.explain(asked, replace(view.hits[0], side="text"), "en").problem.startswith(
        "Heat maps are drawn on pictures"
    )


class Slow:
    """A searcher whose explanations take until they are let go."""

    def __init__(self, searcher: Searcher) -> None:
        self.bundle, self.searcher = searcher.bundle, searcher
        self.entered, self.steps, self.let_go = 0, 0, threading.Event()

    def answer(self, *given: Any) -> Any:
        return self.searcher.answer(*given)

    def explain(self, *_: Any) -> Any:
        self.entered += 1
        with track("explaining", 1000) as advance:
            while not self.let_go.wait(0.01):
                self.steps += 1
                advance(1)
        raise Refusal("picture_gone")


def test_few_are_explained_at_once_and_none_is_waited_for_longer_than_it_may(bundle: Path, tmp_path: Path) -> None:
    slow = Slow(serving.searcher(bundle))
    patient, hasty = (
        Desk({"pixels": slow}, {}, Settings(timeout_s=seconds), FeedbackBook(tmp_path))  # type: ignore[dict-item]
        for seconds in (60, 0.2)
    )
    asked = Asked("pixels", "thing 7")
    view = patient.answer(asked, Marks())
    assert view.hits is not None
    hit = view.hits[0]
    assert "took longer than 0.2 s" in hasty.explain(asked, hit, "en").problem  # asked between its steps
    assert slow.steps > 0
    hasty._explaining = patient._explaining
    slow.entered = 0
    busy = [threading.Thread(target=patient.explain, args=(asked, hit, "en")) for _ in range(N_EXPLAINED)]
    for thread in busy:
        thread.start()
    try:
        while slow.entered < N_EXPLAINED:
            time.sleep(0.01)
        assert "took longer than 0.2 s" in hasty.explain(asked, hit, "en").problem
        assert slow.entered == N_EXPLAINED
    finally:
        slow.let_go.set()
        for thread in busy:
            thread.join()
    assert "The picture is no longer here" in hasty.explain(asked, hit, "en").problem
    assert slow.entered == N_EXPLAINED + 1


def page_of(desk: Desk) -> SearchPage:
    import gradio as gr

    async def made() -> SearchPage:
        with gr.Blocks():
            return SearchPage(Frame(), desk, gr.HTML())

    return asyncio.run(made())


def act(page: SearchPage, view: View | None, name: str, number: int = -1, marks: Marks | None = None) -> Any:
    import gradio as gr

    event = gr.EventData(None, {"act": name, "id": str(number)})
    return page._act(event, "en", view, marks or Marks())


@pytest.fixture
def shrunk(tmp_path: Path) -> tuple[SearchPage, Desk, Any]:
    """A page whose bundle loses half of its rows when it is told to."""
    folder = tmp_path / "pixels.luneta"
    serving.make_bundle(folder)
    found = {"pixels": serving.searcher(folder)}
    found["pixels"].bundle.hold()
    desk = Desk(found, {}, Settings(), FeedbackBook(tmp_path / "feedback"))

    def shrink() -> None:
        serving.make_bundle(folder, serving.N_IMAGES // 2, update=True)
        found["pixels"] = serving.searcher(folder)

    return page_of(desk), desk, shrink


def test_what_is_shown_stays_when_a_bundle_loses_it(shrunk: tuple[SearchPage, Desk, Any]) -> None:
    page, desk, shrink = shrunk
    view = desk.answer(Asked("pixels", "thing 50"), Marks())
    texts = desk.answer(Asked("pixels", "thing 50", target="text"), Marks())
    like = desk.answer(Asked("pixels", item=Item("image", 50)), Marks())
    assert view.hits is not None
    gone = next(hit.id for hit in view.hits if hit.id >= serving.N_IMAGES // 2)
    before = [answers_html(desk, each, Marks(), "en") for each in (view, texts, like)]
    shrink()
    assert [answers_html(desk, each, Marks(), "en") for each in (view, texts, like)] == before
    html, liked, marks, *_ = act(page, view, "up", gone)
    assert (liked.error, liked.failed, marks.like) == (None, None, (gone,))
    assert len(cards(read(html))) == PAGE
    assert act(page, like, "up", like.hits[0].id)[1].failed is None  # type: ignore[index]
    html, more, *_ = act(page, view, "more", gone)
    assert more.error is not None
    assert len(read(html).all("div", role="alert")) == 1
    html, explained, *_ = act(page, view, "why", gone)
    assert explained.detail.problem
    assert "internal" not in html
    assert len(cards(read(page._reword("pt-BR", "pixels", texts, Marks())[2]))) == PAGE


def test_filters_are_those_of_the_bundle_as_it_is_now(shrunk: tuple[SearchPage, Desk, Any]) -> None:
    page, desk, shrink = shrunk
    columns = [control.column for control in desk.controls["pixels"]]
    assert {"number", "style"} <= set(columns)
    before = page._begin("en")
    shrink()
    now = dict(zip(columns, desk.controls_now("pixels"), strict=True))
    assert now["number"].ends == (0, 29)  # type: ignore[union-attr]
    assert sum(n for _, n in now["style"].values) == 30  # type: ignore[union-attr]
    after = page._begin("en")
    assert len(after) == len(before) == len(page._changing) + 5
    placeholders = [update.get("placeholder") for update in after[2:-3]]
    assert ("0", "29") in itertools.pairwise(placeholders)
    assert any("(10)" in str(update.get("choices")) for update in after[2:-3])


def test_a_filter_of_a_column_that_has_gone_is_not_shown(bundle: Path, tmp_path: Path) -> None:
    found = {"pixels": serving.searcher(bundle)}
    desk = Desk(found, {}, Settings(), FeedbackBook(tmp_path))
    page = page_of(desk)
    smaller = serving.make_bundle(tmp_path / "pixels.luneta", 3)  # of 3 rows no column is of one kind with 60 rows
    found["pixels"] = Searcher(smaller, serving.ENCODER)
    now = desk.controls_now("pixels")
    assert None in now
    shown = [update.get("visible") for update in page._begin("en")[2:-3]]
    expected = [control is not None for shape, control in zip(desk.controls["pixels"], now, strict=True)
                for _ in range(shape.n_inputs)]  # fmt: skip
    assert shown == expected


def test_thumbs_that_cannot_be_kept_are_told_beside_the_answers(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    desk = Desk({"pixels": serving.searcher(bundle)}, {}, Settings(), FeedbackBook(tmp_path / "file"))
    page = page_of(desk)
    view = desk.answer(Asked("pixels", "thing 7"), Marks())
    assert view.hits is not None
    html, failed, marks, *_ = act(page, view, "up", view.hits[0].id)
    tree = read(html)
    assert len(tree.all("div", role="alert")) == 1
    assert len(cards(tree)) == PAGE
    assert marks.votes == {}
    assert str(tmp_path) not in html
    assert act(page, failed, "close")[1].failed is None


def test_more_like_an_answer_empties_the_form(desk: Desk) -> None:
    page = page_of(desk)
    view = desk.answer(Asked("pixels", "thing 7"), Marks())
    assert view.hits is not None
    *_, text, picture = act(page, view, "more", view.hits[0].id)
    assert (text, picture) == ("", None)
    *_, text, picture = act(page, view, "next")
    assert text == picture != ""
    assert isinstance(text, dict)  # what gradio takes for: leave it as it is


def test_an_act_on_a_page_that_has_not_begun_is_told(desk: Desk) -> None:
    page = page_of(desk)
    for name in ("up", "more", "next", "export", ""):
        html, view, *_ = act(page, None, name)
        assert "load it again" in html
        assert isinstance(view.error, Refusal)


def test_filters_are_said_in_words_of_the_language(desk: Desk) -> None:
    page = page_of(desk)
    shapes = desk.controls["pixels"]
    given: list[Any] = []
    for shape in shapes:
        given += {"number": ["10", "20"], "style": [["flat"]]}.get(shape.column, [None] * shape.n_inputs)
    asked = page._asked("pixels", "thing 7", None, "image", False, False, False, *given, "")
    view = desk.answer(asked, Marks())
    assert view.hits is not None
    assert {hit.metadata["style"] for hit in view.hits} == {"flat"}
    assert "filtros: Number de 10 a 20; Style: flat" in shown(desk, view, locale="pt-BR").text
    assert "filters: Number from 10 to 20; Style: flat" in shown(desk, view).text


def test_at_the_start_there_are_some_pictures_from_all_over(desk: Desk) -> None:
    page = shown(desk, desk.start("pixels"))
    numbers = [int(card.all("button", **{"data-act": "more"})[0].attributes["data-id"]) for card in cards(page)]
    assert numbers == sorted(numbers)
    assert (len(numbers), numbers[0], numbers[-1]) == (PAGE, 0, serving.N_IMAGES - 1)
    assert page.all("span", klass="score") == []
    assert page.all("button", **{"data-act": "up"}) == []


def test_a_preset_says_what_stands_on_an_answer(bundle: Path, tmp_path: Path) -> None:
    preset = preset_of(
        {
            "title": {"en": "Things", "pt-BR": "Coisas"}, "accent": "#7a4b12", "lead": "All of them",
            "columns": {"title": ["nope", "style"], "subtitle": "number", "date": "height"},
            "examples": {"en": ["a thing"]},
        }
    )  # fmt: skip
    desk = desk_of(bundle, tmp_path, {"pixels": preset})
    view = desk.answer(Asked("pixels", "thing 7"), Marks())
    assert view.hits is not None
    card, hit = cards(shown(desk, view))[0], view.hits[0]
    assert card.all("p", klass="title")[0].text == hit.metadata["style"]
    height = hit.metadata["height"]
    said = [str(hit.metadata["number"]), *([] if height != height else [str(height)])]
    assert card.all("p", klass="subtitle")[0].text == " · ".join(said)
    header = read(header_html(desk, "pixels", "pt-BR"))
    assert (header.all("h1")[0].text, header.all("p", klass="lead")[0].text) == ("Coisas", "All of them")
    assert "--accent: #7a4b12" in header_html(desk, "pixels", "en")
    assert [button.text for button in read(examples_html(desk, "pixels", "en")).all("button")] == ["a thing"]
    assert read(examples_html(desk, "pixels", "pt-BR")).all("button") == []


def test_without_a_preset_examples_are_texts_of_the_bundle(bundle: Path, desk: Desk) -> None:
    texts = set(serving.searcher(bundle).bundle.items("text").column("_text").to_pylist())
    buttons = read(examples_html(desk, "pixels", "en")).all("button")
    assert 0 < len(buttons) <= 4
    assert {button.attributes["data-id"] for button in buttons} <= texts
    assert header_html(desk, "pixels", "en").count("60 pictures · 120 texts") == 1


def test_a_preset_that_does_not_fit_is_refused_at_the_start(bundle: Path, tmp_path: Path) -> None:
    from luneta.errors import ConfigError

    with pytest.raises(ConfigError, match=r"no column 'stile'\. Did you mean style?"):
        desk_of(bundle, tmp_path, {"pixels": preset_of({"columns": {"title": "stile"}})})
    with pytest.raises(ConfigError, match="no column 'stile'"):
        desk_of(bundle, tmp_path, {"pixels": preset_of({"filters": [{"column": "stile"}]})})


def test_a_bundle_that_has_gone_is_told(bundle: Path, tmp_path: Path) -> None:
    found = {"pixels": serving.searcher(bundle)}
    desk = Desk(found, {}, Settings(), FeedbackBook(tmp_path))
    assert desk.preset("pixels") is PLAIN
    found.clear()
    with pytest.raises(Refusal):
        desk.answer(Asked("pixels", "x"), Marks())
