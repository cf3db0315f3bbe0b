"""As whom the hub is asked: a hub on this machine writes down what it was shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from checkpoints import make_checkpoint
from luneta.hub_access import as_nobody, hub_token
from serving import picture

SHA = "c" * 40


@dataclass
class Hub:
    """Attributes:
    files: {repository, as "datasets/owner/name": {path: content}}.
    shown: (path, what was shown with it) of every request.
    """

    address: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    shown: list[tuple[str, str | None]] = field(default_factory=list)

    def run(self, program: str, home: Path) -> str:
        environment = {
            **os.environ, "HF_ENDPOINT": self.address, "HF_HOME": str(home), "HF_TOKEN": "hf_" + "a" * 34,
            "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "0",
            "HF_DATASETS_OFFLINE": "0",
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, (done.stderr[-300:], self.shown)
        return done.stdout


@pytest.fixture
def hub() -> Iterator[Hub]:
    found = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.shown.append((self.path, self.headers.get("Authorization")))
            length = int(self.headers.get("Content-Length") or 0)
            asked = self.rfile.read(length).decode() if length else ""
            path = self.path.partition("?")[0].lstrip("/")
            for name, files in found.files.items():
                api, plain = f"api/{name}", name.removeprefix("models/")
                kept = [{"type": "file", "path": each, "size": len(data), "oid": "0" * 40}
                        for each, data in files.items()]  # fmt: skip
                if path in (api, f"{api}/revision/{SHA}", f"{api}/revision/main"):
                    siblings = [{"rfilename": each} for each in files]
                    self._answer({"id": name.partition("/")[2], "sha": SHA, "siblings": siblings, "tags": []})
                    return
                if path.startswith(f"{api}/tree/"):
                    below = path.removeprefix(f"{api}/tree/{SHA}").strip("/")
                    self._answer([each for each in kept if each["path"].startswith(below)])
                    return
                if path.startswith(f"{api}/paths-info/"):
                    self._answer([each for each in kept if each["path"] in asked.replace("%2F", "/")])
                    return
                if path.startswith(f"{plain}/resolve/") and (
                    data := files.get(path.split("/", 4 + name.count("/") - 1)[-1])
                ):
                    self._send(data, {"X-Repo-Commit": SHA, "ETag": f'"{len(data)}"'})
                    return
            self._send(b"{}", {"X-Error-Code": "EntryNotFound"}, 404)

        do_HEAD = do_POST = do_GET

        def _answer(self, body: Any) -> None:
            self._send(json.dumps(body).encode(), {"Content-Type": "application/json"})

        def _send(self, content: bytes, headers: dict[str, str], status: int = 200) -> None:
            begin, end = 0, len(content)
            if wanted := self.headers.get("Range"):
                low, _, high = wanted.removeprefix("bytes=").partition("-")
                begin, end = int(low), min(end, int(high or end) + 1)
                headers, status = {**headers, "Content-Range": f"bytes {begin}-{end - 1}/{len(content)}"}, 206
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(end - begin))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content[begin:end])

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


OPENED = """
from luneta.hub_access import as_nobody
from luneta.encoders.registry import load_encoder
from luneta.data.sources import open_dataset
from contextlib import nullcontext
with {block}:
    load_encoder("operator/model")
    print(open_dataset("hub:operator/data", limit={limit}).n_images)
"""


@pytest.mark.parametrize("limit", [3, 10**6])
@pytest.mark.parametrize("nobody", [True, False])
def test_as_nobody_no_token_is_shown(hub: Hub, tmp_path: Path, limit: int, nobody: bool) -> None:
    folder = make_checkpoint("clip", tmp_path / "clip")
    hub.files["models/operator/model"] = {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}
    rows = [{"image": {"bytes": picture(n), "path": f"{n}.png"}, "text": f"thing {n}"} for n in range(5)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    hub.files["datasets/operator/data"] = {"train-00000-of-00001.parquet": (tmp_path / "rows.parquet").read_bytes()}
    program = OPENED.format(block="as_nobody()" if nobody else "nullcontext()", limit=limit)
    assert hub.run(program, tmp_path / "home").split() == [str(min(limit, 5))]
    for kind in ("models", "datasets"):
        assert any(f"api/{kind}/operator" in path for path, _ in hub.shown)
    assert any(path.endswith(".parquet") and "/resolve/" in path for path, _ in hub.shown)
    tokens = {token for _, token in hub.shown}
    assert tokens == ({None} if nobody else {"Bearer hf_" + "a" * 34})


def test_it_holds_for_the_block_and_the_thread_alone() -> None:
    seen: list[object] = []
    with as_nobody():
        other = threading.Thread(target=lambda: seen.append(hub_token()))
        other.start()
        other.join()
        seen.append(hub_token())
    assert [*seen, hub_token()] == [None, False, None]
