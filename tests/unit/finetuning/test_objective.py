"""The loss of a training is the one of `losses` that its recipe names."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from luneta import losses
from luneta.finetuning.objective import Objective, Vectors
from luneta.finetuning.recipe import Recipe
from luneta.losses import Relations


def unit(n: int, seed: int) -> torch.Tensor:
    return normalize(torch.randn(n, 12, generator=torch.Generator().manual_seed(seed)), dim=1)


SCALE, BIAS = torch.tensor(7.0), torch.tensor(-3.0)
RELATIONS = Relations.distinct(6)


def vectors(*, m: int = 0, bias: torch.Tensor | None = BIAS) -> Vectors:
    return Vectors(unit(6, 0), unit(6, 1), unit(m, 2), SCALE, bias)


def test_auto_is_what_the_checkpoint_was_trained_with() -> None:
    assert Objective.of(Recipe(), sigmoid_checkpoint=True).sigmoid
    assert not Objective.of(Recipe(), sigmoid_checkpoint=False).sigmoid
    assert not Objective.of(Recipe(loss="infonce"), sigmoid_checkpoint=True).sigmoid


@pytest.mark.parametrize("m", [0, 4])
@pytest.mark.parametrize("sigmoid", [True, False])
def test_plain(sigmoid: bool, m: int) -> None:
    v = vectors(m=m)
    expected = (
        losses.sigmoid(v.images, v.texts, RELATIONS, scale=SCALE, bias=BIAS, negatives=v.negatives)
        if sigmoid
        else losses.info_nce(v.images, v.texts, RELATIONS, scale=SCALE, negatives=v.negatives)
    )
    assert torch.equal(Objective(sigmoid)(v, RELATIONS), expected)
    if m:
        assert Objective(sigmoid)(v, RELATIONS) > Objective(sigmoid)(vectors(), RELATIONS)


def test_margin_is_added() -> None:
    v = vectors()
    added = Objective(False, margin=0.4)(v, RELATIONS) - Objective(False)(v, RELATIONS)
    assert float(added) == pytest.approx(
        float(losses.hardest_margin(v.images, v.texts, RELATIONS, margin=0.4)), rel=1e-5
    )


def test_shortened_vectors_count_as_much_as_the_whole() -> None:
    v = vectors(m=3)
    parts = []
    for dim in (4, 12):
        short = [normalize(x[:, :dim], dim=1) for x in (v.images, v.texts, v.negatives)]
        parts.append(Objective(True)(Vectors(*short, SCALE, BIAS), RELATIONS))
    assert float(Objective(True, dims=(4,))(v, RELATIONS)) == pytest.approx(float(sum(parts)) / 2, rel=1e-5)
