"""The command line's options mirror the functions they call: same names, same defaults; mistakes come first."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from luneta.cli import checks, embed, evaluate, options, profile
from luneta.data.sources import open_dataset
from luneta.embedding import embed_to_store
from luneta.encoders.registry import load_encoder
from luneta.errors import LunetaError
from luneta.evaluation import evaluate as evaluate_function

PAGE = {"json", "report", "locale", "data", "encoder", "out", "same_item", "trec", "mteb"}  # what the command line adds
NOT_OFFERED = {"source", "dataset", "store", "n_threads", "within"}  # named differently, or of no use in a shell


def parameters(function: Callable[..., Any]) -> dict[str, Any]:
    return {name: p.default for name, p in inspect.signature(function).parameters.items()}


@pytest.mark.parametrize(
    ("command", "functions"),
    [
        (evaluate.command, (open_dataset, load_encoder, evaluate_function)),
        (embed.command, (open_dataset, load_encoder, embed_to_store)),
        (profile.command, (open_dataset,)),
    ],
)
def test_options_mirror_the_functions(command: Callable[..., Any], functions: tuple[Callable[..., Any], ...]) -> None:
    offered = parameters(command)
    known = {name: default for function in functions for name, default in parameters(function).items()}
    assert set(offered) - PAGE <= set(known)
    for name, default in offered.items():
        if name in known and name not in PAGE:
            assert default == known[name], name
    for name in parameters(open_dataset):
        assert name in offered or name in NOT_OFFERED, name


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("work began")

    monkeypatch.setattr(options, "open_data", refuse)
    monkeypatch.setattr(options, "open_encoder", refuse)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"locale": "fr"}, "pt-BR"),
        ({"duplicates": "merged"}, "merge"),
        ({"duplicates": "strict", "same_item": "sku"}, "same-item"),
        ({"encoder": ["luneta-mini", "luneta-minni"]}, "luneta-mini"),
        ({"encoder": ["luneta-mini", "./nowhere"]}, "no such folder"),
        ({"encoder": ["luneta-mini", "folder"]}, "config.json"),
        ({"encoder": ["luneta-mini", "no_such_module_of_mine:Encoder"]}, "no_such_module_of_mine"),
        ({"json": Path("file/below/result.json")}, "cannot write"),
        ({"json": Path("folder")}, "folder of that name"),
        ({"json": Path("pipe")}, "two files"),
        ({"report": Path("folder")}, "folder of that name"),
        ({"json": Path("a.json"), "report": Path("a.queries.parquet")}, "different names"),
        ({"json": Path("a.json"), "report": Path("a.json"), "language": "en,pt-BR"}, "different names"),
        ({"json": Path("folder"), "language": "en,pt-BR"}, "folder of that name"),
    ],
)
def test_evaluate_refuses_what_would_fail_late_before_any_work(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(LunetaError, match=message):
        evaluate.command("cenas", **({"encoder": ["luneta-mini"]} | arguments))


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("arguments", [{"locale": "fr"}, {"report": Path("folder")}])
def test_profile_does_too(arguments: dict[str, Any]) -> None:
    with pytest.raises(LunetaError):
        profile.command("cenas", **arguments)


@pytest.mark.usefixtures("no_work")
def test_names_that_may_be_encoders_pass(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise AssertionError('loaded')")
    for name in ("luneta-mini", "siglip2-b16", "owner/name", "mine:Encoder"):
        checks.check_encoder(name)


def test_results_of_encoders_get_names_from_the_command_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    monkeypatch.chdir(tmp_path / "checkpoint")
    names = [path.name for path in checks.result_paths(Path("out"), [".", "mine:Encoder", "luneta-mini"])]
    assert names == ["out.checkpoint", "out.mine-Encoder", "out.luneta-mini"]


def test_results_of_languages_keep_the_language_in_their_names() -> None:
    """Also where a revision of the encoder is named."""
    found = checks.result_paths(Path("r.json"), ["owner/name@refs/pr/15"], ["en", "pt-BR"])
    assert [path.name for path in found] == ["r.name.en.json", "r.name.pt-BR.json"]
    found = checks.result_paths(Path("r.json"), ["owner/name@one", "owner/name@two"], ["en", "pt-BR"])
    assert [path.name for path in found] == [
        "r.1-name.en.json", "r.1-name.pt-BR.json", "r.2-name.en.json", "r.2-name.pt-BR.json"
    ]  # fmt: skip
    assert checks.result_paths(Path("r.json"), ["owner/name@one"], ["en"]) == [Path("r.json")]
