"""`luneta serve`: what its options become."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from luneta.cli import app
from luneta.serving.settings import Settings


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Settings, dict[str, Any]]]:
    """What would have been served."""
    calls: list[tuple[Any, Settings, dict[str, Any]]] = []

    def serve(folders: Any, settings: Settings, **how: Any) -> None:
        how.pop("ready")("http://127.0.0.1:1")
        calls.append((folders, settings, how))

    monkeypatch.setattr("luneta.serving.running.serve", serve)
    return calls


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["serve", *map(str, arguments)])


def test_without_options_it_is_local_and_as_the_settings_say(served: Any) -> None:
    result = run("a.luneta", "b.luneta")
    assert result.exit_code == 0, result.output
    ((folders, settings, how),) = served
    assert folders == [Path("a.luneta"), Path("b.luneta")]
    assert settings == Settings()
    assert settings.is_local
    assert (how["device"], how["pages"]) == ("auto", True)
    assert "Serving at http://127.0.0.1:1" in result.output
    assert "Stopped." in result.output
    assert "no token" not in result.output


def test_every_option_reaches_the_settings(served: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(" 0123456789abcdefg\n")
    result = run(
        "a.luneta", "--host", "0.0.0.0", "--port", 81, "--name", "a.example", "--name", "b.example",
        "--token-file", tmp_path / "token", "--no-pages", "--device", "cpu", "--log-queries", "--max-upload", 3,
        "--max-pixels", 1000, "--max-concurrency", 5, "--timeout", 7, "--allow-host", "c.example", "--no-batching",
        "--batch-wait-ms", 4, "--max-batch", 9,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    ((_, settings, how),) = served
    assert settings == Settings(
        host="0.0.0.0", port=81, token="0123456789abcdefg", names=("a.example", "b.example"), max_upload_mib=3.0,
        max_pixels=1000, max_concurrency=5, timeout_s=7.0, batching=False, batch_wait_ms=4.0, max_batch=9,
        allowed_hosts=("c.example",), log_queries=True,
    )  # fmt: skip
    assert (how["device"], how["pages"]) == ("cpu", False)


def test_what_the_lab_may_do_reaches_the_settings(served: Any) -> None:
    given = ("--lab-hub", "--lab-encoder", "siglip2-b16", "--lab-encoder", "owner/mine")
    assert run("a.luneta", "--host", "0.0.0.0", *given).exit_code == 0
    ((_, settings, _),) = served
    assert (settings.lab_hub, settings.lab_encoders) == (True, ("siglip2-b16", "owner/mine"))
    for option in (given[:1], given[1:3]):
        refused = run("a.luneta", "--no-pages", *option)
        assert refused.exit_code != 0
        assert "--no-pages" in refused.output


def test_who_opens_it_to_all_is_told_in_portuguese_too(served: Any) -> None:
    assert "não há token" in run("a.luneta", "--host", "0.0.0.0", "--locale", "pt").output


def test_mistakes_end_with_a_message(served: Any, tmp_path: Path) -> None:
    (tmp_path / "short").write_text("short")
    (tmp_path / "odd").write_bytes(b"\xff\xfe")
    for arguments, said in (
        (("--token-file", tmp_path / "none"), "cannot be read"),
        (("--token-file", tmp_path / "odd"), "cannot be read"),
        (("--token-file", tmp_path / "short"), "at least 16"),
        (("--timeout", 0), "--timeout is 0.0, expected"),
        (("--port", 70000), "port"),
    ):
        result = run("a.luneta", *arguments)
        assert result.exit_code == 2
        assert said in " ".join(result.output.split())
    assert served == []


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    for name in [name for name in sys.modules if name.startswith("luneta.serving.")]:
        if not name.endswith(("messages", "settings")):
            monkeypatch.delitem(sys.modules, name)
    result = run("a.luneta")
    assert result.exit_code == 2
    assert 'pip install "luneta[app]"' in result.output


def test_ctrl_c_ends_it_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("luneta.serving.running.serve", serve)
    result = run("a.luneta")
    assert (result.exit_code, result.output.strip()) == (0, "Stopped.")
