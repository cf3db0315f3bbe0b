"""Sigmoid loss averaged over B x B instead of summed over pairs and divided by B: the gradient is B times too small."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from luneta import losses
from luneta.finetuning import alarms, objective
from luneta.finetuning.objective import Objective, Vectors
from luneta.losses import Relations
from tuning import opened, pairs, training

B = 12


def averaged(*arguments: Any, **options: Any) -> torch.Tensor:
    """The fault: the mean over all pairs of a picture and a text."""
    return losses_as_they_are(*arguments, **options) / len(arguments[0])


losses_as_they_are = losses.sigmoid


def gradient_of_ours() -> float:
    generator = torch.Generator().manual_seed(0)
    images, texts = (torch.nn.functional.normalize(torch.randn(B, 8, generator=generator), dim=1) for _ in range(2))
    images.requires_grad_(True)
    vectors = Vectors(images, texts, texts[:0], torch.tensor(10.0), torch.tensor(-10.0))
    Objective(sigmoid=True)(vectors, Relations.distinct(B)).backward()  # type: ignore[no-untyped-call]

    theirs = images.detach().clone().requires_grad_(True)
    logits = 10 * texts @ theirs.T - 10
    signs = 2 * torch.eye(B) - 1  # as SiglipModel: the sum over a row's pairs, the mean over rows
    (-torch.nn.functional.logsigmoid(signs * logits).sum(dim=-1).mean()).backward()  # type: ignore[no-untyped-call]
    assert images.grad is not None
    assert theirs.grad is not None
    return float(images.grad.norm() / theirs.grad.norm())


def test_our_gradient_is_that_of_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gradient_of_ours() == pytest.approx(1, rel=1e-5)
    monkeypatch.setattr(objective.losses, "sigmoid", averaged)
    assert gradient_of_ours() == pytest.approx(1 / B, rel=1e-5)  # what parity with the paper rules out


def test_the_alarm_hears_it(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """A training that begins at even odds stays near ln 2, and is told so; without the fault it is left alone."""
    caplog.set_level(logging.WARNING, "luneta")
    monkeypatch.setattr(alarms, "WINDOW", 12)
    for planted in (False, True):
        caplog.clear()
        if planted:
            monkeypatch.setattr(objective.losses, "sigmoid", averaged)
        trainable = opened(tiny_checkpoint("siglip"))
        with torch.no_grad():
            trainable.model.logit_bias.zero_()  # type: ignore[operator, union-attr]
            trainable.model.logit_scale.zero_()  # type: ignore[operator, union-attr]
        found = training(trainable, pairs(2 * B), tmp_path / str(planted) / "training", steps=30, validations=1,
                         batch_size=B, learning_rate=1e-5, warmup=0)  # fmt: skip
        found.run()
        said = [record.getMessage() for record in caplog.records if "divided by all pairs" in record.getMessage()]
        assert bool(said) == planted, caplog.text
