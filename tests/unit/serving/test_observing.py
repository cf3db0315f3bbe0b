"""What is counted and written down, and what never is."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

import serving
from luneta.bundles.bundle import Bundle
from luneta.errors import ArtifactError, ConfigError, EncoderError
from luneta.search import Searcher
from luneta.serving.observing import note_failure
from serving import checked_problem, picture

SECRET = "xylophone of my aunt"


def test_requests_are_counted_by_route_and_status(bundle: Path) -> None:
    with serving.client(bundle) as api:
        for query in ("thing 1", "thing 2"):
            api.post("/search", json={"query": query})
        api.post("/search", json={"query": ""})
        for number in (1, 2, 10**6):
            api.get(f"/bundles/pixels/thumbnails/{number}.jpg")
        api.get("/secret-place")
        api.request("BREW", "/search")
        text = api.get("/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    count = 'luneta_requests_total{{method="{}",route="{}",status="{}"}}'
    assert lines[count.format("POST", "/search", 200)] == "2.0"
    assert lines[count.format("POST", "/search", 422)] == "1.0"
    assert lines[count.format("GET", "/bundles/{name}/thumbnails/{id}.jpg", 200)] == "2.0"
    assert lines[count.format("GET", "/bundles/{name}/thumbnails/{id}.jpg", 404)] == "1.0"
    assert lines[count.format("GET", "other", 404)] == "1.0"
    assert lines['luneta_request_seconds_count{route="/search"}'] == "4.0"
    assert float(lines['luneta_batch_size_count{what="queries"}']) >= 2
    assert lines['luneta_queue_length{what="queries"}'] == "0.0"
    assert "secret-place" not in text
    assert "BREW" not in text
    assert "thing" not in text


def test_logs_hold_no_contents(bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving.client(bundle) as api:
        api.post("/search", json={"query": SECRET})
        api.post("/search", json={"query": SECRET, "where": f"{SECRET} = 1"})
        api.get(f"/bundles/{SECRET}")
        api.get(f"/{SECRET}?q={SECRET}")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("luneta")]
    assert any("POST /search: 200" in line for line in ours)
    assert not [line for line in ours if "xylophone" in line]


def test_queries_are_logged_where_somebody_wants_it(bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with serving.client(bundle, log_queries=True) as api:
        api.post("/search", json={"query": SECRET})
    assert any(SECRET in record.getMessage() for record in caplog.records)


def test_what_breaks_is_told_to_the_log_without_what_it_said(
    bundle: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving.client(bundle) as api:

        def broken(*_: Any) -> Any:
            raise RuntimeError(f"{SECRET} in {bundle}")

        monkeypatch.setattr("luneta.search.searcher.Searcher._hits", broken)
        problem = checked_problem(api.post("/search", json={"query": SECRET}), 500)
    assert problem["code"] == "internal"
    assert str(bundle) not in str(problem)
    assert any(
        "RuntimeError at" in record.getMessage() and "searcher.py:" in record.getMessage() for record in caplog.records
    )
    assert "xylophone" not in " ".join(
        record.getMessage() for record in caplog.records if record.name.startswith("luneta")
    )


def test_a_bundle_that_cannot_be_read_any_more_is_said_to_be_so(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving.client(bundle) as api:

        def gone(*_: Any, **__: Any) -> Any:
            raise ArtifactError(f"{bundle}/items cannot be read")

        monkeypatch.setattr(Bundle, "collection", gone)
        problem = checked_problem(api.post("/search", json={"query": SECRET}), 503)
    assert problem["code"] == "unreadable"
    assert str(bundle) not in str(problem)


def test_a_folder_in_a_message_becomes_the_name_of_its_bundle(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise ConfigError(f"{bundle} has no re-ranker, and {bundle.absolute()}/x is not there")

    with serving.client(bundle) as api:
        monkeypatch.setattr(Bundle, "collection", refused)
        problem = checked_problem(api.post("/search", json={"query": "thing 1"}), 422)
    assert problem["detail"] == "Pixels has no re-ranker, and pixels/x is not there"


def test_where_it_broke_is_said_from_the_inside_out(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise KeyError(SECRET)
    except KeyError as error:
        note_failure(error)
    assert "KeyError at" in caplog.text
    assert "xylophone" not in caplog.text


def test_pictures_cannot_be_read_without_the_encoder(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts still can, where the bundle carries what reads them."""

    def gone(*_: Any, **__: Any) -> Any:
        raise EncoderError(f"no such folder: {bundle}")

    monkeypatch.setattr(Bundle, "encoder", gone)
    monkeypatch.setattr(Bundle, "text_encoder", serving.ENCODER)
    with serving.client_of({"pixels": Searcher(Bundle.open(bundle))}) as api:
        assert serving.ids(api.post("/search", json={"query": "thing 7", "top_k": 1}).json()) == [7]
        problem = checked_problem(api.post("/search", files={"image": ("a", picture())}), 503)
        assert problem["code"] == "no_pictures"
        assert str(bundle) not in str(problem)
