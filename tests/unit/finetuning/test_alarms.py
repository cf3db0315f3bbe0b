"""Alarms: each goes off when it should, and none in a healthy run."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from luneta.errors import TrainingError
from luneta.finetuning.alarms import WINDOW, Alarms, loss_of_guessing
from luneta.finetuning.recipe import LARGEST_SCALE
from luneta.finetuning.trainer import StepFacts
from worlds import world


def watch(
    losses: Iterable[float],
    *,
    sigmoid: bool = False,
    n_pairs: int = 64,
    fp16: bool = False,
    first_cosine: float = 0.3,
    **facts: Any,
) -> Alarms:
    """Alarms after steps of these losses; the mean cosine given is that of all steps but the first."""
    alarms = Alarms(world(8), sigmoid, None if sigmoid else LARGEST_SCALE)
    for step, loss in enumerate(losses, start=1):
        seen = {"n_things": n_pairs, "scale": 30.0, "mean_cosine": 0.3, **facts}
        if step == 1:
            seen["mean_cosine"] = first_cosine
        pairs = torch.tensor([[3, 3], [5, 5]])
        alarms.trainer = SimpleNamespace(facts=StepFacts(loss=loss, n_pairs=n_pairs, pairs=pairs, **seen))  # type: ignore[assignment]
        alarms.on_step_end(SimpleNamespace(fp16=fp16), SimpleNamespace(global_step=step), None)
    return alarms


def noisy(losses: Any, spread: float = 0.03) -> list[float]:
    return (np.asarray(losses) * (1 + spread * np.random.default_rng(0).normal(size=len(losses)))).tolist()


@pytest.mark.parametrize("n", [2, 5, 64, 1000])
def test_the_loss_of_guessing_is_the_least_where_everything_looks_alike(n: int) -> None:
    logits = np.linspace(-15, 5, 200_001)  # one logit for every pair
    ours = np.log1p(np.exp(-logits)) + (n - 1) * np.log1p(np.exp(logits))
    assert loss_of_guessing(True, n) == pytest.approx(ours.min(), rel=1e-6)
    assert loss_of_guessing(False, n) == pytest.approx(-math.log(1 / n))


@pytest.mark.parametrize("sigmoid", [True, False])
@pytest.mark.parametrize("n_steps", [100, 400, 1500])
@pytest.mark.parametrize("start", [7.0, 3.0, 0.9])
def test_a_healthy_run_is_left_alone(
    sigmoid: bool, n_steps: int, start: float, caplog: pytest.LogCaptureFixture
) -> None:
    """Falling past ln n and ln 2, fast or slowly, is no standstill."""
    caplog.set_level(logging.WARNING, "luneta")
    watch(noisy(0.1 + start * np.exp(-3 * np.arange(n_steps) / n_steps)), sigmoid=sigmoid)
    watch(noisy(math.log(64) * np.linspace(1.015, 0.985, 1000), 0.0001))  # very slowly
    assert not caplog.records


@pytest.mark.parametrize(
    ("sigmoid", "level"), [(False, math.log(64)), (True, loss_of_guessing(True, 64)), (True, math.log(2))]
)
def test_a_loss_that_stays_at_guessing(sigmoid: bool, level: float, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "luneta")
    watch(noisy(np.full(2 * WINDOW - 2, level), 0.005), sigmoid=sigmoid)
    assert not caplog.records
    watch(noisy(np.full(3 * WINDOW, level), 0.005), sigmoid=sigmoid)
    assert len(caplog.records) == 1
    assert "nothing is learnt. Raise the learning rate" in caplog.text


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_no_number(loss: float) -> None:
    with pytest.raises(
        TrainingError, match=r"at step 3, .*'thing 3, way 0', 'thing 5.*picture-3.*Lower the learning"
    ) as e:
        watch([1.0, 1.0, loss])
    assert "bfloat16" not in str(e.value)
    with pytest.raises(TrainingError, match="precision='bfloat16'"):
        watch([loss], fp16=True)


def test_a_gradient_that_is_no_number_stops_before_the_weights_are_touched() -> None:
    alarms, model = watch([1.0]), torch.nn.Linear(2, 2)
    for spoilt in (0.5, math.inf, math.nan):
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        assert model.bias.grad is not None
        model.bias.grad[0] = spoilt
        step = SimpleNamespace(fp16=False), SimpleNamespace(global_step=4), None
        if math.isfinite(spoilt):
            alarms.on_pre_optimizer_step(*step, model=model)
        else:
            with pytest.raises(TrainingError, match=r"the gradient is no number at step 5, .*'thing 3, way 0'"):
                alarms.on_pre_optimizer_step(*step, model=model)
    alarms.on_pre_optimizer_step(SimpleNamespace(fp16=True), SimpleNamespace(global_step=4), None, model=model)


def test_collapse_stops_but_not_at_the_very_start() -> None:
    losses = noisy(np.linspace(3, 1, WINDOW + 1))
    watch(losses, mean_cosine=0.995)
    with pytest.raises(TrainingError, match=r"collapsed: .* until step 52 .* \(now 0.995\)"):
        watch([*losses, 1.0], mean_cosine=0.995)


def test_data_that_are_alike_from_the_start_have_not_collapsed() -> None:
    watch(noisy(np.linspace(3, 1, 3 * WINDOW)), mean_cosine=0.992, first_cosine=0.99)


def test_collapse_is_a_whole_window_of_what_is_known() -> None:
    """One step that is healthy begins a new window; one of which nothing is known does not."""
    alarms = watch([1.0] * (WINDOW + 1), mean_cosine=0.995)
    for cosine in (0.5, *[0.995] * (WINDOW // 2), None, *[0.995] * (WINDOW // 2)):
        assert alarms.trainer is not None
        assert alarms.trainer.facts is not None
        alarms.trainer.facts.mean_cosine = cosine
        alarms.on_step_end(SimpleNamespace(fp16=False), SimpleNamespace(global_step=99), None)
    assert alarms.trainer is not None
    assert alarms.trainer.facts is not None
    alarms.trainer.facts.mean_cosine = 0.995
    with pytest.raises(TrainingError, match="collapsed"):
        alarms.on_step_end(SimpleNamespace(fp16=False), SimpleNamespace(global_step=100), None)


def test_scale_at_its_limit_while_the_loss_rises(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "luneta")
    falling, rising = noisy(np.linspace(2, 1, 80), 0.001), noisy(np.linspace(1, 2, 80), 0.001)
    watch(falling, scale=LARGEST_SCALE)  # CLIP itself was trained at the limit
    watch([*falling, *rising], scale=LARGEST_SCALE, sigmoid=True)  # which has none
    assert not caplog.records
    watch([*falling, *rising], scale=LARGEST_SCALE)
    assert [record.getMessage().startswith("the scale of the scores has stood") for record in caplog.records] == [True]


def test_scale_that_has_gone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "luneta")
    watch([1.0, 1.0], scale=0.4)
    assert [record.getMessage()[:40] for record in caplog.records] == ["the scale of the scores has fallen to 0."]


def test_batches_of_equal_things(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "luneta")
    watch([1.0, 0.9], n_things=40)
    assert not caplog.records
    watch([1.0, 0.9], n_things=10)
    assert [record.getMessage()[:54] for record in caplog.records] == [
        "a batch of 64 pairs shows 10 different things only (th"
    ]


def test_16_bit_numbers_that_overflow_again_and_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "luneta")

    def after(scales: list[float]) -> None:
        caplog.clear()
        alarms, left = Alarms(world(8), False, LARGEST_SCALE), iter(scales)
        facts = StepFacts(
            loss=1.0, n_pairs=4, n_things=4, scale=30.0, mean_cosine=0.3, pairs=torch.tensor([[3, 3], [5, 5]])
        )
        scaler = SimpleNamespace(get_scale=lambda: next(left))
        alarms.trainer = SimpleNamespace(facts=facts, accelerator=SimpleNamespace(scaler=scaler))  # type: ignore[assignment]
        for step in range(len(scales)):
            alarms.on_step_end(SimpleNamespace(fp16=True), SimpleNamespace(global_step=step), None)

    after([2.0**-i for i in range(16)] + [2.0**-15] * 80)  # it came down to where it works
    assert not caplog.records
    after([2.0**-i for i in range(40)])
    assert "16-bit gradients has been halved in 21 of the last 22 steps" in caplog.text
    assert len(caplog.records) == 1
