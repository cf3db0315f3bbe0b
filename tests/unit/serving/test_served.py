"""Bundles that are brought up to date while they are served."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import socket
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import serving
from luneta.bundles import Bundle
from luneta.bundles.files import RECORD
from luneta.errors import ConfigError
from luneta.serving import Settings, create_app
from luneta.serving.running import _listening, named
from serving import ids
from worlds import ConceptEncoder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own.luneta"
    serving.make_bundle(folder, 20)
    return folder


def test_a_bundle_that_was_brought_up_to_date_is_exchanged(own: Path) -> None:
    with serving.client(own) as api:
        bundles = api.app.state.bundles
        assert bundles.refresh() == []
        before = bundles.get("own")
        serving.make_bundle(own, 40, update=True)
        assert bundles.refresh() == ["own"]
        assert bundles.refresh() == []
        assert bundles.get("own") is not before
        assert ids(api.post("/search", json={"query": "thing 33", "top_k": 1}).json()) == [33]
        assert api.get("/bundles/own").json()["n_images"] == 40
        assert bundles.get("own").searcher.engine is before.searcher.engine  # and nothing was loaded again


@pytest.mark.parametrize("exchanged", [False, True])
def test_what_is_being_answered_goes_on_though_its_files_are_gone(own: Path, exchanged: bool) -> None:
    with serving.client(own) as api:
        bundles = api.app.state.bundles
        if exchanged:
            serving.make_bundle(own, 30, update=True)
            assert bundles.refresh() == ["own"]
        old = bundles.get("own")
        expected = [hit.id for hit in serving.searcher(own).search("thing 7", top_k=20)]
        key = str(old.bundle.items("image").column("_key")[7])
        thumbnail = Bundle.open(own).thumbnails.get(key)
        serving.make_bundle(own, 5, update=True)
        for path in own.iterdir():
            if path.name.startswith(("items", "vectors", "thumbnails")):
                path.unlink()
        assert [hit.id for hit in old.searcher.search("thing 7", top_k=20)] == expected
        assert [hit.id for hit in old.searcher.search("thing 7", target="text", top_k=2)]
        assert old.bundle.thumbnails.get(key) == thumbnail is not None


def test_one_that_cannot_be_opened_stays_as_it_was_and_is_tried_again(own: Path) -> None:
    with serving.client(own) as api:
        bundles = api.app.state.bundles
        whole = (own / RECORD).read_text()
        for broken in (
            "{",
            json.dumps({**json.loads(whole), "files": {"gone-0123456789ab.npy": {"sha256": "0", "bytes": 1}}}),
        ):
            (own / "new").write_text(broken)
            os.replace(own / "new", own / RECORD)
            assert bundles.refresh() == []
            assert ids(api.post("/search", json={"query": "thing 7", "top_k": 1}).json()) == [7]
        (own / RECORD).unlink()
        assert bundles.refresh() == []
        (own / RECORD).write_text(whole)
        assert bundles.refresh() == ["own"]
        assert ids(api.post("/search", json={"query": "thing 7", "top_k": 1}).json()) == [7]


def test_what_broke_with_one_bundle_does_not_keep_the_others_back(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it was; and the log says where."""
    other = tmp_path / "other.luneta"
    serving.make_bundle(other, 10)
    proper = Bundle.open

    def broken(folder: Path) -> Bundle:
        if folder == own:
            raise RuntimeError("a word of my aunt")
        return proper(folder)

    with serving.client(own, other) as api:
        bundles = api.app.state.bundles
        serving.make_bundle(own, 30, update=True)
        serving.make_bundle(other, 15, update=True)
        monkeypatch.setattr(Bundle, "open", broken)
        until(lambda: bundles.get("other").bundle.n("image") == 15, bundles.refresh)
        assert bundles.get("own").bundle.n("image") == 20
        assert "RuntimeError at" in caplog.text
        assert "aunt" not in caplog.text
        monkeypatch.undo()
        until(lambda: bundles.get("own").bundle.n("image") == 30, bundles.refresh)


def until(true: Callable[[], bool], again: Callable[[], object] = lambda: None) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        again()
        time.sleep(0.01)


def n_readers() -> int:
    """Threads that read queries."""
    names = ("luneta-queries", "luneta-texts", "luneta-pictures")
    return sum(thread.name in names for thread in threading.enumerate())


Remake = Callable[[float], str]


@pytest.fixture
def remake(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remake:
    """`remake(noise)` puts a bundle of another encoder in the place of `own`; its fingerprint."""
    known = {encoder.spec.fingerprint: encoder for encoder in map(ConceptEncoder, (0.1, 0.2, 0.3))}
    monkeypatch.setattr(Bundle, "encoder", lambda bundle, **_: known[bundle.record["encoder"]["fingerprint"]])

    def made(noise: float) -> str:
        encoder = ConceptEncoder(noise)
        monkeypatch.setattr(serving, "ENCODER", encoder)
        serving.make_bundle(tmp_path / "new.luneta", 20)
        shutil.rmtree(own)
        (tmp_path / "new.luneta").rename(own)
        return encoder.spec.fingerprint

    return made


def test_an_encoder_that_no_bundle_needs_any_more_is_let_go(own: Path, remake: Remake) -> None:
    before = n_readers()
    with serving.client(own) as api:
        bundles = api.app.state.bundles
        until(lambda: n_readers() == before + 3)
        for noise in (0.1, 0.2, 0.1, 0.3):
            engine = weakref.ref(bundles.get("own").searcher.engine)
            fingerprint = remake(noise)
            until(lambda: bundles.get("own").facts["encoder"]["fingerprint"] == fingerprint, bundles.refresh)  # noqa: B023
            assert api.post("/search", json={"query": "thing 7"}).status_code == 200
            until(lambda: n_readers() == before + 3 and engine() is None, bundles.refresh)  # noqa: B023


def test_who_is_answered_by_an_old_encoder_is_answered_to_the_end(own: Path, remake: Remake) -> None:
    before = n_readers()
    with serving.client(own) as api:
        bundles = api.app.state.bundles
        old = [bundles.get("own").searcher]
        remake(0.1)
        until(lambda: bundles.get("own").searcher is not old[0], bundles.refresh)
        bundles.refresh()
        assert [hit.id for hit in old[0].search("thing 7", top_k=1)] == [7]
        assert [hit.id for hit in old[0].search(Image.open(io.BytesIO(serving.picture(9))), top_k=1)] == [9]
        assert n_readers() == before + 6
        old.clear()
        until(lambda: n_readers() == before + 3, bundles.refresh)


def test_what_is_searched_elsewhere_is_held_too(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another server has the index, searching opens nothing; what is like an item is asked by its own vector."""
    away = tmp_path / "away.luneta"
    serving.make_bundle(away, 20)
    elsewhere, proper = Bundle.open(away), Bundle.collection
    monkeypatch.setattr(Bundle, "collection", lambda bundle, side: proper(elsewhere, side))
    with serving.client(own) as api:
        bundles = api.app.state.bundles
        serving.make_bundle(own, 30, update=True)
        assert bundles.refresh() == ["own"]
        for path in own.iterdir():
            path.unlink()
        assert ids(api.post("/similar", json={"id": 7, "side": "text", "target": "image"}).json())[0] == 3
        assert bundles.get("own").bundle.index("image").dim == 32


def test_an_exchange_between_opening_and_serving_is_not_missed(own: Path) -> None:
    opened = serving.searcher(own)
    serving.make_bundle(own, 30, update=True)
    with serving.client_of({"own": opened}) as api:
        assert api.get("/bundles/own").json()["n_images"] == 30
        assert api.app.state.bundles.refresh() == []


def test_names_stand_in_addresses() -> None:
    assert named(["/srv/shop.luneta", "art"]) == {"shop": Path("/srv/shop.luneta"), "art": Path("art")}
    with pytest.raises(ConfigError, match="two bundles are called shop"):
        named(["a/shop.luneta", "b/shop.luneta"])


def test_without_bundles_or_with_odd_names_there_is_no_app(own: Path) -> None:
    with pytest.raises(ConfigError, match="no bundle"):
        create_app({})
    for name in ("", "a/b", "a\nb"):
        with pytest.raises(ConfigError, match="cannot be called"):
            create_app({name: serving.searcher(own)})


def test_answers_are_sent_at_once() -> None:
    """asyncio turns off Nagle's algorithm, which holds back a body for 40 ms, for sockets that say they speak TCP."""
    with contextlib.closing(_listening(Settings(port=0))) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_an_address_that_is_taken_or_no_address_is_said_to_be_so() -> None:
    with contextlib.closing(_listening(Settings(port=0))) as listener:
        listener.listen()
        with pytest.raises(ConfigError, match="cannot listen at 127"):
            _listening(Settings(port=listener.getsockname()[1]))
    for host in ("no such host", "256.1.1.1", "a" * 300):
        with pytest.raises(ConfigError, match="expected an address"):
            _listening(Settings(host=host, port=0))
