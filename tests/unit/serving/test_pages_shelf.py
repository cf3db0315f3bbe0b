"""Where uploads lie: how much, for how long, and what is left when a server ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

pytest.importorskip("gradio")

from fastapi.testclient import TestClient

import serving
from luneta.serving import Settings, create_app
from luneta.serving import pages as pages_module
from luneta.serving.pages import mount_pages
from luneta.serving.pages.shelf import LEAST, PREFIX, QUIET_S, Shelf, quarters, sweep, touch
from luneta.serving.problems import Problem
from serving import checked_problem

OLD = time.time() - 2 * QUIET_S


def upload(folder: Path, name: str, used: float | None = None, size: int = LEAST) -> Path:
    path = folder / name / "x.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(size))
    if used is not None:
        os.utime(path, (used, used))
    return path


def test_what_nobody_has_used_for_longest_makes_room(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 4 * LEAST)
    older, old = upload(tmp_path, "b", OLD - 10), upload(tmp_path, "a", OLD)
    used, new = upload(tmp_path, "c", OLD - 20), upload(tmp_path, "d")
    touch(used)
    with shelf.room(LEAST):
        assert [path.exists() for path in (older, old, used, new)] == [False, True, True, True]
    with shelf.room(2 * LEAST):
        assert [path.exists() for path in (older, old, used, new)] == [False, False, True, True]
    with pytest.raises(Problem) as caught, shelf.room(3 * LEAST):
        pass
    assert (caught.value.status, caught.value.code) == (503, "uploads_full")
    assert used.exists()
    assert new.exists()


def test_what_is_still_coming_counts(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 4 * LEAST)
    with shelf.room(2 * LEAST), shelf.room(2 * LEAST), pytest.raises(Problem), shelf.room(1):
        pass
    with shelf.room(4 * LEAST):
        pass


def test_very_many_small_ones_take_room_too(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 4 * LEAST)
    for number in range(4):
        upload(tmp_path, str(number), size=1)
    with pytest.raises(Problem), shelf.room(1):
        pass


def test_what_the_lab_keeps_is_no_upload(tmp_path: Path) -> None:
    kept = upload(tmp_path / "lab", "lab-1", OLD, 9 * LEAST)
    with Shelf(tmp_path, 4 * LEAST).room(4 * LEAST):
        assert kept.exists()


@pytest.fixture
def small(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(pages_module, "ROOM", 3 * LEAST)
    monkeypatch.setattr(pages_module, "UPLOADS", 1)
    app = create_app({"pixels": serving.searcher(bundle)}, Settings(max_upload_mib=0.5))
    mount_pages(app, lab=None)
    with TestClient(app, "http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def test_uploads_of_everybody_together_are_bounded(small: TestClient) -> None:
    def send(number: int) -> httpx.Response:
        files = {"files": ("x.png", bytes([number]) * LEAST, "image/png")}
        return small.post("/pages/gradio_api/upload", files=files)

    first, second = send(1), send(2)
    assert (first.status_code, second.status_code) == (200, 200)
    assert checked_problem(send(3), 503)["code"] == "uploads_full"
    os.utime(first.json()[0], (OLD, OLD))
    assert send(3).status_code == 200
    assert not Path(first.json()[0]).exists()
    assert Path(second.json()[0]).exists()


def test_the_folder_goes_with_the_last_server_and_comes_with_the_next() -> None:
    own = quarters()
    assert quarters() is own
    with own.used():
        with own.used():
            upload(own.folder, "once")
        assert (own.folder / "once").exists()
    assert not own.folder.exists()
    with own.used():
        assert own.folder.exists()
        sweep(own.folder.parent)
        assert own.folder.exists()


def ended(server: subprocess.Popen[str]) -> None:
    server.kill()
    server.communicate()


HELD = """
from luneta.serving.pages.shelf import quarters
print(quarters().folder, flush=True)
import time; time.sleep(600)
"""


def test_what_a_killed_server_left_is_swept_and_what_a_running_one_has_stays(tmp_path: Path) -> None:
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(tmp_path)}
    servers: list[subprocess.Popen[str]] = []

    def begun() -> Path:
        command = [sys.executable, "-c", HELD]
        servers.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
        return Path(servers[-1].stdout.readline().strip())  # type: ignore[union-attr]

    try:
        folders = [begun(), begun()]
        assert [folder.parent for folder in folders] == [tmp_path] * 2
        (tmp_path / f"{PREFIX}elsewhere").mkdir()  # nobody says that it is one of ours
        for folder in folders:
            upload(folder, "a")
        servers[0].kill()
        servers[0].wait()
        assert folders[0].exists()
        begun()
        assert [folder.exists() for folder in folders] == [False, True]
        assert (tmp_path / f"{PREFIX}elsewhere").exists()
    finally:
        for server in servers:
            ended(server)


SERVED = """
import sys
from pathlib import Path
import uvicorn
import serving
from luneta.serving import Settings, create_app
from luneta.serving.pages import mount_pages
from luneta.serving.running import _listening
settings = Settings(port=0)
listener = _listening(settings)
app = create_app({"pixels": serving.searcher(Path(sys.argv[1]))}, settings)
mount_pages(app)
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none")).run([listener])
"""


def test_nothing_is_left_of_a_server_that_is_told_to_end(bundle: Path, tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(serving.__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(tmp_path), "PYTHONPATH": path}
    server = subprocess.Popen(
        [sys.executable, "-c", SERVED, str(bundle)], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        port = int(server.stdout.readline())  # type: ignore[union-attr]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/pages/gradio_api", timeout=60) as client:
            for _ in range(600):
                try:
                    sent = client.post("/upload", files={"files": ("x.png", serving.picture(), "image/png")})
                    break
                except httpx.ConnectError:
                    time.sleep(0.1)
        uploaded = Path(sent.json()[0])
        assert uploaded.is_relative_to(tmp_path)
        (tmp_path / uploaded.relative_to(tmp_path).parts[0] / "lab" / "lab-data-x").mkdir(parents=True)
        server.send_signal(signal.SIGTERM)
        server.wait(60)
        assert list(tmp_path.glob(f"{PREFIX}*")) == []
    finally:
        ended(server)
