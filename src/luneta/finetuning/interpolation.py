"""Between the weights before and after: what was learnt against what was forgotten (WiSE-FT, Wortsman et al., 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from luneta.finetuning.validation import Validation
from luneta.progress import track

ALPHAS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
TARGET = "validation"


@dataclass(frozen=True, slots=True)
class Point:
    """One mixture of weights.

    Attributes:
        alpha: 0 is before, 1 is after the training.
        recalls: mean recall@1 of both directions on each data set, by name.
    """

    alpha: float
    recalls: Mapping[str, float]


def mixed(before: Mapping[str, Tensor], after: Mapping[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """(1 - alpha) before + alpha after; tensors that are no floats stay as before."""
    return {
        name: torch.lerp(start, after[name].to(start.device), alpha) if start.is_floating_point() else start
        for name, start in before.items()
    }


def curve(
    model: nn.Module,
    before: Mapping[str, Tensor],
    after: Mapping[str, Tensor],
    measured_on: Mapping[str, Validation],
    alphas: Sequence[float] = ALPHAS,
) -> list[Point]:
    """The recall of mixtures on every data set; the model is left with the last one."""
    points = []
    with track("mixtures of before and after", len(alphas)) as advance:
        for alpha in alphas:
            model.load_state_dict(mixed(before, after, alpha))
            points.append(Point(alpha, {name: validation()["recall"] for name, validation in measured_on.items()}))
            advance(1)
    return points


def choose(points: Sequence[Point], allowed_loss: float) -> Point:
    """The mixture with the best recall on the validation part, among those that forget no more than is allowed.

    Args:
        points: with those of alpha 0, which tells what was known before.
        allowed_loss: by how much the recall on any other data set may fall. Where every mixture forgets more than
            that, what is left is alpha 0, the encoder as it was.
    """
    start = next(point for point in points if point.alpha == 0)
    kept = [
        point
        for point in points
        if all(point.recalls[name] >= start.recalls[name] - allowed_loss for name in start.recalls if name != TARGET)
    ]
    return max(kept, key=lambda point: (point.recalls[TARGET], -point.alpha))
