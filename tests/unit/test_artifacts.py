from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luneta.artifacts import (
    atomic_folder,
    atomic_path,
    atomic_paths,
    cache_dir,
    check_writable,
    hash_file,
    hash_json,
    read_json,
    write_json,
    write_text,
)
from luneta.errors import ArtifactError


def test_a_failing_writer_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    write_text(target, "old")
    with pytest.raises(RuntimeError, match="half way"), atomic_path(target) as path:
        path.write_text("ne")
        raise RuntimeError("half way")
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]
    assert target.read_text() == "old"


def test_ctrl_c_leaves_nothing_half_written(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "a.bin") as path:
        path.write_bytes(b"half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_artifact_error_and_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    write_text(target, "old")
    with pytest.raises(ArtifactError, match=r"result\.json.*No space"), atomic_path(target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert target.read_text() == "old"


def test_an_unwritable_place_is_an_artifact_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot write"):
        write_json(tmp_path / "file" / "result.json", {})
    (tmp_path / "folder").mkdir()
    with pytest.raises(ArtifactError, match="folder of that name"):
        write_json(tmp_path / "folder", {})


def test_written_files_get_ordinary_permissions(tmp_path: Path) -> None:
    write_text(tmp_path / "ours", "")
    (tmp_path / "plain").write_text("")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_nan_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"recall": float("nan")})
    assert list(tmp_path.iterdir()) == []


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(value=json_values)
def test_json_round_trip_keeps_the_hash(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.getbasetemp() / "round.json"
    write_json(path, value)
    assert read_json(path) == value
    assert hash_json(read_json(path)) == hash_json(value)


def test_names_that_are_no_utf_8_are_written_so_that_they_can_be_read(tmp_path: Path) -> None:
    value = {"image": os.fsdecode(b"caf\xe9.png"), "caption": "half of a pair: \ud83d"}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == {"image": "caf\ufffd.png", "caption": "half of a pair: \ufffd"}
    assert hash_json(read_json(tmp_path / "a.json")) == hash_json(value)


def test_files_that_belong_together_appear_together_or_not_at_all(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    write_text(one, "old")
    write_text(other, "old")
    with pytest.raises(RuntimeError), atomic_paths(one, other) as (first, second):
        first.write_text("new")
        second.write_text("ne")
        raise RuntimeError("half way through the second")
    assert (one.read_text(), other.read_text()) == ("old", "old")
    with atomic_paths(one, other) as (first, second):
        first.write_text("new")
        second.write_text("new")
    assert (one.read_text(), other.read_text()) == ("new", "new")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    real, link, dangling = tmp_path / "there" / "real", tmp_path / "link", tmp_path / "dangling"
    real.write_text("old")
    link.symlink_to(real)
    dangling.symlink_to("there/new")
    write_text(link, "new")
    write_text(dangling, "too")
    assert link.is_symlink()
    assert dangling.is_symlink()
    assert (real.read_text(), (tmp_path / "there" / "new").read_text()) == ("new", "too")


def test_a_pipe_is_written_into_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    write_text(pipe, "through")
    reader.join(10)
    assert read == ["through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_place_can_be_tried_before_the_work(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "old")
    check_writable(tmp_path / "file")
    check_writable(tmp_path / "new" / "file")
    assert (tmp_path / "file").read_text() == "old"
    assert list((tmp_path / "new").iterdir()) == []
    for refused in (tmp_path / "file" / "below", tmp_path / "new"):
        with pytest.raises(ArtifactError, match="cannot write"):
            check_writable(refused)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1,", b'{"recall": NaN}', b"[-Infinity]"])
def test_damaged_json_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"a\.json"):
        read_json(tmp_path / "a.json")
    with pytest.raises(ArtifactError, match="no such file"):
        read_json(tmp_path / "b.json")


def test_hash_file_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert hash_file(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_cache_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("LUNETA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "luneta"


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with pytest.raises(KeyboardInterrupt), atomic_folder(target) as new:
        (new / "half").write_text("half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    for content in ("first", "second"):
        with atomic_folder(target) as new:
            (new / content).write_text(content)
    assert [path.name for path in target.iterdir()] == ["second"]
    with pytest.raises(RuntimeError, match="half way"), atomic_folder(target) as new:
        raise RuntimeError("half way")
    assert [path.name for path in target.iterdir()] == ["second"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_cannot_be_replaced_is_there_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "weights").write_text("old")
    rename = Path.rename

    def full(self: Path, to: Path) -> Path:
        if self.name == "new":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(ArtifactError, match="No space"), atomic_folder(target) as new:
        (new / "weights").write_text("new")
    assert (target / "weights").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("mode", ["w", "a"])
def test_what_goes_to_a_stream_comes_after_what_stands_there(tmp_path: Path, mode: str) -> None:
    """Standard output may be a file: opened once more by its path, it would be emptied."""
    code = (
        "from luneta.artifacts import check_writable, write_json\nprint('before')\ncheck_writable('/dev/stdout')\n"
        "write_json('/dev/stdout', {'a': 1})\nprint('after')"
    )
    place = tmp_path / "out.txt"
    place.write_text("earlier\n")
    with place.open(mode) as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    lines = place.read_text().split()
    assert lines == [*(["earlier"] if mode == "a" else []), "before", "{", '"a":', "1", "}", "after"]
