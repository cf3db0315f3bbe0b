"""Uploads, against a small hub on loopback that keeps what it is sent."""

from __future__ import annotations

import base64
import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import metadata_load
from PIL import Image

from checkpoints import make_checkpoint
from luneta import pushing as module
from luneta.data.sources import open_dataset
from luneta.encoders.checkpoints import open_folder
from luneta.encoders.files import all_files
from luneta.errors import ArtifactError, ConfigError
from luneta.pushing import Stored, push_checkpoint, push_dataset, write_dataset

TOKEN = "hf_" + "a" * 34


@dataclass
class Hub:
    """What the server was asked and sent.

    Attributes:
        address: of the server.
        created: bodies of requests for a new repository.
        private: {(kind, repository): whether it is private} of those there are.
        files: {(kind, repository): {path: content}}.
        allowed: the token it accepts.
    """

    address: str
    created: list[dict[str, Any]] = field(default_factory=list)
    private: dict[tuple[str, str], bool] = field(default_factory=dict)
    files: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    allowed: str = TOKEN

    def run(self, *arguments: str, token: str | None = TOKEN, home: Path) -> subprocess.CompletedProcess[str]:
        """`luneta` with this hub as its hub."""
        environment = {**os.environ, "HF_ENDPOINT": self.address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
        environment.pop("HF_HUB_OFFLINE", None)
        environment.pop("HF_TOKEN", None)
        if token:
            environment["HF_TOKEN"] = token
        command = [sys.executable, "-m", "luneta", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def hub() -> Iterator[Hub]:
    found = Hub("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Authorization") != f"Bearer {found.allowed}":
                self._answer(401, {"error": "Invalid token"})
                return
            _, _, rest = self.path.partition("/api/")
            if rest == "repos/create":
                found.created.append(json.loads(body))
                wanted = found.created[-1]
                kind = f"{wanted.get('type', 'model')}s"
                found.private[kind, f"{wanted['organization']}/{wanted['name']}"] = (
                    wanted.get("private", False) or wanted.get("visibility") == "private"
                )
                prefix = "datasets/" if wanted.get("type") == "dataset" else ""
                self._answer(200, {"url": f"{found.address}/{prefix}{wanted['organization']}/{wanted['name']}"})
            elif rest == "validate-yaml":
                self._answer(200, {"errors": [], "warnings": []})
            elif "/preupload/" in rest:
                files = [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                         for file in json.loads(body)["files"]]  # fmt: skip
                self._answer(200, {"files": files})
            elif "/commit/" in rest:
                kind, owner, name, *_ = rest.split("/")
                kept = found.files.setdefault((kind, f"{owner}/{name}"), {})
                for line in body.splitlines():
                    item = json.loads(line)
                    if item["key"] == "file":
                        kept[item["value"]["path"]] = base64.b64decode(item["value"]["content"])
                    elif item["key"] == "deletedFile":
                        del kept[item["value"]["path"]]
                url = f"{found.address}/{owner}/{name}/commit/{'c' * 40}"
                self._answer(200, {"commitUrl": url, "commitOid": "c" * 40})
            else:
                self._answer(404, {"error": self.path})

        def do_GET(self) -> None:
            kind, _, name = self.path.partition("/api/")[2].partition("/")
            stored, _, path = self.path.removeprefix("/datasets/").partition("/resolve/main/")
            if path:
                content = found.files["datasets", stored][path]
                self._send(200, content, {"X-Repo-Commit": "c" * 40, "ETag": f'"{hash(content)}"'})
            elif (kind, name) in found.private:
                siblings = [{"rfilename": path} for path in found.files.get((kind, name), {})]
                about = {"id": name, "sha": "c" * 40, "private": found.private[kind, name], "siblings": siblings}
                self._answer(200, {**about, "tags": [], "downloads": 0, "likes": 0})
            else:
                self._answer(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})

        do_HEAD = do_GET

        def _answer(self, status: int, body: dict[str, Any], more: Mapping[str, str] = {}) -> None:
            self._send(status, json.dumps(body).encode(), {"Content-Type": "application/json", **more})

        def _send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    lines = []
    for number in range(3):
        Image.new("RGB", (20 + number, 16), (60 * number, 90, 30)).save(folder / f"{number}.jpg", quality=80)
        lines.append(
            {"file_name": f"{number}.jpg", "caption": [f"picture {number}", f"number {number}"], "year": 1990 + number}
        )
    (folder / "metadata.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return folder


def test_a_checkpoint_arrives_as_it_is(hub: Hub, tmp_path: Path) -> None:
    folder = make_checkpoint("clip", tmp_path / "clip")
    (folder / "README.md").write_text("# card")
    (folder / "LICENSE").write_text("free")
    own = {path.name: path.read_bytes() for path in folder.iterdir()}
    _beside_it(folder)
    done = hub.run("push", str(folder), "--to", "me/mine", "--locale", "pt-BR", home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert "/me/mine/commit/" in done.stdout
    assert [(one["organization"], one["name"]) for one in hub.created] == [("me", "mine")]
    assert hub.private == {("models", "me/mine"): True}
    kept = hub.files["models", "me/mine"]
    assert kept == own


def test_a_checkpoint_in_shards_arrives_with_its_index(tmp_path: Path) -> None:
    folder = make_checkpoint("clip", tmp_path / "clip")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    index = {"weight_map": {"logit_scale": "model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    own = sorted(path.name for path in folder.iterdir())
    _beside_it(folder)
    assert sorted(path.name for path in all_files(open_folder("clip", folder))) == own


def _beside_it(folder: Path) -> None:
    """What may lie in such a folder and is nobody else's business."""
    for name in ("credentials.json", "id_rsa", "notes.txt", "optimizer.pt", "x.pickle", "x.joblib", ".env", "token",
                 "training_args.bin", "modeling.py", "other.safetensors", "me.jpg"):  # fmt: skip
        (folder / name).write_bytes(b"private")
    for name in ("photos/me.jpg", "checkpoint-5/config.json", "checkpoint-5/model.safetensors"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"private")


def test_a_data_set_arrives_and_is_read_again(hub: Hub, photos: Path, tmp_path: Path) -> None:
    arguments = ["--to", "me/photos", "--public", "--locale", "pt-BR"]
    done = hub.run("push-dataset", str(photos), *arguments, home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert "legendas de 'caption' (pelo nome)" in done.stderr
    kept = hub.files["datasets", "me/photos"]
    assert sorted(kept) == ["README.md", "data/train-00000-of-00001.parquet"]
    again = tmp_path / "again"
    (again / "data").mkdir(parents=True)
    for name, content in kept.items():
        (again / name).write_bytes(content)
    original, copy = open_dataset(str(photos)), open_dataset(str(again / "data" / "train-00000-of-00001.parquet"))
    assert copy.image_keys == original.image_keys
    assert list(copy.texts) == list(original.texts)
    assert copy.rows["year"].to_pylist() == [1990, 1991, 1992]
    import datasets

    loaded = datasets.load_dataset(str(again), split="train", cache_dir=str(tmp_path / "cache"))
    assert isinstance(loaded.features["image"], datasets.Image)
    assert loaded[1]["captions"] == ["picture 1", "number 1"]
    assert loaded[1]["image"].size == (21, 16)


def test_a_split_sent_again_replaces_itself_and_nothing_else(hub: Hub, photos: Path, tmp_path: Path) -> None:
    config = "configs:\n- config_name: default\n  data_files:\n  - split: test\n    path: data/test-*\n"
    front = f"license: mit\n{config}dataset_info:\n  splits:\n  - name: train\n    num_examples: 9\n"
    words = "# Photos\n\nMine.\n\ntrain: 9 images with 9 captions.\n\nAsk before use.\n"
    other = "data/test-00000-of-00001.parquet"
    write_dataset(replace(open_dataset(str(photos)), split="test"), tmp_path / "test", "photos")
    kept = {"README.md": f"---\n{front}---\n{words}".encode(), other: (tmp_path / "test" / other).read_bytes()}
    kept |= {f"data/train-0000{number}-of-00003.parquet": b"old" for number in range(3)}
    hub.private["datasets", "me/photos"] = True
    hub.files["datasets", "me/photos"] = kept
    given = ["push-dataset", str(photos), "--language", "no", "--to", "me/photos"]
    done = hub.run(*given, home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert sorted(kept) == ["README.md", other, "data/train-00000-of-00001.parquet"]
    card = kept["README.md"].decode()
    assert card.endswith("# Photos\n\nMine.\n\ntrain: 3 images with 6 captions.\n\nAsk before use.\n")
    assert "license: mit" in card
    assert "- 'no'" in card
    for name, content in kept.items():
        (tmp_path / "again" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "again" / name).write_bytes(content)
    import datasets

    loaded = datasets.load_dataset(str(tmp_path / "again"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"test": 3, "train": 3}


@pytest.mark.parametrize(
    ("front", "others"),
    [
        ({}, ["test"]),  # told by the names of the files
        ({"configs": [{"config_name": "default", "data_files": "old/*.parquet"}]}, ["train"]),
        ({"configs": [{"config_name": "pt", "data_dir": "pt"}]}, ["test"]),
    ],
)
def test_other_splits_are_found_however_they_are_told(
    photos: Path, tmp_path: Path, front: dict[str, Any], others: list[str]
) -> None:
    card = f"---\n{json.dumps(front)}\n---\n# Photos\n"
    stored = Stored(card, ("data/test-00000-of-00001.parquet", "data/val-00000-of-00001.parquet"))
    write_dataset(replace(open_dataset(str(photos)), split="val"), tmp_path, "photos", stored)
    written = metadata_load(tmp_path / "README.md") or {}
    (ours,) = (config for config in written["configs"] if config["config_name"] == "default")
    assert [entry["split"] for entry in ours["data_files"]] == [*others, "val"]
    assert len(written["configs"]) == len({"default"} | {config["config_name"] for config in front.get("configs", [])})


@pytest.mark.parametrize("kind", ["models", "datasets"])
def test_nothing_goes_into_a_public_repository_unasked(hub: Hub, photos: Path, tmp_path: Path, kind: str) -> None:
    hub.private[kind, "me/open"] = False
    given = ["push", str(make_checkpoint("clip", tmp_path / "clip"))] if kind == "models" else ["push-dataset", photos]
    done = hub.run(*map(str, given), "--to", "me/open", home=tmp_path / "home")
    assert done.returncode == 2
    assert "me/open is there already, and public" in " ".join(done.stderr.split())
    assert not hub.files
    done = hub.run(*map(str, given), "--to", "me/open", "--public", home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert hub.files[kind, "me/open"]
    assert not hub.created


def test_large_data_sets_are_written_in_shards(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("luneta.pushing.SHARD_BYTES", 1)
    write_dataset(open_dataset(str(photos)), tmp_path / "out", "photos")
    names = sorted(path.name for path in (tmp_path / "out" / "data").iterdir())
    assert names == [f"train-0000{number}-of-00003.parquet" for number in range(3)]


def test_columns_are_the_same_in_all_shards(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.loads(line) for line in (photos / "metadata.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines):
        line |= {"size": {"w": number, "tags": ["a"]}, "note": f"n{number}" if number else None, "nothing": None}
    (photos / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    monkeypatch.setattr("luneta.pushing.SHARD_BYTES", 1)
    write_dataset(open_dataset(str(photos), language="no"), tmp_path / "out", "photos")
    assert (metadata_load(tmp_path / "out" / "README.md") or {})["language"] == ["no"]
    import datasets

    loaded = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded["note"][:] == [None, "n1", "n2"]
    assert loaded["size"][:] == [{"w": number, "tags": ["a"]} for number in range(3)]
    assert loaded["nothing"][:] == [None] * 3
    assert isinstance(loaded.features["image"], datasets.Image)


@pytest.mark.parametrize("split", ["train,val", "train+test", "a-b", "a/b", ".x"])
def test_a_split_is_called_what_the_hub_can_read(photos: Path, tmp_path: Path, split: str) -> None:
    data = replace(open_dataset(str(photos)), split=split)
    with pytest.raises(ConfigError, match="name of a split"):
        write_dataset(data, tmp_path / "out", "photos")
    with pytest.raises(ConfigError, match="name of a split"):
        push_dataset(data, "me/photos")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", ["no-owner", "a/b/c", "me/my--model", "../..", "-me/x", "me/a..b", "me/x.git", "me/é"])
def test_nothing_is_sent_to_a_name_that_is_none(photos: Path, to: str) -> None:
    with pytest.raises(ConfigError, match="expected owner/name"):
        push_checkpoint(photos, to)
    with pytest.raises(ConfigError, match="expected owner/name"):
        push_dataset(open_dataset(str(photos)), to)


def test_a_hub_that_is_not_there_and_a_name_that_is_none_are_told(photos: Path, tmp_path: Path) -> None:
    nowhere = Hub("http://127.0.0.1:9")
    for to, words in (("me/photos", "hub cannot be reached"), ("me/x.git", "expected owner/name")):
        done = nowhere.run("push-dataset", str(photos), "--to", to, home=tmp_path / "home")
        assert done.returncode == 2
        assert words in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr


def test_what_cannot_be_read_here_is_not_the_hubs_fault() -> None:
    with pytest.raises(ArtifactError, match="weights cannot be read: Permission denied"), module._hub("me/mine"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "weights")


def test_a_folder_without_a_checkpoint_and_a_wrong_token_are_told(hub: Hub, photos: Path, tmp_path: Path) -> None:
    done = hub.run("push", str(photos), "--to", "me/mine", home=tmp_path / "home")
    assert done.returncode == 2
    assert "config.json" in done.stderr
    assert not hub.created
    done = hub.run("push-dataset", str(photos), "--to", "me/mine", token="hf_wrong", home=tmp_path / "home")
    assert done.returncode == 2
    assert "token with write access" in " ".join(done.stderr.split())
    assert "hf_wrong" not in done.stderr
