"""A real server on a real port: it answers as the library does, whatever happens to it and to its bundle."""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from luneta.bundles import Bundle
from luneta.search import Query, Searcher
from luneta.search.queries import Item

serving = pytest.importorskip("serving")  # what it stands on is an optional dependency

TESTS = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}

HTTP = httpx.Client(verify=False, timeout=60)  # making one reads all certificates of the system
atexit.register(HTTP.close)

Spawn = Callable[[Path], tuple[int, str]]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """`spawn(folder)` -> the number and address of a new server process."""
    mothers: dict[Path, subprocess.Popen[str]] = {}
    children: list[int] = []

    def spawned(folder: Path) -> tuple[int, str]:
        if folder not in mothers:
            mothers[folder] = subprocess.Popen(
                [sys.executable, TESTS / "serving_process.py", folder],
                env=ENVIRONMENT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        mother = mothers[folder]
        assert mother.stdin
        assert mother.stdout
        mother.stdin.write("\n")
        mother.stdin.flush()
        number, address = mother.stdout.readline().split()
        children.append(int(number))
        until(lambda: answers(address))
        return int(number), address

    yield spawned
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    for mother in mothers.values():
        mother.communicate()


def answers(address: str) -> bool:
    try:
        return HTTP.get(f"{address}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(scope="module")
def pixels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "pixels.luneta"
    serving.make_bundle(folder)
    return folder


def asked(address: str, form: dict[str, Any]) -> dict[str, Any]:
    answer = HTTP.post(f"{address}/search", json=form)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_many_at_once_get_what_each_gets_alone(spawn: Spawn, pixels: Path) -> None:
    _, address = spawn(pixels)
    forms = [
        {"query": f"thing {number}, way 1 - 0.3*thing {number + 1}", "top_k": 5 + number % 3} for number in range(48)
    ]
    forms += [{"query": f"thing {number}", "where": "style = 'flat'"} for number in range(8)]
    alone = [asked(address, form) for form in forms]
    with ThreadPoolExecutor(16) as threads:
        together = list(threads.map(lambda form: asked(address, form), forms))
    for one, other in zip(alone, together, strict=True):
        assert serving.ids(one) == serving.ids(other)
        np.testing.assert_allclose([h["score"] for h in one["hits"]], [h["score"] for h in other["hits"]], atol=1e-6)
    text = HTTP.get(f"{address}/metrics").text
    n_batches = float(re.search(r'luneta_batch_size_count\{what="queries"\} (\S+)', text)[1])  # type: ignore[index]
    n_queries = float(re.search(r'luneta_batch_size_sum\{what="queries"\} (\S+)', text)[1])  # type: ignore[index]
    assert n_queries >= 2 * 48  # those with a filter are answered by themselves
    assert n_batches < n_queries  # some went together


def test_a_server_that_is_killed_leaves_its_bundle_whole(spawn: Spawn, tmp_path: Path) -> None:
    folder = tmp_path / "pixels.luneta"
    serving.make_bundle(folder, 30)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    chance = random.Random(0)
    for _ in range(20):
        number, address = spawn(folder)
        stop = threading.Event()

        def bombard(address: str = address, stop: threading.Event = stop) -> None:
            with httpx.Client(verify=False) as client:
                while not stop.is_set():
                    try:
                        client.post(f"{address}/search", json={"query": "thing 1"})
                    except httpx.TransportError:
                        return

        threads = [threading.Thread(target=bombard) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0, 0.1))
        os.kill(number, signal.SIGKILL)
        stop.set()
        for thread in threads:
            thread.join(60)
    assert [damage for _, damage in Bundle.open(folder).verify() if damage] == []
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_an_update_while_serving_fails_no_request(spawn: Spawn, tmp_path: Path) -> None:
    folder = tmp_path / "pixels.luneta"
    serving.make_bundle(folder, 30)
    _, address = spawn(folder)
    stop, failures, n_done = threading.Event(), [], [0]

    def bombard(number: int) -> None:
        with httpx.Client(verify=False, timeout=60) as client:
            while not stop.is_set():
                for answer in (
                    client.post(f"{address}/search", json={"query": f"thing {number}", "top_k": 1}),
                    client.post(
                        f"{address}/similar", json={"id": number, "side": "text", "target": "image", "top_k": 1}
                    ),
                    client.get(f"{address}/bundles/pixels/thumbnails/{number}.jpg"),
                ):
                    failures.extend([answer.text] if answer.status_code != 200 else [])
                n_done[0] += 1

    threads = [threading.Thread(target=bombard, args=(number,)) for number in (3, 4)]
    for thread in threads:
        thread.start()
    try:
        for n_images in (45, 20, 60):
            serving.make_bundle(folder, n_images, update=True)
            until(lambda: HTTP.get(f"{address}/bundles/pixels").json()["n_images"] == n_images)  # noqa: B023
            last = n_images - 1
            found = asked(address, {"query": f"thing {last}, way 0 + thing {last}, way 1", "top_k": 1})
            assert found["hits"][0]["name"] == f"picture-{last}"
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert failures == []
    assert n_done[0] > 10


def raw(address: str, data: bytes) -> bytes:
    """Bytes sent as they are -> what comes back until the server closes or says no more."""
    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=60) as client:
        found = b""
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while part := client.recv(2**16):
                found += part
        except ConnectionError:  # it has had enough
            pass
        return found


def test_bytes_that_no_client_would_send(spawn: Spawn, pixels: Path) -> None:
    _, address = spawn(pixels)
    head = b"Host: localhost\r\nConnection: close\r\n"
    for path in (b"/../../../../etc/passwd", b"/bundles/../../../etc/passwd",
    b"/bundles/pixels/thumbnails/../../../../etc/passwd",
                 b"//etc/passwd", b"/bundles/pixels/items/..%2f..%2fbundle.json",
                 b"/%2e%2e/%2e%2e/etc/passwd"):  # fmt: skip
        answer = raw(address, b"GET " + path + b" HTTP/1.1\r\n" + head + b"\r\n")
        assert re.match(rb"HTTP/1\.1 4\d\d ", answer), (path, answer)
        assert b"root:" not in answer
        assert str(pixels.parent).encode() not in answer
    for broken in (
        b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\0\x01",
        b"POST /search HTTP/1.1\r\n" + head + b"Content-Length: -1\r\n\r\n",
        b"POST /search HTTP/1.1\r\n" + head + b"Content-Length: 99999999999999999999\r\n\r\n{}",
        b"POST /search HTTP/1.1\r\n" + head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"POST /search HTTP/1.1\r\n" + head + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 2**18 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", b"GET /healthz HTTP/1.1\r\n\r\n",
    ):  # fmt: skip
        answer = raw(address, broken)
        assert answer == b"" or re.match(rb"HTTP/1\.1 4\d\d ", answer), (broken[:60], answer[:200])
    assert (
        raw(address, b"POST /search HTTP/1.1\r\n" + head + b"Content-Length: 50\r\n\r\n{") == b""
    )  # nobody is there any more
    assert answers(address)
    assert serving.ids(asked(address, {"query": "thing 7", "top_k": 1})) == [7]


def test_the_command_serves_a_bundle_as_the_library_searches_it(tmp_path: Path) -> None:
    """With a real encoder, by its text tower, until Ctrl-C."""
    import luneta
    from luneta.bundles import IndexRecipe, build_bundle

    data = luneta.open_dataset("cenas", split="test", limit=24)
    folder = tmp_path / "cenas.luneta"
    encoder = luneta.load_encoder("luneta-mini", dtype="float32")
    build_bundle(encoder, data, folder, recipe=IndexRecipe(kind="exact"), cache=False)
    log = tmp_path / "log"
    with log.open("wb") as stream:
        server = subprocess.Popen(
            [sys.executable, "-m", "luneta", "serve", folder, "--port", "0", "--no-pages"], env=ENVIRONMENT,
            stdout=stream, stderr=stream,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
    try:
        until(lambda: b"Serving at" in log.read_bytes() or server.poll() is not None, 200)
        address = re.search(rb"http://127\.0\.0\.1:\d+", log.read_bytes())[0].decode()  # type: ignore[index]
        searcher = Searcher.open(folder, encoder=encoder)
        picture = data.images[3].open()
        picture.save(tmp_path / "picture.png")
        for query in ("a red boat", "a cat + 0.5*a dog - night"):
            same(asked(address, {"query": query, "top_k": 5}), searcher.search(query, top_k=5))
        with (tmp_path / "picture.png").open("rb") as stream:
            answer = HTTP.post(f"{address}/search", files={"image": stream})
        same(answer.json(), searcher.search(picture))
        answer = HTTP.post(f"{address}/similar", json={"id": 5})
        same(answer.json(), searcher.search(Query.of(Item("image", 5))))
        assert HTTP.get(f"{address}/", follow_redirects=True).text.startswith("<!doctype html>")
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
    said = log.read_text()
    assert "Stopped." in said
    assert "POST /search: 200" in said
    assert "boat" not in said
    shutil.rmtree(folder)


def same(answer: dict[str, Any], hits: Any) -> None:
    assert serving.ids(answer) == [hit.id for hit in hits]
    np.testing.assert_allclose([hit["score"] for hit in answer["hits"]], [hit.score for hit in hits], atol=1e-5)
