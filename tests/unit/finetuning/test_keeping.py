"""What is kept on disk: averages, whole checkpoints, the best weights."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from luneta.finetuning.keeping import BEST, Keeper, RunningAverage, last_checkpoint, remove_half_checkpoints


def model_and_locked() -> nn.Linear:
    model = nn.Linear(2, 1)
    model.bias.requires_grad_(False)
    return model


def set_to(model: nn.Linear, value: float) -> None:
    with torch.no_grad():
        model.weight.fill_(value)


@pytest.mark.parametrize("decay", [0.3, 0.9, 0.999])
def test_the_average_against_a_loop(decay: float, tmp_path: Path) -> None:
    model = model_and_locked()
    set_to(model, 1.0)
    average, expected = RunningAverage(model, decay), 1.0
    for step in range(1, 40):
        set_to(model, float(step % 7))
        average.update()
        kept = min(decay, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * (step % 7)
        if step == 20:  # killed, and going on
            average.save(tmp_path)
            average = RunningAverage(model, decay)
            average.load(tmp_path)
    now = model.weight.detach().clone()
    with average.applied():
        assert model.weight.tolist()[0] == pytest.approx([expected, expected], rel=1e-5)
    assert torch.equal(model.weight, now)


def test_the_average_goes_where_the_model_goes() -> None:
    """No other device than "meta" is everywhere; what is computed there has no numbers."""
    model = model_and_locked()
    average = RunningAverage(model, 0.9)
    model.to("meta")
    average.update()
    assert {tensor.device.type for tensor in average._average.values()} == {"meta"}


def test_without_an_average_nothing_changes(tmp_path: Path) -> None:
    model = model_and_locked()
    average = RunningAverage(model, None)
    average.update()
    average.save(tmp_path)
    average.load(tmp_path)
    before = model.weight.detach().clone()
    with average.applied():
        assert torch.equal(model.weight, before)
    assert not list(tmp_path.iterdir())


def validated(keeper: Keeper, recalls: list[float]) -> Any:
    log = [entry for recall in recalls for entry in ({"loss": 1.0}, {"eval_recall": recall})]
    control = SimpleNamespace(should_training_stop=False)
    keeper.on_evaluate(None, SimpleNamespace(log_history=log), control)
    return control


def test_the_best_weights_are_those_of_the_best_validation(tmp_path: Path) -> None:
    model = model_and_locked()
    keeper = Keeper(model, tmp_path, RunningAverage(model, None), patience=2)
    kept = []
    stops = []
    recalls = [0.1, 0.4, 0.3, 0.4, 0.2]
    for i in range(len(recalls)):
        set_to(model, float(i))
        stops.append(validated(keeper, recalls[: i + 1]).should_training_stop)
        weights = load_file(tmp_path / BEST)
        assert list(weights) == ["weight"]  # what is locked is in the checkpoint it came from
        kept.append(float(weights["weight"][0, 0]))
    assert kept == [0, 1, 1, 1, 1]
    assert stops == [False, False, False, True, True]


def test_half_checkpoints_are_taken_away(tmp_path: Path) -> None:
    model = model_and_locked()
    keeper = Keeper(model, tmp_path, RunningAverage(model, 0.9), None)
    assert last_checkpoint(tmp_path) is None
    for step in (2, 10, 9):
        (tmp_path / f"checkpoint-{step}").mkdir()
        keeper.on_save(None, SimpleNamespace(global_step=step), None)
    half = tmp_path / "checkpoint-12"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
    remove_half_checkpoints(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-2", "checkpoint-9"]
