"""What reaches gradio: what the pages ask for, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

pytest.importorskip("gradio")

from luneta.serving.pages.confining import DEEPEST, LONGEST_SAID, MOST_JSON, Ask, Confining
from luneta.serving.pages.shelf import Shelf
from serving import checked_problem

LIMIT = 3 * MOST_JSON
SHELF = Shelf(Path("nowhere"), 10 * LIMIT)
ASKS = {3: Ask(1), 4: Ask(4), 5: Ask(2, spoken=(0,)), 6: Ask(1, spoken=(0,), opens=True)}


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what reached it."""
    request = Request(scope, receive)
    body = await request.body()
    answer = JSONResponse({"path": scope["path"], "n": len(body), "head": body[:2000].decode("utf-8", "replace")})
    await answer(scope, receive, send)


@pytest.fixture(scope="module")
def pages() -> Iterator[TestClient]:
    with TestClient(
        Starlette(routes=[Mount("/pages", Confining(echo, LIMIT, ASKS, SHELF))]), "http://127.0.0.1"
    ) as client:
        yield client


def ask(**changes: Any) -> dict[str, Any]:
    return {"data": ["a boat"], "fn_index": 3, "session_hash": "abc", "trigger_id": 7, "event_data": None, **changes}


def join(pages: TestClient, body: Any) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return pages.post("/pages/gradio_api/queue/join", content=content, headers={"content-type": "application/json"})


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/config",
        "/theme.css",
        "/assets/index-Ab12.js",
        "/static/fonts/x/y.woff2",
        "/gradio_api/queue/data",
        "/gradio_api/heartbeat/abc",
        "/gradio_api/upload_progress",
        "/gradio_api/startup-events",
        "/gradio_api/file=/tmp/x/a.png",
    ],
)
def test_what_a_page_reads_gets_through_with_a_policy(pages: TestClient, path: str) -> None:
    answer = pages.get(f"/pages{path}")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http:" not in policy
    assert "https:" not in policy


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/proxy=http://example.org/"),
        ("GET", "/gradio_api/file=http://example.org/a.png"),
        ("GET", "/gradio_api/file=HTTPS://example.org/a.png"),
        ("GET", "/gradio_api/file=file:///etc/passwd"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/openapi.json"),
        ("POST", "/gradio_api/run/predict"),
        ("POST", "/gradio_api/api/search"),
        ("POST", "/gradio_api/call/search"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/vibe-edit"),
        ("POST", "/login"),
        ("GET", "/monitoring"),
        ("GET", "/gradio_api/custom_component/x/y/z/w"),
        ("GET", "/gradio_api/stream/x/y/z/playlist.m3u8"),
        ("POST", "/config"),
        ("PUT", "/gradio_api/queue/join"),
        ("DELETE", "/"),
        ("GET", "/gradio_api/queue/join"),
        ("GET", "/gradio_api/heartbeat/../../x"),
        ("GET", "/svelte/x"),
    ],
)
def test_everything_else_is_not_there(pages: TestClient, method: str, path: str) -> None:
    checked_problem(pages.request(method, f"/pages{path}", content=b"{}" if method != "GET" else None), 404)


def test_what_a_page_asks_gets_through_as_it_was(pages: TestClient) -> None:
    file = {
        "path": "/tmp/gradio/ab/a b.png",
        "url": "http://127.0.0.1/x",
        "orig_name": "a b.png",
        "meta": {"_type": "gradio.FileData"},
    }
    body = ask(fn_index=4, data=["um barco à noite", None, 3, {"x": [file]}])
    answer = join(pages, body)
    assert answer.status_code == 200
    assert json.loads(answer.json()["head"]) == body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"3",
        b"\xff\xfe",
        b"[" * 100_000,
        ask(data="x"),
        ask(fn_index="3"),
        ask(fn_index=None),
        ask(fn_index=True),
        ask(fn_index=-1),
        ask(fn_index=10**6),
        ask(fn_index=2),
        ask(fn_index=9999),
        ask(data=[]),
        ask(data=["a", "b"]),
        ask(fn_index=5, data=[None, "x"]),
        ask(fn_index=5, data=["fr", "x"]),
        ask(fn_index=5, data=[["en"], "x"]),
        ask(fn_index=6, data=["fr"]),
        ask(event_data=["more", "7"]),
        ask(event_data="more"),
        ask(event_data={"act": {"id": 7}}),
        ask(event_data={"id": "7" * (LONGEST_SAID + 1)}),
        ask(event_data={str(n): n for n in range(9)}),
        ask(session_hash=None),
        ask(session_hash="a/b"),
        ask(session_hash="x" * 100),
        ask(trigger_id="7"),
        ask(simple_format=True),
        ask(batched=True),
        {"data": []},
        ask(data=[{"path": "http://example.org/a.png", "meta": {"_type": "gradio.FileData"}}]),
        ask(data=[[{"x": {"path": " https://169.254.169.254/"}}]]),
        ask(data=[{"path": "file:///etc/passwd"}]),
        ask(event_data={"path": "ftp://x"}),
    ],
    ids=lambda body: repr(body)[:40],
)
def test_what_no_page_asks_is_refused(pages: TestClient, body: Any) -> None:
    checked_problem(join(pages, body), 400)


@pytest.mark.parametrize(
    "body",
    [
        ask(fn_index=5, data=["pt-BR", "x"]),
        ask(fn_index=6, data=[None]),
        ask(fn_index=6, data=["en"]),
        ask(event_data={"act": "more", "id": "7"}),
        ask(data=[{"path": "C:\\\\Temp\\\\gradio\\\\a.png", "meta": {"_type": "gradio.FileData"}}]),
    ],
    ids=str,
)
def test_what_every_page_asks_gets_through(pages: TestClient, body: Any) -> None:
    assert join(pages, body).status_code == 200


def test_files_of_windows_are_files(pages: TestClient) -> None:
    assert pages.get("/pages/gradio_api/file=C:/Temp/gradio/a.png").status_code == 200


def test_nothing_deeper_than_a_page_sends_is_looked_into(pages: TestClient) -> None:
    deep: Any = "x"
    for _ in range(DEEPEST + 5):
        deep = [deep]
    checked_problem(join(pages, ask(data=deep)), 400)


def test_what_is_asked_is_short(pages: TestClient) -> None:
    checked_problem(join(pages, ask(data=["x" * MOST_JSON])), 413)


def test_uploads_say_how_long_they_are_and_are_no_longer(pages: TestClient) -> None:
    path = "/pages/gradio_api/upload"
    assert pages.post(path, content=b"x" * (MOST_JSON + 1)).json()["n"] == MOST_JSON + 1
    checked_problem(pages.post(path, content=b"x" * (LIMIT + 1)), 413)
    checked_problem(pages.post(path, content=iter([b"x"])), 411)


def test_what_is_refused_is_refused_in_the_language_of_the_browser(pages: TestClient) -> None:
    answer = pages.get("/pages/login", headers={"accept-language": "pt-BR"})
    assert "endereço" in checked_problem(answer, 404)["detail"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["path", "data", "meta", "x"]), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_no_body_breaks_it(pages: TestClient, body: Any) -> None:
    answer = join(pages, ask(data=[body]))
    assert answer.status_code in (200, 400)
