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
from luneta.finetuning.alarms import WINDOW, Alarms
from luneta.finetuning.guessing import guesses
from luneta.finetuning.objective import Objective, Vectors
from luneta.finetuning.recipe import LARGEST_SCALE
from luneta.finetuning.trainer import StepFacts
from luneta.losses import Relations
from worlds import world


def watch(
    losses: Iterable[float],
    *,
    sigmoid: bool = False,
    margin: float | None = None,
    n_pairs: int = 64,
    n_things: int | None = None,
    fp16: bool = False,
    first_cosine: float = 0.3,
    **facts: Any,
) -> Alarms:
    """Alarms after steps of these losses; the mean cosine given is that of all steps but the first."""
    alarms = Alarms(world(8), Objective(sigmoid, margin), None if sigmoid else LARGEST_SCALE)
    rows = torch.arange(n_pairs)
    relations = Relations(rows, rows, rows if n_things is None else rows % n_things)
    for step, loss in enumerate(losses, start=1):
        seen = {"relations": relations, "n_negatives": 0, "scale": 30.0, "mean_cosine": 0.3, **facts}
        if step == 1:
            seen["mean_cosine"] = first_cosine
        pairs = torch.tensor([[3, 3], [5, 5]])
        alarms.trainer = SimpleNamespace(facts=StepFacts(loss=loss, pairs=pairs, **seen))  # type: ignore[assignment]
        alarms.on_step_end(SimpleNamespace(fp16=fp16), SimpleNamespace(global_step=step), None)
    return alarms


def noisy(losses: Any, spread: float = 0.03) -> list[float]:
    return (np.asarray(losses) * (1 + spread * np.random.default_rng(0).normal(size=len(losses)))).tolist()


KINDS: list[Any] = [
    Relations.distinct(7),
    Relations(
        torch.tensor([0, 0, 1, 2, 3, 4, 5]), torch.tensor([0, 1, 2, 3, 3, 4, 5]), torch.tensor([0, 0, 1, 1, 1, 2, 3])
    ),
    Relations(*[torch.tensor([0, 1, 2, 3, 4, 4, 4])] * 3, torch.tensor([0.5, 2, 1, 0, 1, 3, 1])),
    Relations(torch.arange(4), torch.arange(4), torch.zeros(4, dtype=torch.int64)),  # nothing is a negative
]


@pytest.mark.parametrize("relations", KINDS, ids=["distinct", "equal captions and pictures", "weights", "one group"])
@pytest.mark.parametrize("n_negatives", [0, 3])
@pytest.mark.parametrize("margin", [None, 0.2])
@pytest.mark.parametrize("dims", [(), (2,)])
def test_guesses_are_the_loss_where_everything_looks_alike(
    relations: Relations, n_negatives: int, margin: float | None, dims: tuple[int, ...]
) -> None:
    """For the sigmoid loss the least one, over all biases that one score could have."""
    alike = torch.nn.functional.normalize(torch.ones(len(relations) + n_negatives, 4), dim=1).double()
    images = alike[: len(relations)]

    def loss(sigmoid: bool, bias: float) -> float:
        vectors = Vectors(
            images, images, alike[len(relations) :], torch.tensor(0.0 if sigmoid else 20.0), torch.tensor(bias)
        )
        return float(Objective(sigmoid, margin, dims)(vectors, relations))

    found = guesses(Objective(False, margin, dims), relations, n_negatives)
    assert found.least == pytest.approx(loss(False, 0), abs=1e-6)
    assert found.even is None
    found = guesses(Objective(True, margin, dims), relations, n_negatives)
    least = min(loss(True, bias) for bias in np.linspace(-8, 8, 1601))
    assert found.least == pytest.approx(least, abs=1e-3)
    constant = loss(True, 0) - guesses(Objective(True), relations, n_negatives).even * len(relations)  # type: ignore[operator]
    assert found.even == pytest.approx((loss(True, 0) - constant) / len(relations) + constant, abs=1e-6)


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
    ("sigmoid", "level"),
    [(False, math.log(64)), (True, guesses(Objective(True), Relations.distinct(64)).least), (True, math.log(2))],
)
def test_a_loss_that_stays_at_guessing(sigmoid: bool, level: float, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "luneta")
    watch(noisy(np.full(2 * WINDOW - 2, level), 0.005), sigmoid=sigmoid)
    assert not caplog.records
    watch(noisy(np.full(3 * WINDOW, level), 0.005), sigmoid=sigmoid)
    assert len(caplog.records) == 1
    assert "nothing is learnt. Raise the learning rate" in caplog.text


@pytest.mark.parametrize("sigmoid", [True, False])
@pytest.mark.parametrize(("n_things", "n_negatives", "margin"), [(6, 0, None), (64, 40, None), (64, 0, 0.3)])
def test_guessing_is_of_the_loss_in_use(
    sigmoid: bool, n_things: int, n_negatives: int, margin: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Equal things, negative texts and the margin move it: what stood at ln 64 then has learnt, or never began."""
    caplog.set_level(logging.WARNING, "luneta")
    rows = torch.arange(64)
    relations = Relations(rows, rows, rows % n_things)
    plain, found = (
        guesses(Objective(sigmoid), Relations.distinct(64)),
        guesses(Objective(sigmoid, margin), relations, n_negatives),
    )
    about: Any = {"sigmoid": sigmoid, "margin": margin, "n_things": n_things, "n_negatives": n_negatives}
    watch(noisy(np.full(3 * WINDOW, plain.least), 0.002), **about)
    assert "nothing is learnt" not in caplog.text
    watch(noisy(np.full(3 * WINDOW, found.least), 0.002), **about)
    assert "nothing is learnt" in caplog.text
    if sigmoid:
        caplog.clear()
        watch(noisy(np.full(3 * WINDOW, found.even), 0.002), **about)
        assert "as when it is divided by all pairs" in caplog.text


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
        alarms, left = Alarms(world(8), Objective(sigmoid=False), LARGEST_SCALE), iter(scales)
        facts = StepFacts(
            loss=1.0,
            relations=Relations.distinct(4),
            n_negatives=0,
            scale=30.0,
            mean_cosine=0.3,
            pairs=torch.tensor([[3, 3], [5, 5]]),
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
