"""A command with --locale pt-BR: its lines, notices and stages are Portuguese, and afterwards nothing is changed."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from luneta import progress
from luneta.cli import app, speech
from luneta.cli.speech import NOTICES, STAGES
from worlds import words_of

SRC = Path(__file__).parents[2] / "src" / "luneta"
NOT_YET = {"rerank"}  # its command speaks English only so far


def calls(names: set[str]) -> Iterator[str]:
    """Whole first arguments of the calls of these names; the beginning of those with something in braces."""
    for path in SRC.rglob("*.py"):
        if path.relative_to(SRC).parts[0] in NOT_YET:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
                options = [node.args[0].body, node.args[0].orelse] if isinstance(node.args[0], ast.IfExp) else node.args
                for option in options[:2] if isinstance(node.args[0], ast.IfExp) else options[:1]:
                    if isinstance(option, ast.Constant):
                        yield option.value
                    elif isinstance(option, ast.JoinedStr) and isinstance(option.values[0], ast.Constant):
                        yield option.values[0].value.strip()


def test_every_notice_is_known_with_its_parameters_in_order() -> None:
    said = set(calls({"logger.info", "logger.warning"})) - {"%s"}
    assert len(said) >= 10
    assert said <= set(NOTICES), said - set(NOTICES)
    for english, portuguese in NOTICES.items():
        assert re.findall("%.", english) == re.findall("%.", portuguese)
        assert english != portuguese


def test_every_stage_is_known() -> None:
    said = set(calls({"track"}))
    assert len(said) >= 12
    assert said <= set(STAGES), said - set(STAGES)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures with a broken row among them, opened from the folder above."""
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fotos").mkdir()
    rows = [{"file_name": "nada.png", "pt": "um barco", "en": "a boat"}]
    for i in range(12):
        Image.new("RGB", (8, 8), (20 * i, 255 - 20 * i, 99)).save(tmp_path / "fotos" / f"{i}.png")
        rows.append({"file_name": f"{i}.png", "pt": f"um balão de cor {i}", "en": f"a balloon of colour {i}"})
    (tmp_path / "fotos" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def run(*arguments: str) -> tuple[str, str]:
    """What a command prints, and its notices as the command line writes them."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(before := logging.Formatter("%(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        done = CliRunner(env={"COLUMNS": "120"}).invoke(app, list(arguments))
        assert handler.formatter is before
    finally:
        root.removeHandler(handler)
    assert done.exit_code == 0, done.output
    return done.stdout, stream.getvalue()


def test_profile(folder: Path) -> None:
    arguments = ["profile", "fotos", "--language", "pt", "--max-bad-share", "0.2", "--report", "p.html"]
    shown, notices = run(*arguments, "--locale", "pt-BR")
    assert "Escrito: p.html" in shown
    assert "coluna dos textos" in shown
    assert notices.splitlines() == [
        "fotos: imagens de 'file_name' (contém nomes de arquivos de imagem)",
        "fotos: legendas de 'pt' (tem o nome do idioma)",
        "fotos: 1 de 13 linhas deixadas de fora",
    ]
    assert 'lang="pt-BR"' in (folder / "p.html").read_text()
    shown, notices = run(*arguments)
    assert "Wrote p.html" in shown
    assert "fotos: 1 of 13 rows left out" in notices


def test_evaluate_and_compare(folder: Path) -> None:
    arguments = [
        "evaluate",
        "fotos",
        "--max-bad-share",
        "0.2",
        "--encoder",
        "worlds:ConceptEncoder",
        "--language",
        "pt",
    ]
    arguments += ["--json", "r.json", "--report", "r.html"]
    shown, notices = run(*arguments, "--locale", "pt-BR")
    assert "Escritos: r.json e r.queries.parquet" in shown
    assert "Escrito: r.html" in shown
    assert "acaso" in shown
    assert "legendas de" in notices
    english, _ = run(*arguments[:-2])
    assert "Wrote r.json and r.queries.parquet" in english
    shown, _ = run(*arguments[:-5], "pt,en", "--locale", "pt-BR")
    assert "sem acentos" in shown
    assert "distância" in shown
    shown, _ = run("compare", "r.json", "r.json", "--locale", "pt-BR", "--report", "c.html")
    assert "Escrito: c.html" in shown
    assert "diferença" in shown
    assert words_of(shown) & {"difference", "interval", "better", "sure", "queries", "chance"} == set()


def test_stages_are_worded_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(progress, "_to_terminal", lambda stage, total: iter([shown.append(stage)]))
    with progress.worded(lambda stage: STAGES[stage]), progress.track("texts", 3):
        pass
    with progress.track("texts", 3):
        pass
    assert shown == ["textos", "texts"]
    seen: list[str] = []
    watched = progress.watch(lambda stage, done, total: seen.append(stage))
    with watched, progress.worded(lambda stage: "x"), progress.track("texts", 1):
        pass
    assert set(seen) == {"texts"}


@pytest.mark.parametrize(
    ("stage", "said"),
    [("reading captions.csv", "lendo captions.csv"), ("reading", "lendo"), ("texts", "textos"), ("new", "new")],
)
def test_stages_of_a_command(stage: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(progress, "_to_terminal", lambda stage, total: iter([shown.append(stage)]))
    with speech.spoken():
        for locale in ("en", "pt-BR"):
            speech.speak(locale)
            with progress.track(stage, 3):
                pass
    with speech.spoken(), progress.track(stage, 3):  # the next command speaks English again
        pass
    assert shown == [stage, said, stage]
