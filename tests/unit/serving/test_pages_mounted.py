"""The pages in an app: where they are, what they load, and what cannot be reached through them."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio")

import anyio
import httpx
from fastapi.testclient import TestClient

import serving
from luneta.progress import track
from luneta.serving import Settings, create_app
from luneta.serving.pages import LabSettings, Served, mount_pages
from luneta.serving.pages import blocks as blocks_module
from luneta.serving.pages import lab as lab_module
from luneta.serving.pages.blocks import make_blocks
from luneta.serving.pages.frame import Frame
from luneta.serving.pages.pictures import uploaded_path
from luneta.wording import LOCALES
from serving import checked_problem

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:gradio")


@pytest.fixture(scope="module")
def pages(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUNETA_CACHE", str(tmp_path_factory.mktemp("cache")))
        app = create_app({"pixels": serving.searcher(bundle)}, Settings(max_upload_mib=1))
        mount_pages(app, lab=LabSettings(max_upload_mib=2))
        with TestClient(app, "http://127.0.0.1", raise_server_exceptions=False) as client:
            yield client


def config(pages: TestClient) -> dict[str, Any]:
    return pages.get("/pages/config").json()


def called(pages: TestClient, fn_index: int, data: list[Any]) -> dict[str, Any]:
    """What a page gets for an event."""
    session = "abc123"
    body = {"data": data, "fn_index": fn_index, "session_hash": session}
    joined = pages.post("/pages/gradio_api/queue/join", json=body)
    assert joined.status_code == 200, joined.text
    with pages.stream("GET", f"/pages/gradio_api/queue/data?session_hash={session}") as answer:
        for line in answer.iter_lines():
            if line.startswith("data:"):
                message = json.loads(line[5:])
                if message["msg"] == "process_completed":
                    return message
    raise AssertionError("the event never ended")


def test_the_root_leads_to_the_pages(pages: TestClient) -> None:
    answer = pages.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/pages/")
    assert pages.get("/").status_code == 200


def test_the_api_is_still_there(pages: TestClient) -> None:
    assert pages.post("/search", json={"query": "thing 7"}).status_code == 200
    checked_problem(pages.get("/nowhere"), 404)
    checked_problem(pages.get("/pages/nowhere"), 404)


def test_no_other_site_reads_the_pages_or_uploads_to_them(pages: TestClient) -> None:
    for origin, status in (("http://127.0.0.1", 200), ("https://evil.example", 403)):
        said = {"Origin": origin}
        answers = [
            pages.get("/pages/config", headers=said),
            pages.post("/pages/gradio_api/upload", files={"files": ("x.png", serving.picture())}, headers=said),
        ]
        assert [answer.status_code for answer in answers] == [status] * 2
        for answer in answers:
            assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_a_page_loads_nothing_from_elsewhere(pages: TestClient) -> None:
    page = pages.get("/pages/").text
    loaded = re.findall(r"""<(?:script|link|img|iframe)[^>]+(?:src|href)=["']([^"']+)""", page)
    assert loaded
    assert [place for place in loaded if re.match(r"(https?:)?//", place)] == []
    assert "fonts.googleapis" not in page
    theme = pages.get("/pages/theme.css").text
    assert re.findall(r"@import|url\(\s*['\"]?(?!data:)https?:", theme) == []
    found = config(pages)
    assert (found["analytics_enabled"], found["footer_links"], found.get("run_history", False)) == (False, [], False)


def test_both_languages_have_every_word(bundle: Path, pages: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    frames: list[Frame] = []
    made = Frame.__init__
    monkeypatch.setattr(Frame, "__init__", lambda self: (frames.append(self), made(self))[1])

    async def make() -> None:  # gradio begins a loop that it never ends where none is running
        make_blocks({"pixels": serving.searcher(bundle)}, Settings(), {}, LabSettings(folders=bundle.parent))

    asyncio.run(make())
    english, portuguese = (frames[0].labels.updates(locale) for locale in LOCALES)
    assert len(english) == len(frames[0].labels.components) > 30
    same = [(one, other) for one, other in zip(english, portuguese, strict=True) if one == other]
    assert len(same) < 0.4 * len(english)  # names of columns and encoders are the same in both


def picture_input(found: dict[str, Any]) -> tuple[int, int]:
    """The number of the search's event, and which of its inputs is the picture."""
    components = {component["id"]: component for component in found["components"]}
    for number, dependency in enumerate(found["dependencies"]):
        kinds = [components[each]["type"] for each in dependency["inputs"]]
        targets = [components[each]["props"].get("elem_id") for each, _ in dependency["targets"]]
        if "image" in kinds and "go" in targets:
            return dependency.get("id", number), kinds.index("image")
    raise AssertionError("there is no search")


def searched(pages: TestClient, text: str, picture: Any = None) -> dict[str, Any]:
    found = config(pages)
    number, at = picture_input(found)
    components = {component["id"]: component for component in found["components"]}
    dependency = next(each for place, each in enumerate(found["dependencies"]) if each.get("id", place) == number)
    data = [components[each]["props"].get("value") for each in dependency["inputs"]]
    data[[components[each]["props"].get("elem_id") for each in dependency["inputs"]].index("query")] = text
    data[at] = picture
    return called(pages, number, data)


def test_a_search_goes_through_the_queue(pages: TestClient) -> None:
    message = searched(pages, "thing 7")
    assert message["success"], message
    assert "1–10 for “thing 7”" in str(message["output"]["data"])


def test_a_picture_that_nobody_uploaded_is_not_looked_at(pages: TestClient, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(serving.picture(9))
    message = searched(pages, "", {"path": str(secret), "meta": {"_type": "gradio.FileData"}})
    assert 'class=\\"card' not in json.dumps(message)
    assert not message["success"]


def test_an_uploaded_picture_is_searched_for(pages: TestClient, bundle: Path) -> None:
    uploaded = pages.post(
        "/pages/gradio_api/upload", files={"files": ("my picture.png", serving.picture(9), "image/png")}
    )
    assert uploaded.status_code == 200, uploaded.text
    message = searched(pages, "", {"path": uploaded.json()[0], "meta": {"_type": "gradio.FileData"}})
    assert message["success"], message
    assert "for “your picture”" in str(message["output"]["data"])


def test_in_another_language_pictures_are_still_ours_to_open(pages: TestClient) -> None:
    """Gradio makes components anew whose words change; its own would open the file, and say in English what it is."""
    turned = called(pages, event_of(config(pages), "language")["id"], ["pt-BR"])
    assert turned["success"]
    uploaded = pages.post("/pages/gradio_api/upload", files={"files": ("x.png", b"no picture", "image/png")})
    message = searched(pages, "", {"path": uploaded.json()[0], "meta": {"_type": "gradio.FileData"}})
    assert message["success"], message
    assert "A picture cannot be read" in str(message["output"]["data"])
    number, data = lab_event(config(pages))
    limit = data.index(200)
    refused = called(pages, number, ["pt-BR", *data[1:limit], 1, *data[limit + 1 :]])
    assert refused["success"], refused
    assert "Escolha de 2 a 5000 imagens." in str(refused["output"]["data"])


def test_gradio_writes_nothing_beside_our_modules() -> None:
    """It writes stubs of components when their classes are made."""
    from luneta.serving.pages import pictures

    assert list(Path(pictures.__file__).parent.glob("*.pyi")) == []


def lab_event(found: dict[str, Any]) -> tuple[int, list[Any]]:
    """The number of the event that measures, and what the page as it opens would send."""
    components = {component["id"]: component for component in found["components"]}
    for place, dependency in enumerate(found["dependencies"]):
        if any(components[each]["props"].get("elem_id") == "lab-go" for each, _ in dependency["targets"]):
            return dependency.get("id", place), [
                components[each]["props"].get("value") for each in dependency["inputs"]
            ]
    raise AssertionError("there is no lab")


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Measuring that goes on until it is stopped: when it has begun, and when it was stopped."""
    begun, stopped, over = (threading.Event() for _ in range(3))

    def measuring(data: Any) -> Any:
        try:
            with track("looking at images", 10**9) as advance:
                while not over.wait(0.001):
                    begun.set()
                    advance(1)
        finally:
            stopped.set()

    monkeypatch.setattr(lab_module, "profile", measuring)
    yield begun, stopped
    over.set()


def test_whoever_waits_for_the_lab_takes_no_thread_from_others(pages: TestClient, endless: Any) -> None:
    number, data = lab_event(config(pages))
    body = {"data": data, "fn_index": number, "session_hash": "lab1"}
    assert pages.post("/pages/gradio_api/queue/join", json=body).status_code == 200
    assert endless[0].wait(60)

    async def threads(n: float) -> float:
        limiter = anyio.to_thread.current_default_thread_limiter()
        limiter.total_tokens, before = n, limiter.total_tokens
        return before

    assert pages.portal is not None
    usual = pages.portal.call(threads, 1)
    try:
        assert "1–10 for “thing 7”" in str(searched(pages, "thing 7")["output"]["data"])
        assert not endless[1].is_set()
    finally:
        pages.portal.call(threads, usual)


def test_who_closes_the_page_stops_what_is_measured(
    bundle: Path, endless: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app({"pixels": serving.searcher(bundle)}, Settings())
    mount_pages(app)
    with serving.listening_as(app) as address, httpx.Client(base_url=f"{address}/pages", timeout=60) as client:
        number, data = lab_event(client.get("/config").json())
        with client.stream("GET", "/gradio_api/heartbeat/lab2") as alive:
            beats = alive.iter_raw()
            next(beats)
            body = {"data": data, "fn_index": number, "session_hash": "lab2"}
            assert client.post("/gradio_api/queue/join", json=body).status_code == 200
            assert endless[0].wait(60)
            assert not endless[1].is_set()
        assert endless[1].wait(30)


def test_what_is_measured_ends_with_the_server(bundle: Path, endless: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    labs: list[lab_module.Lab] = []
    usual = blocks_module.Lab
    monkeypatch.setattr(blocks_module, "Lab", lambda *given: (labs.append(usual(*given)), labs[-1])[1])
    app = create_app({"pixels": serving.searcher(bundle)}, Settings())
    mount_pages(app)
    with TestClient(app, "http://127.0.0.1"):
        job = labs[0].start(lab_module.Task("cenas", "cenas", limit=10, encoders=("luneta-mini",)), "en")
        assert endless[0].wait(60)
        assert not job.ended.is_set()
    assert job.ended.is_set()


def test_strangers_get_no_hub(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[LabSettings] = []
    usual = blocks_module.Lab
    monkeypatch.setattr(blocks_module, "Lab", lambda lab, root: (made.append(lab), usual(lab, root))[1])
    for settings in (
        Settings(), Settings(host="0.0.0.0"), Settings(names=("x.example",)),
        Settings(host="0.0.0.0", lab_hub=True, lab_encoders=("siglip2-b16",)),
    ):  # fmt: skip
        mount_pages(create_app({"pixels": serving.searcher(bundle)}, settings))
    mini = ("luneta-mini", "luneta-mini-siglip")
    assert [(lab.hub, lab.encoders) for lab in made] == [
        (True, None), (False, mini), (False, mini), (True, (*mini, "siglip2-b16")),
    ]  # fmt: skip


SECRET = "my secret query about Maria"


def event_of(found: dict[str, Any], elem_id: str) -> dict[str, Any]:
    components = {component["id"]: component for component in found["components"]}
    for place, dependency in enumerate(found["dependencies"]):
        if any(
            components.get(each, {"props": {}})["props"].get("elem_id") == elem_id for each, _ in dependency["targets"]
        ):
            return {"id": place, **dependency}
    raise AssertionError(f"nothing happens at {elem_id}")


def test_what_somebody_asks_is_written_down_nowhere(
    pages: TestClient, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: Any
) -> None:
    number = event_of(config(pages), "go")["id"]
    body = {"data": [SECRET], "fn_index": number, "session_hash": "abc"}
    checked_problem(pages.post("/pages/gradio_api/queue/join", json=body), 400)

    def broken(*_: Any) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr("luneta.serving.pages.search_page.answers_html", broken)
    message = searched(pages, SECRET)
    assert not message["success"]
    assert "it is not the request&#x27;s fault" in message["output"]["error"]
    assert SECRET not in str(message)
    said = capfd.readouterr()
    assert SECRET not in said.out + said.err + caplog.text
    assert "Traceback" not in said.out + said.err
    assert "RuntimeError" in caplog.text  # where it broke is


def test_an_event_of_no_page_is_told_in_a_sentence_of_the_pages_language(pages: TestClient) -> None:
    found = config(pages)
    for number in (9999, max(each.get("id", n) for n, each in enumerate(found["dependencies"])) + 1):
        body = {"data": [], "fn_index": number, "session_hash": "abc"}
        checked_problem(pages.post("/pages/gradio_api/queue/join", json=body), 400)
    wrong = called(pages, event_of(found, "bundle")["id"], ["pt-BR", "no such bundle"])
    assert not wrong["success"]
    assert (wrong["output"]["error"], wrong["output"]["title"]) == (
        "A página pediu algo que não há aqui; recarregue-a.", "Isto não funcionou",
    )  # fmt: skip


def test_uploads_are_limited(pages: TestClient) -> None:
    answer = pages.post("/pages/gradio_api/upload", files={"files": ("x.png", bytes(3 << 20), "image/png")})
    checked_problem(answer, 413)


def test_files_of_this_machine_are_not_served(pages: TestClient, bundle: Path) -> None:
    for path in ("/etc/passwd", str(bundle / "bundle.json"), "../../etc/passwd", str(Path(__file__))):
        answer = pages.get(f"/pages/gradio_api/file={path}")
        assert answer.status_code in (403, 404), path
        assert "root:" not in answer.text


def test_what_lies_elsewhere_is_no_upload(tmp_path: Path) -> None:
    class Given:
        path = str(tmp_path / "x.png")

    assert uploaded_path(Given()) is None
    assert uploaded_path(None) is None


def test_bundles_are_looked_up_as_they_are_now(pages: TestClient) -> None:
    bundles = pages.app.state.bundles  # type: ignore[attr-defined]
    served = Served(bundles)
    assert (list(served), len(served)) == (["pixels"], 1)
    assert served["pixels"] is bundles.get("pixels").searcher
    with pytest.raises(KeyError):
        served["nope"]


def test_a_token_guards_the_pages_too(bundle: Path) -> None:
    app = create_app({"pixels": serving.searcher(bundle)}, Settings(token="x" * 20))
    mount_pages(app, lab=None)
    with TestClient(app, "http://127.0.0.1", raise_server_exceptions=False) as client:
        for path in ("/", "/pages/", "/pages/config"):
            checked_problem(client.get(path), 401)
        assert client.get("/pages/", auth=("anybody", "x" * 20)).status_code == 200
        labels = json.dumps(client.get("/pages/config", auth=("anybody", "x" * 20)).json())
        assert '"id": "lab"' not in labels
