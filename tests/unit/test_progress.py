from __future__ import annotations

import io
import sys

import pytest

from luneta.progress import track, watch


def test_a_watcher_sees_start_every_step_and_the_end() -> None:
    seen: list[tuple[str, int, int | None]] = []
    with watch(lambda stage, done, total: seen.append((stage, done, total))), track("images", 5) as advance:
        advance(2)
        advance(3)
    assert seen == [("images", 0, 5), ("images", 2, 5), ("images", 5, 5), ("images", 5, 5)]


def test_outside_the_block_nobody_watches() -> None:
    seen: list[str] = []
    with watch(lambda stage, done, total: seen.append(stage)):
        pass
    with track("images", 1) as advance:
        advance(1)
    assert seen == []


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    with track("reading a[/b].csv", 3) as advance:  # a file's name is no markup
        advance(1)
    assert "reading a[/b].csv" in terminal.getvalue()
    assert "1/3" in terminal.getvalue()


def test_no_terminal_no_output(capsys: pytest.CaptureFixture[str]) -> None:
    with track("images", 3) as advance:
        advance(3)
    assert capsys.readouterr() == ("", "")
