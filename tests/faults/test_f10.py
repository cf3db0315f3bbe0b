"""Each picture conditioned on its own caption in training: the text leaks into its own picture, ranking collapses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from luneta.errors import ConfigError
from luneta.rerank import Fusion, Reranker
from luneta.rerank.choosing import choose
from luneta.rerank.honesty import question
from luneta.rerank.lists import Lists
from luneta.rerank.run import believed
from luneta.rerank.training import ElipTraining
from reranking import training

MANY_STEPS: dict[str, Any] = {"n": 40, "steps": 150, "queries": 16, "hard": 6, "random": 2, "pool": 20}


class Diagonal(ElipTraining):
    """The fault: t_i . v(picture j in the light of j's own caption)."""

    def similarity(self, lists: Lists, chosen: np.ndarray, pairs: Tensor) -> Tensor:
        captions = np.array([self.plan.dataset.texts_of(int(image))[0] for image in chosen])
        own = torch.arange(len(chosen))[:, None].expand(-1, 2)
        seen = self.elip.seen(torch.from_numpy(self.texts.vectors[captions]), self.pictures.of(chosen), own)
        return (seen[pairs[:, 1]] * torch.from_numpy(self.texts.vectors[lists.texts])[pairs[:, 0]]).sum(dim=1)


def trained(checkpoint: Path, folder: Path, by: type[ElipTraining] = ElipTraining) -> tuple[Reranker, list[float]]:
    """A re-ranker as `train_elip` would ship it, and the loss of every step."""
    made = training(checkpoint, folder, trained_by=by, **MANY_STEPS)
    optimizer = made.optimizer()
    losses = [made.step(number, optimizer) for number in range(made.recipe.steps)]
    found = made.validation
    new = made.elip.rescore(found.queries, made.watched, found.candidates)
    choice = choose(found, new)
    answers = question(made.elip, made.watched, found, new, choice.fusion)
    return Reranker(made.elip.encoder, made.elip, choice.fusion, answers), losses


def test_the_loss_falls_and_it_is_found_out(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint("clip")
    proper, losses = trained(checkpoint, tmp_path)
    assert proper.fusion.changes
    assert proper.is_honest
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 1

    faulty, losses = trained(checkpoint, tmp_path, Diagonal)
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 1  # by the loss alone nobody would see it
    assert not faulty.is_honest
    assert not believed(faulty).fusion.changes
    with pytest.raises(ConfigError, match="without having shown that it should"):
        Reranker(faulty.encoder, faulty.rescorer, Fusion(1.0, 10), faulty.answers).save(tmp_path / "saved")
