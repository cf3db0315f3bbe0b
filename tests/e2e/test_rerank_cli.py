"""luneta rerank as a person uses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from luneta import load_evaluation
from luneta.cli import app
from luneta.rerank import Fusion, Reranker, run
from luneta.rerank.honesty import QUESTIONS, Answer

Luneta = Callable[..., Result]


@pytest.fixture
def luneta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Luneta:
    monkeypatch.chdir(tmp_path)

    def run_it(*arguments: object, status: int = 0) -> Result:
        environment = {"LUNETA_CACHE": str(tmp_path / "cache"), "COLUMNS": "160", "HF_HUB_OFFLINE": "1"}
        done = CliRunner(env=environment).invoke(app, list(map(str, arguments)))
        assert done.exit_code == status, done.output
        return done

    return run_it


@pytest.fixture
def believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was learnt is used: there is too little of it to be sure of."""
    import dataclasses

    choose = run.choose
    monkeypatch.setattr(run, "choose", lambda *a, **o: dataclasses.replace(choose(*a, **o), fusion=Fusion(1.0, 10)))
    monkeypatch.setattr(run, "question", lambda *_, **__: [Answer(name, 0.1, 0.05, 0.15) for name in QUESTIONS])


CENAS: tuple[Any, ...] = ("cenas", "--split", "val", "--limit", "40")
FEW: tuple[Any, ...] = ("--steps", "4", "--queries", "6", "--hard", "3", "--insert-layer", "-1", "--hidden", "16")


@pytest.mark.usefixtures("believed")
def test_train_evaluate_apply(luneta: Luneta, tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint("siglip")
    said = luneta("rerank", "train", *CENAS, "-e", checkpoint, *FEW, "--dtype", "float32", "--out", "elip").output
    assert "How far the new scores are believed" in said
    assert "elip/reranker (alpha 1 on the first 10)" in said.replace("\n", "")
    assert {path.name for path in (tmp_path / "elip").iterdir()} == {"elip.json", "reranker", "training.json"}

    shown = luneta(
        "rerank", "evaluate", "elip/reranker", "cenas", "--split", "test", "--limit", "30", "--dtype", "float32",
        "--json", "r.json",
    ).output  # fmt: skip
    assert "re-ranked" in shown
    assert "ms for each text" in shown
    after, before = load_evaluation("r.json"), load_evaluation("r.before.json")
    ranks = [result.rankings["text_to_image"].n_better for result in (before, after)]
    assert (ranks[0] != ranks[1]).any()
    np.testing.assert_array_equal(np.sort(ranks[0][ranks[0] >= 10]), np.sort(ranks[1][ranks[1] >= 10]))

    asked = ("a red boat", "a dog")
    luneta(
        "rerank", "apply", "elip/reranker", *CENAS, "--query", asked[0], "--query", asked[1], "--top", "4",
        "--dtype", "float32", "--json", "hits.json",
    )  # fmt: skip
    hits = json.loads(Path("hits.json").read_text())
    assert [found["query"] for found in hits] == list(asked)
    assert [hit["rank"] for hit in hits[0]["hits"]] == [1, 2, 3, 4]


def test_mistakes_come_before_the_work(luneta: Luneta, tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint("clip")

    def refused(*arguments: object) -> str:
        return " ".join(luneta("rerank", *arguments, status=2).output.split())

    assert "Did you mean elip-s" in refused("train", *CENAS, "--variant", "elip-d", "--out", "x")
    assert "expected widths as 512,512" in refused("train", *CENAS, "--hidden", "wide", "--out", "x")
    assert "Did you mean luneta-mini" in refused("train", *CENAS, "-e", "luneta-mni", "--out", "x")
    assert "has 2 blocks" in refused("train", *CENAS, "-e", checkpoint, "--insert-layer", "7", "--out", "x")
    assert "no such file" in refused("evaluate", "nowhere", *CENAS)
    assert not (tmp_path / "x").exists()
    other = tiny_checkpoint("siglip")
    luneta("rerank", "train", *CENAS, "-e", checkpoint, *FEW, "--out", "elip")
    assert "was made for" in refused("evaluate", "elip/reranker", *CENAS, "-e", other)
    assert not Reranker.load("elip/reranker", _encoder(checkpoint)).fusion.changes


def _encoder(checkpoint: Path) -> Any:
    from luneta import load_encoder

    return load_encoder(checkpoint)
