"""Between the weights before and after: the best mixture among those that forget little."""

from __future__ import annotations

import torch
from torch import nn

from luneta.finetuning.interpolation import TARGET, Point, choose, curve, mixed


def points(target: list[float], other: list[float]) -> list[Point]:
    alphas = [i / (len(target) - 1) for i in range(len(target))]
    return [Point(a, {TARGET: t, "other": o}) for a, t, o in zip(alphas, target, other, strict=True)]


def test_the_best_among_those_that_forget_no_more_than_allowed() -> None:
    found = points([0.1, 0.3, 0.5, 0.6], [0.8, 0.79, 0.76, 0.5])
    assert choose(found, 0.05) is found[2]
    assert choose(found, 0.02) is found[1]
    assert choose(found, 0.5) is found[3]


def test_what_gained_elsewhere_is_no_loss() -> None:
    found = points([0.1, 0.2], [0.3, 0.9])
    assert choose(found, 0.0) is found[1]


def test_the_encoder_as_it_was_where_everything_else_forgets_or_nothing_is_gained() -> None:
    found = points([0.1, 0.9, 0.9], [0.8, 0.1, 0.1])
    assert choose(found, 0.1) is found[0]
    level = points([0.5, 0.5, 0.5], [0.8, 0.8, 0.8])
    assert choose(level, 0.1) is level[0]  # of equals the one that changed least


def test_mixtures() -> None:
    before = {"w": torch.tensor([0.0, 2.0]), "ids": torch.tensor([1, 2])}
    after = {"w": torch.tensor([1.0, 4.0]), "ids": torch.tensor([1, 2])}
    assert mixed(before, after, 0.25)["w"].tolist() == [0.25, 2.5]
    assert torch.equal(mixed(before, after, 0.0)["w"], before["w"])
    assert torch.equal(mixed(before, after, 1.0)["w"], after["w"])
    assert mixed(before, after, 0.5)["ids"].tolist() == [1, 2]


def test_the_curve_measures_each_mixture_in_the_model() -> None:
    model = nn.Linear(1, 1, bias=False)
    before, after = {"weight": torch.zeros(1, 1)}, {"weight": torch.ones(1, 1)}

    def measured() -> dict[str, float]:
        return {"recall": model.weight.item()}

    found = curve(model, before, after, {TARGET: measured}, alphas=(0.0, 0.5, 1.0))  # type: ignore[dict-item]
    assert [(point.alpha, point.recalls[TARGET]) for point in found] == [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)]
