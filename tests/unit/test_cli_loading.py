"""Libraries that take seconds: nobody waits for them to hear of a mistake, and nobody waits in silence."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from luneta.cli import loading, speech

WITHOUT = """
import sys
from luneta.cli import app, loading
from luneta.cli import options
from luneta.cli.rerank import fit, models, train
from luneta.cli import finetune

def asked(*modules):
    print("asked for libraries")
    raise SystemExit(7)

for module in (options, models, train, fit, finetune):
    module.load = asked
try:
    app(sys.argv[1:])
except SystemExit as end:
    status = end.code
heavy = {"torch", "transformers"} & set(sys.modules)
assert not heavy, heavy
raise SystemExit(status)
"""
"""Runs a command as far as it comes without them."""


def without_libraries(folder: Path, *arguments: str) -> tuple[int, str]:
    """The exit status, and what is said on either stream."""
    environment = {**os.environ, "LUNETA_CACHE": str(folder / "cache"), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *arguments], cwd=folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


MISTAKES = [
    (("finetune", "nowhere", "--out", "new"), "no such file or folder: nowhere"),
    (("finetune", "cenas", "--out", "new", "--method", "loar"), "unknown --method 'loar'"),
    (("finetune", "cenas", "--out", "new", "--steps", "0"), "--steps is 0, expected at least 1"),
    (("finetune", "cenas", "--out", "full"), "full is not empty and no training of ours"),
    (("rerank", "train", "nowhere", "--out", "new"), "no such file or folder: nowhere"),
    (("rerank", "train", "cenas", "--out", "new", "--steps", "0"), "--steps is 0, expected 1"),
    (("rerank", "train", "cenas", "--out", "full"), "full is not empty and no training of ours"),
    (("rerank", "evaluate", "luneta-mini", "nowhere"), "no such file or folder: nowhere"),
    (("evaluate", "nowhere"), "no such file or folder: nowhere"),
    (("doctor", "--data", "nowhere"), "no such file or folder: nowhere"),
    (("embed", "cenas", "--out", "full"), "full is not an embedding store, and not empty"),
    (("embed", "nowhere", "--out", "new"), "no such file or folder: nowhere"),
]


@pytest.mark.parametrize(("arguments", "said"), MISTAKES, ids=[" ".join(arguments) for arguments, _ in MISTAKES])
def test_a_mistake_is_told_before_they_are_loaded(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    status, heard = without_libraries(tmp_path, *arguments)
    assert (status, said in heard) == (2, True), heard


FEW = ("cenas", "--split", "val", "--limit", "8", "--language", "en")


@pytest.mark.parametrize(
    "arguments",
    [
        ("finetune", *FEW, "--out", "new"),
        ("rerank", "train", *FEW, "--out", "new"),
        ("rerank", "evaluate", "luneta-mini", *FEW),
        ("evaluate", *FEW),
        ("doctor", "--quick"),
        ("embed", *FEW, "--out", "new"),
    ],
    ids=lambda value: " ".join(value[:2]),
)
def test_every_command_asks_for_them_in_one_way(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    status, heard = without_libraries(tmp_path, *arguments)
    assert (status, "asked for libraries" in heard) == (7, True), heard


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("locale", "said"), [("en", "loading libraries"), ("pt-BR", "carregando bibliotecas")])
def test_a_line_on_the_terminal_says_so_meanwhile_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locale: str, said: str
) -> None:
    (tmp_path / "heavy_library.py").write_text("import sys\nseen = sys.__dict__['looked_at'].getvalue()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delitem(sys.modules, "heavy_library", raising=False)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setattr(sys, "looked_at", terminal, raising=False)
    with speech.spoken("en"):
        speech.speak(locale)
        loading.load("heavy_library", "no_such_library_anywhere")
    seen = sys.modules.pop("heavy_library").seen
    assert said in seen
    assert terminal.getvalue().endswith("\x1b[1A\x1b[2K")  # up and erased
    monkeypatch.setattr(sys, "stderr", quiet := io.StringIO())
    with speech.spoken("en"):
        loading.load("heavy_library")
    assert "heavy_library" in sys.modules
    assert quiet.getvalue() == ""
