"""No request takes more than its share: of bytes, pixels, time and places."""

from __future__ import annotations

import json
import socket
import socketserver
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

import serving
from luneta.bundles.bundle import Bundle
from luneta.search import Searcher
from luneta.serving import forms
from luneta.serving.fetching import fetch
from luneta.serving.pictures import Darkroom
from luneta.serving.problems import Problem
from luneta.types import Vectors
from serving import checked_problem, in_base64, picture
from worlds import ConceptEncoder


@dataclass
class SlowEncoder(ConceptEncoder):
    """Reads "slow" when it is let."""

    noise: float = 0.3
    let: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    n_slow: int = 0

    def encode_texts(self, texts: Any) -> Vectors:
        if "slow" in texts:
            self.n_slow += list(texts).count("slow")
            self.begun.set()
            assert self.let.wait(60)
        return super().encode_texts(texts)


@pytest.fixture
def slow(bundle: Path) -> Iterator[tuple[Searcher, SlowEncoder]]:
    encoder = SlowEncoder()
    yield Searcher(Bundle.open(bundle), encoder), encoder
    encoder.let.set()


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG that says it is so large."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_bodies_are_measured_before_they_are_read(bundle: Path) -> None:
    sent = []

    def chunks() -> Iterator[bytes]:
        for _ in range(64):
            sent.append(1)
            yield b" " * 2**16

    with serving.client(bundle, max_upload_mib=0.25) as api:
        json = {"Content-Type": "application/json"}
        problem = checked_problem(api.post("/search", content=b" " * 2**19, headers=json), 413)
        assert "0.25 MiB" in problem["detail"]
        checked_problem(api.post("/search", content=chunks(), headers=json), 413)
        checked_problem(api.post("/search", files={"image": ("a", b"\0" * 2**19)}), 413)
        assert api.post("/search", json={"query": "a" * 2**14}).status_code == 200


def test_a_body_holds_no_more_values_than_the_largest_form(api: Any) -> None:
    """A million fields would each be refused by itself, and take seconds and a gigabyte."""
    json_type = {"Content-Type": "application/json"}
    for body in (
        b"{" + b",".join(b'"%d":1' % n for n in range(10_000)) + b"}",
        b'{"like": [' + b",".join([b"1"] * 20_000) + b"]}",
        b'{"like": [' + b"[]," * 10_000 + b"1]}",
        b'""' * 20_000,
    ):
        assert checked_problem(api.post("/search", content=body, headers=json_type), 413)["code"] == "too_many_values"
    ids = list(range(forms.MOST_IDS))
    parts = [{"item": {"side": "image", "id": 7}, "weight": 0.5}, {"text": ',[{"\\' * 4000, "weight": 0.5}] * 16
    largest = {"parts": parts, "exclude": ids, "query": None, "image": None, "bundle": "pixels", "target": "image"}
    assert api.post("/search", json=largest).status_code == 200
    more = checked_problem(api.post("/search", json={**largest, "like": ids, "unlike": ids, "surprise": 1}), 422)
    assert [each["at"] for each in more["errors"]] == ["surprise"]
    texts = [',[{"\\' * 2000] * forms.MOST_TEXTS
    assert api.post("/embed", json={"texts": texts}).status_code == 200


def test_a_multipart_form_has_no_more_fields_than_any_form_takes(api: Any) -> None:
    """And is read no further than to the one too many: what follows here is damaged."""
    many = b"--b\r\n\r\n\r\n" * 34
    answer = api.post(
        "/search", content=many + b"--b\r\n\0", headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert checked_problem(answer, 413)["code"] == "too_many_parts"
    most = [("image", (f"{number}.png", picture(number))) for number in range(32)]
    assert api.post("/search", files=most, data={"request": '{"top_k": 1}'}).status_code == 200


def test_pixels_are_counted_before_they_are_decoded(bundle: Path) -> None:
    with serving.client(bundle, max_pixels=10_000) as api:
        for data in (picture(size=(101, 100)), png(60_000, 60_000), png(2**31 - 1, 2**31 - 1), png(20_000, 20_000)):
            assert checked_problem(api.post("/search", files={"image": ("a", data)}), 413)["code"] == "too_many_pixels"
        assert api.post("/search", files={"image": ("a", picture(size=(100, 100)))}).status_code == 200
        two = [("image", ("a", picture(size=(80, 80)))), ("image", ("b", picture(size=(80, 80))))]
        checked_problem(api.post("/search", files=two), 413)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', "SVG"),
        (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><svg>&b;</svg>', "SVG"),
        (b"<!DOCTYPE html><script>alert(1)</script>", "HTML"),
        (b"PK\x03\x04" + b"\0" * 100, "ZIP"),
        (b"%PDF-1.7", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"GIF89a", "picture"),
        (b"\0" * 50, "picture"),
        (b"\xff\xd8\xff\xe0", "picture"),
    ],
)
def test_what_is_no_picture_is_refused_by_what_it_is(api: Any, data: bytes, word: str) -> None:
    for answer in (
        api.post("/search", files={"image": ("a.jpg", data, "image/jpeg")}),
        api.post("/embed", json={"images": [in_base64(data)]}),
    ):
        assert word in checked_problem(answer, 415)["detail"]


def test_a_picture_that_is_cut_short_is_refused(api: Any) -> None:
    whole = picture(size=(64, 64), form="JPEG")
    for data in (whole[: len(whole) // 2], png(100, 100), png(100, 100, b"\0" * 50)):
        answer = api.post("/search", files={"image": ("a", data)})
        assert checked_problem(answer)["status"] in (415, 422)


def test_decoded_pixels_are_given_back() -> None:
    room = Darkroom(100)
    for _ in range(20):
        with room.decoded([picture(size=(9, 9))]) as (image,):
            assert image.size == (9, 9)
    with pytest.raises(ValueError, match="mine"), room.decoded([picture(size=(9, 9))]):
        raise ValueError("mine")
    with room.decoded([picture(size=(10, 10))]), room.decoded([picture(size=(10, 10))]):
        waiting = threading.Thread(target=lambda: room.decoded([picture(size=(10, 10))]).__enter__(), daemon=True)
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()  # a third one of that size waits
    waiting.join(30)
    assert not waiting.is_alive()


def test_too_many_at_once_are_sent_away_and_health_still_answers(slow: tuple[Searcher, SlowEncoder]) -> None:
    found, encoder = slow
    with serving.client_of({"slow": found}, max_concurrency=2) as api, ThreadPoolExecutor(4) as threads:
        busy = [threads.submit(api.post, "/search", json={"query": "slow"})]
        assert encoder.begun.wait(30)
        busy.append(threads.submit(api.post, "/search", json={"query": "thing 1"}))
        until(lambda: "luneta_requests_active 2.0" in api.get("/metrics").text)
        refused = api.post("/search", json={"query": "thing 2"})
        assert checked_problem(refused, 503)["code"] == "busy"
        assert refused.headers["retry-after"] == "1"
        assert api.get("/healthz").status_code == 200
        assert api.get("/bundles/slow/thumbnails/1.jpg").status_code == 200
        encoder.let.set()
        assert [each.result(30).status_code for each in busy] == [200, 200]
        assert api.post("/search", json={"query": "thing 2"}).status_code == 200


def test_what_takes_too_long_is_given_up(slow: tuple[Searcher, SlowEncoder]) -> None:
    found, encoder = slow
    with serving.client_of({"slow": found}, timeout_s=0.3, max_concurrency=1) as api:
        checked_problem(api.post("/search", json={"query": "slow"}), 504)
        assert "luneta_requests_active 0.0" in api.get("/metrics").text
        encoder.let.set()
        assert api.post("/search", json={"query": "thing 1"}).status_code == 200


def test_what_is_computed_too_long_is_not_waited_for(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though a thread cannot be stopped."""
    let = threading.Event()
    proper = Bundle.collection

    def stuck(self: Bundle, side: Any) -> Any:
        assert let.wait(60)
        return proper(self, side)

    with serving.client(bundle, timeout_s=0.3) as api:
        monkeypatch.setattr(Bundle, "collection", stuck)
        checked_problem(api.post("/search", json={"query": "thing 1", "where": "number > 3"}), 504)
        assert "luneta_requests_active 0.0" in api.get("/metrics").text
        let.set()
        assert api.post("/search", json={"query": "thing 1", "where": "number > 3"}).status_code == 200


def test_who_has_gone_holds_no_place(slow: tuple[Searcher, SlowEncoder]) -> None:
    """Neither while it is computed for, nor while it waits for others."""
    found, encoder = slow
    with serving.listening_to({"slow": found}, max_concurrency=3) as address, httpx.Client(verify=False) as http:
        port = int(address.rpartition(":")[2])
        head = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        request = head + b'Content-Length: 17\r\n\r\n{"query": "slow"}'

        def active() -> str:
            text = http.get(f"{address}/metrics").text
            return next(line for line in text.splitlines() if line.startswith("luneta_requests_active"))

        for _ in range(3):  # three times as many as there are places
            clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
            for client in clients:
                client.sendall(request)
            until(lambda: active().endswith(" 3.0"))
            for client in clients:
                client.close()
            until(lambda: active().endswith(" 0.0"))
        assert http.post(f"{address}/similar", json={"id": 1}).status_code == 200  # there is a thread for it
        assert encoder.begun.is_set()
        encoder.let.set()
        assert http.post(f"{address}/search", json={"query": "thing 1"}).status_code == 200
        assert encoder.n_slow <= 3  # those that waited were not computed


HALF = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


@contextmanager
def halves(address: str, n: int, path: bytes = b"/search", first: bytes = b"{") -> Iterator[list[socket.socket]]:
    """Connections that have sent the beginning of a body, and do not go on."""
    head = (HALF % 100_000).replace(b"/search", path)
    with ExitStack() as stack:
        place = ("127.0.0.1", int(address.rpartition(":")[2]))
        opened = [stack.enter_context(socket.create_connection(place, timeout=30)) for _ in range(n)]
        for each in opened:
            each.sendall(head + first)
        yield opened


def arriving(http: httpx.Client, address: str) -> int:
    text = http.get(f"{address}/metrics").text
    return int(
        float(next(line for line in text.splitlines() if line.startswith("luneta_requests_arriving")).split()[1])
    )


def test_half_a_body_is_waited_for_no_longer_than_allowed(bundle: Path) -> None:
    with serving.listening(bundle, timeout_s=0.3) as address, halves(address, 3) as clients:
        for client in clients:
            answer = b""
            while part := client.recv(2**16):  # until it is closed
                answer += part
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"0.3 s" in answer


def test_a_body_that_drips_is_not_waited_for_either(bundle: Path) -> None:
    with serving.listening(bundle, timeout_s=0.3) as address, halves(address, 1) as (client,):
        client.settimeout(0.01)
        answer = b""
        end = time.monotonic() + 30
        while not answer and time.monotonic() < end:
            with suppress(TimeoutError):
                client.sendall(b" ")
                answer = client.recv(2**16)
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_body_over_a_slow_line_has_the_time_it_needs(bundle: Path) -> None:
    body = json.dumps({"query": "thing 1"}).encode() + b" " * 2**17
    with (
        serving.listening(bundle, timeout_s=0.5) as address,
        socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=30) as client,
    ):
        client.sendall(HALF % len(body))
        for start in range(0, len(body), 2**15):
            client.sendall(body[start : start + 2**15])
            time.sleep(0.2)
        assert client.recv(2**16).startswith(b"HTTP/1.1 200 ")


def test_halves_of_bodies_take_no_places(bundle: Path) -> None:
    """Neither where the API reads them nor where anything else does; and there are not any number of them."""
    with (
        serving.listening(bundle, timeout_s=3600, max_concurrency=2) as address,
        httpx.Client(verify=False, timeout=30) as http,
        halves(address, 16) as clients,
    ):
        until(lambda: arriving(http, address) == 16)
        assert http.post(f"{address}/search", json={"query": "thing 1"}).status_code == 200
        with halves(address, 16):
            until(lambda: arriving(http, address) == 32)
            refused = checked_problem(http.post(f"{address}/search", json={"query": "thing 1"}), 503)
            assert refused["code"] == "crowded"
            assert http.get(f"{address}/healthz").status_code == 200
            assert http.get(f"{address}/bundles").status_code == 200
        until(lambda: arriving(http, address) == 16)
        assert http.post(f"{address}/search", json={"query": "thing 1"}).status_code == 200
        for client in clients:
            client.close()
        until(lambda: arriving(http, address) == 0)


def test_bodies_that_are_coming_have_so_much_room_together(bundle: Path) -> None:
    with (
        serving.listening(bundle, timeout_s=3600, max_concurrency=1, max_upload_mib=0.125) as address,
        httpx.Client(verify=False, timeout=30) as http,
    ):
        long = {"query": "thing 1", "where": "number > 0" + " " * 5000 * 14}
        with halves(address, 1, first=b" " * 99_000):
            until(lambda: http.post(f"{address}/search", content=b" " * 60_000).status_code == 503)
            assert checked_problem(http.post(f"{address}/search", json=long), 503)["code"] == "no_room"
            assert http.post(f"{address}/search", json={"query": "thing 1"}).status_code == 200
        until(lambda: http.post(f"{address}/search", json=long).status_code == 422)  # read, and too long a filter


def test_whatever_reads_a_body_gets_no_more_of_one_that_is_too_slow(bundle: Path) -> None:
    """And its own answer is not sent: pages read bodies in ways of their own."""
    app = serving.create_app({"pixels": serving.searcher(bundle)}, serving.Settings(timeout_s=0.3))
    seen: list[str] = []

    async def page(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            pass
        seen.append(message["type"])
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})
        raise RuntimeError("page")

    app.mount("/page", page)
    with serving.listening_as(app) as address, halves(address, 1, b"/page/") as (client,):
        assert client.recv(2**16).startswith(b"HTTP/1.1 408 ")
    assert seen == ["http.disconnect"]


def test_who_leaves_in_the_middle_of_a_body_is_no_failure_of_ours(
    bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving.listening(bundle) as address, httpx.Client(verify=False) as http:
        with halves(address, 1):
            until(lambda: arriving(http, address) == 1)
        until(lambda: arriving(http, address) == 0)
        until(lambda: 'route="/search",status="499"' in http.get(f"{address}/metrics").text)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_body_that_says_it_is_too_large_is_not_waited_for(bundle: Path) -> None:
    with (
        serving.listening(bundle, timeout_s=3600) as address,
        socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=30) as client,
    ):
        client.sendall(b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n{")
        assert client.recv(2**16).startswith(b"HTTP/1.1 413 ")


def test_deep_pages_of_varied_answers_are_refused(api: Any) -> None:
    assert (
        checked_problem(api.post("/search", json={"query": "a", "offset": 995, "diversity": 0.1}), 422)["code"]
        == "deep"
    )
    assert checked_problem(api.post("/similar", json={"id": 1, "top_k": 1000, "offset": 9900}), 422)["code"] == "query"
    assert api.post("/search", json={"query": "a", "offset": 9990}).json()["hits"] == []


def test_pictures_are_fetched_from_allowed_hosts_only(api: Any, bundle: Path) -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    asked: list[str] = []

    class Host(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(302 if self.path == "/moved" else 200)
            self.send_header("Location", "/a.png")
            self.end_headers()
            if self.path != "/moved":
                self.wfile.write(b"\0" * 2**20 if self.path == "/large" else picture(9))

        def log_message(self, format: str, *args: Any) -> None:
            pass

    host = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{host.server_port}"

    def form(url: str) -> dict[str, Any]:
        return {"parts": [{"image_url": url}], "top_k": 1}

    try:
        for url in (f"http://{address}/a.png", "file:///etc/passwd", "http://[::1", "ftp://127.0.0.1/", "//x", "\0"):
            assert checked_problem(api.post("/search", json=form(url)), 422)["code"] == "no_urls"
        assert asked == []
        with serving.client(bundle, allowed_hosts=(address,), max_upload_mib=0.5) as open_api:
            assert serving.ids(open_api.post("/search", json=form(f"http://{address}/a.png")).json()) == [9]
            assert (
                checked_problem(open_api.post("/search", json=form(f"http://{address}/moved")), 422)["code"] == "fetch"
            )
            checked_problem(open_api.post("/search", json=form(f"http://{address}/large")), 413)
            for other in (f"http://localhost:{host.server_port}/", f"http://a@{address}/", "http://127.0.0.1:1/"):
                assert checked_problem(open_api.post("/search", json=form(other)), 422)["code"] == "no_urls"
        assert asked == ["/a.png", "/moved", "/large"]
    finally:
        host.shutdown()
        host.server_close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"


@contextmanager
def host_that_sends(at_once: bytes, then: bytes = b"") -> Iterator[tuple[str, list[bytes]]]:
    """The name of a host that answers with some bytes, and one more now and then; and what it was asked."""
    asked: list[bytes] = []

    class Answer(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                asked.append(self.request.recv(2**16))
                self.request.sendall(at_once)
                while then and not ended.wait(0.02):
                    self.request.sendall(then)

    ended = threading.Event()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", asked
        finally:
            ended.set()
            server.shutdown()


DRIPPING = {
    "a body": (HEAD + b"Content-Length: 1000000\r\n\r\n", b"a"),
    "a body without end": (HEAD + b"\r\n", b"a"),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "the size of a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "a header": (HEAD + b"X: ", b"a"),
    "the first line": (b"", b"H"),
}


@pytest.mark.parametrize("dripping", DRIPPING.values(), ids=DRIPPING.keys())
def test_a_host_that_sends_a_byte_now_and_then_holds_no_place(bundle: Path, dripping: tuple[bytes, bytes]) -> None:
    with (
        host_that_sends(*dripping) as (host, _),
        serving.client(bundle, allowed_hosts=(host,), timeout_s=0.6, max_concurrency=1) as api,
    ):
        problem = checked_problem(api.post("/search", json={"parts": [{"image_url": f"http://{host}/a"}]}))
        assert problem["code"] in ("fetch", "slow")
        assert api.post("/search", json={"query": "thing 1"}).status_code == 200


def test_a_host_that_is_too_slow_is_said_to_be_so() -> None:
    with host_that_sends(*DRIPPING["a body"]) as (host, _), pytest.raises(Problem) as caught:
        fetch(f"http://{host}/", [host], max_bytes=1000, timeout_s=0.3)
    assert caught.value.parameters == {"why": "the host takes too long"}


def test_nothing_is_fetched_for_who_has_gone(bundle: Path) -> None:
    with (
        host_that_sends(*DRIPPING["a body"]) as (host, asked),
        serving.listening(bundle, allowed_hosts=(host,), timeout_s=3600, max_concurrency=1) as address,
        httpx.Client(verify=False, timeout=30) as http,
    ):
        body = json.dumps({"parts": [{"image_url": f"http://{host}/a"}]}).encode()
        with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as client:
            client.sendall(
                b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body) + body
            )
            until(lambda: len(asked) == 1)
        until(lambda: "luneta_requests_active 0.0" in http.get(f"{address}/metrics").text)
        assert http.post(f"{address}/search", json={"query": "thing 1"}).status_code == 200


@pytest.mark.parametrize(
    "answer",
    [
        b"\xff\0\r\n\r\n", b"HTTP/1.1 what\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n", b"",
        HEAD + b"a: b\r\n" * 500 + b"\r\n",
        HEAD + b"a: " + b"b" * 2**17 + b"\r\n\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\na",
    ],
)  # fmt: skip
def test_an_answer_that_is_damaged_is_no_failure_of_ours(bundle: Path, answer: bytes) -> None:
    with host_that_sends(answer) as (host, _), serving.client(bundle, allowed_hosts=(host,)) as api:
        problem = checked_problem(api.post("/search", json={"parts": [{"image_url": f"http://{host}/a"}]}), 422)
        assert problem["code"] == "fetch"


def test_an_address_with_a_space_is_no_failure_of_ours(bundle: Path) -> None:
    with serving.client(bundle, allowed_hosts=("127.0.0.1:9",)) as api:
        for path in ("a b", "a\u3000b", "%", "é"):
            answer = api.post("/search", json={"parts": [{"image_url": f"http://127.0.0.1:9/{path}"}]})
            assert checked_problem(answer, 422)["code"] in ("fetch", "no_urls")
