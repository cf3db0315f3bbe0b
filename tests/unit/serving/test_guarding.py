"""Who may ask, and what every answer carries."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

import serving
from luneta.errors import ConfigError
from luneta.serving import Settings
from serving import checked_problem

TOKEN = "0123456789abcdef-token"


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "127.0.0.2"])
def test_a_local_server_answers_to_local_names(api: Any, host: str) -> None:
    assert api.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "", "a b", "[::2]"],
)
def test_and_to_no_others(api: Any, host: str) -> None:
    for path in ("/healthz", "/search", "/docs", "/nowhere"):
        checked_problem(api.get(path, headers={"Host": host}), 421)


def test_names_can_be_allowed(bundle: Path) -> None:
    with serving.client(bundle, host="0.0.0.0", names=("search.example.org",)) as api:
        assert api.get("/healthz", headers={"Host": "Search.example.org"}).status_code == 200
        for host in ("evil.example", "192.168.1.5"):
            checked_problem(api.get("/healthz", headers={"Host": host}), 421)


@pytest.mark.parametrize("listening_at", ["0.0.0.0", "::", "192.168.1.5", "shop.example"])
def test_an_open_address_answers_to_addresses_until_it_has_a_name(bundle: Path, listening_at: str) -> None:
    """A page that has its own name lead here (DNS rebinding) says that name."""
    with serving.client(bundle, host=listening_at) as api:
        for host in ("192.168.1.5:8000", "[2001:db8::1]:8000", "10.0.0.1", "localhost:8000", "127.0.0.1"):
            assert api.get("/healthz", headers={"Host": host}).status_code == 200
        for host in ("any.example", "192.168.1.5.evil.example", "1.2.3", "[::x]", "", "a b"):
            problem = checked_problem(api.get("/healthz", headers={"Host": host}), 421)
            assert "--name" in problem["detail"]
        own = "shop.example"
        assert (api.get("/healthz", headers={"Host": own}).status_code == 200) is (listening_at == own)


def test_a_token_opens_everything_but_health_is_open(bundle: Path) -> None:
    with serving.client(bundle, token=TOKEN) as api:
        assert api.get("/healthz").status_code == 200
        for path in ("/bundles", "/metrics", "/docs", "/openapi.json", "/bundles/pixels/thumbnails/1.jpg", "/nowhere"):
            answer = api.get(path)
            assert checked_problem(answer, 401)["code"] == "token"
            assert answer.headers["www-authenticate"].startswith("Bearer")
        checked_problem(api.post("/search", json={"query": "thing 1"}), 401)
        shown = {"Authorization": f"Bearer {TOKEN}"}
        assert api.post("/search", json={"query": "thing 1"}, headers=shown).status_code == 200
        password = base64.b64encode(f"somebody:{TOKEN}".encode()).decode()
        assert api.get("/bundles", headers={"Authorization": f"Basic {password}"}).status_code == 200


@pytest.mark.parametrize(
    "shown",
    ["", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", TOKEN, f"Token {TOKEN}", "Basic !!", "Basic ",
     f"Basic {base64.b64encode(TOKEN.encode()).decode()}", "Bearer \xe9\xff"],
)  # fmt: skip
def test_other_tokens_open_nothing(bundle: Path, shown: str) -> None:
    with serving.client(bundle, token=TOKEN) as api:
        checked_problem(api.get("/bundles", headers={"Authorization": shown.encode("latin-1")}), 401)


def test_every_answer_has_the_headers_that_keep_browsers_safe(api: Any) -> None:
    for answer in (
        api.get("/healthz"),
        api.post("/search", json={"query": "thing 1"}),
        api.post("/search", content=b"{"),
        api.get("/bundles/pixels/thumbnails/1.jpg"),
        api.get("/nowhere"),
        api.get("/healthz", headers={"Host": "evil.example"}),
        api.get("/healthz", headers={"Origin": "https://evil.example"}),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["referrer-policy"] == "no-referrer"


FOREIGN = [
    "https://evil.example",
    "null",
    "",
    "http://127.0.0.1:3000",
    "http://localhost",
    "https://search.example.org.evil",
]


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_page_of_another_site_asks_nothing(bundle: Path, origin: str) -> None:
    said = {"Origin": origin}
    for settings in ({}, {"host": "0.0.0.0", "names": ("search.example.org", "127.0.0.1.nip.io")}):
        with serving.client(bundle, **settings) as api:
            answers = [
                api.get("/bundles", headers=said),
                api.get("/bundles/pixels/thumbnails/1.jpg", headers=said),
                api.post("/search", json={"query": "thing 1"}, headers=said),
                api.post("/search", files={"image": ("x.png", serving.picture(), "image/png")}, headers=said),
                api.options("/search", headers={**said, "Access-Control-Request-Method": "POST"}),
            ]
        for answer in answers:
            assert checked_problem(answer, 403)["code"] == "origin"
            assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_its_own_pages_ask_whatever_stands_before_it(bundle: Path) -> None:
    with serving.client(bundle) as api:
        assert api.get("/bundles", headers={"Origin": "http://127.0.0.1"}).status_code == 200
        there = {"Origin": "http://LOCALHOST:8000", "Host": "localhost:8000"}
        assert api.post("/search", json={"query": "thing 1"}, headers=there).status_code == 200
    with serving.client(bundle, names=("search.example.org",)) as api:  # the proxy asks for the address it knows
        there = {"Origin": "https://search.example.org"}
        assert api.post("/search", json={"query": "thing 1"}, headers=there).status_code == 200


@pytest.mark.parametrize(
    ("method", "said", "status"),
    [
        ("GET", {"Site": "cross-site", "Mode": "no-cors", "Dest": "image"}, 403),
        ("GET", {"Site": "cross-site", "Mode": "cors", "Dest": "empty"}, 403),
        ("GET", {"Site": "cross-site", "Mode": "navigate", "Dest": "iframe"}, 403),
        ("GET", {"Site": "cross-site"}, 403),
        ("POST", {"Site": "cross-site", "Mode": "navigate", "Dest": "document"}, 403),
        ("GET", {"Site": "cross-site", "Mode": "navigate", "Dest": "document"}, 200),
        ("GET", {"Site": "same-origin", "Mode": "cors", "Dest": "empty"}, 200),
        ("GET", {"Site": "none", "Mode": "navigate", "Dest": "document"}, 200),
    ],
)
def test_a_browser_says_where_a_request_comes_from(api: Any, method: str, said: dict[str, str], status: int) -> None:
    headers = {f"Sec-Fetch-{name}": value for name, value in said.items()}
    assert api.request(method, "/bundles", headers=headers).status_code == status


def test_errors_speak_the_clients_language(api: Any) -> None:
    english = checked_problem(api.post("/search", json={"top_k": 0}), 422)
    answer = api.post("/search", json={"top_k": 0}, headers={"Accept-Language": "fr;q=0.9, pt-PT, en;q=0.1"})
    portuguese = checked_problem(answer, 422)
    assert answer.headers["content-language"] == "pt-BR"
    assert english["errors"] == [{"at": "top_k", "detail": "has to be at least 1"}]
    assert portuguese["errors"] == [{"at": "top_k", "detail": "tem de ser pelo menos 1"}]
    assert english["code"] == portuguese["code"]
    assert english["detail"] == "Fields that are not as expected: 1."
    assert portuguese["detail"] == "Campos que não estão como esperado: 1."


def test_settings_that_make_no_sense_are_refused() -> None:
    for wrong in (
        {"port": 70000}, {"token": "short"}, {"token": "é" * 20}, {"max_upload_mib": 0}, {"timeout_s": -1},
        {"max_pixels": 0}, {"max_concurrency": 0}, {"max_batch": 0}, {"batch_wait_ms": -1}, {"timeout_s": float("nan")},
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            Settings(**wrong)  # type: ignore[arg-type]


def test_only_what_no_proxy_stands_before_is_local() -> None:
    assert Settings().is_local
    assert not Settings(names=("search.example.org",)).is_local
    assert not Settings(host="0.0.0.0").is_local
