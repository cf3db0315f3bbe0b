"""Cost without the failed runs and without evaluation: a tenth of what was spent."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from luneta.cli import app
from luneta.cost import Prices
from luneta.encoders.registry import load_encoder
from luneta.errors import TrainingError
from luneta.finetuning import Recipe, finetune
from luneta.finetuning.trainer import ContrastiveTrainer
from luneta.ledger import read_ledger, total
from tuning import pairs

RECIPE = Recipe(steps=1, batch_size=4, validations=1, learning_rate=1e-3, precision="float32", method="head")


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LUNETA_LEDGER", str(tmp_path / "ledger.jsonl"))


def test_failed_interrupted_and_evaluation_runs_are_in_the_sum(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load_encoder(str(tiny_checkpoint("clip")), dtype="float32", device="cpu")
    step = ContrastiveTrainer.training_step
    for number, error in enumerate((TrainingError("no number"), KeyboardInterrupt(), None)):

        def failing(self: Any, *arguments: Any, error: BaseException | None = error) -> Any:
            if error is not None and self.args.output_dir.startswith(str(tmp_path)):  # not in the rehearsal
                raise error
            return step(self, *arguments)

        monkeypatch.setattr(ContrastiveTrainer, "training_step", failing)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path.parent))
        with contextlib.suppress(TrainingError, KeyboardInterrupt):
            finetune(encoder, pairs(12), out=tmp_path / str(number), recipe=RECIPE, near=False, prices=Prices(3600.0))
    assert CliRunner().invoke(app, ["--quiet", "evaluate", "cenas", "--limit", "5"]).exit_code == 0

    entries = read_ledger()
    assert [(entry.kind, entry.status) for entry in entries] == [
        ("finetune", "failed"), ("finetune", "interrupted"), ("finetune", "finished"), ("evaluate", "finished"),
    ]  # fmt: skip
    whole, thesis = total(entries), total([entry for entry in entries if entry.status == "finished"][:1])
    assert whole.n_runs == 4
    assert whole.usd == pytest.approx(sum(entry.facts["usd"] for entry in entries))
    assert whole.usd > sum(entry.facts["wall_s"] for entry in entries[:3])  # a dollar a second, and the evaluation
    assert thesis.usd < whole.usd
