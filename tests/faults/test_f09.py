"""Prompts behind a class token that SigLIP does not have, and its pooling head skipped: re-ranked as by a shuffle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from luneta.encoders.prompting import HFPromptedTower
from luneta.errors import ConfigError, TrainingError
from luneta.metrics import METRICS
from luneta.ranking import reranked
from luneta.rerank import Fusion, Reranker
from luneta.rerank.choosing import choose
from luneta.rerank.honesty import question
from luneta.rerank.run import believed
from reranking import training


def headless(self: HFPromptedTower, states: Tensor, prompts: Tensor, mask: Tensor | None) -> Tensor:
    """The fault: the first token, which is a patch, instead of what the pooling head makes of all."""
    first: Tensor = self._tower.post_layernorm(states)[:, 0].float()
    return first / first.norm(dim=1, keepdim=True)


def test_the_first_step_is_refused(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the gate shut, scores are not the encoder's: so something else than its image tower would be trained."""
    monkeypatch.setattr(HFPromptedTower, "_vectors", headless)
    made = training(tiny_checkpoint("siglip"), tmp_path, steps=2)
    with pytest.raises(TrainingError, match="is not used here as it is by itself"):
        made.run()
    monkeypatch.undo()
    training(tiny_checkpoint("siglip"), tmp_path, steps=2).run()


def test_without_a_gate_the_questions_find_it_out(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HFPromptedTower, "_vectors", headless)
    made = training(tiny_checkpoint("siglip"), tmp_path, n=40, steps=20, gated=False)
    made.run()
    found = made.validation
    with torch.inference_mode():
        new = made.elip.rescore(found.queries, made.watched, found.candidates)
    metric = METRICS["mrr"]
    alone = metric(Fusion(1.0, found.k).ranking(found, new))
    shuffled = metric(reranked(found.ranking, found.candidates, np.zeros_like(new)))
    assert abs((alone - shuffled).mean()) < 3 * (alone - shuffled).std() / len(alone) ** 0.5 + 0.02
    choice = choose(found, new)
    answers = question(made.elip, made.watched, found, new, Fusion(1.0, found.k))
    assert "beats_shuffle" in [answer.question for answer in answers if not answer.passed]
    faulty = Reranker(made.elip.encoder, made.elip, Fusion(1.0, found.k), answers)
    assert not believed(faulty).fusion.changes
    assert not choice.fusion.changes
    with pytest.raises(ConfigError, match="without having shown that it should"):
        faulty.save(tmp_path / "saved")
