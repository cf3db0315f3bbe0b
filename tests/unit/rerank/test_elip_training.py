"""Training of a guide: what is learnt, what is kept, and going on where it was stopped."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from luneta.errors import ArtifactError, ConfigError, TrainingError
from luneta.metrics import METRICS
from luneta.rerank.elip import Elip
from luneta.rerank.fusion import Fusion
from luneta.rerank.saving import Standing, load_standing, save_standing
from luneta.rerank.training import ElipTraining
from reranking import training

MakeCheckpoint = Callable[[str], Path]


def weights(found: ElipTraining) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in found.elip.guide.state_dict().items()}


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_the_loss_is_that_of_every_picture_in_its_lists_light(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    """Pair by pair: t_i . v(picture j in the light of t_i), softmax over the list of text i."""
    made = training(tiny_checkpoint("clip"), tmp_path)
    with torch.no_grad():
        made.elip.guide.gate.fill_(0.8)
    lists = made.plan.lists(0)
    scale = made.elip.encoder.spec.logit_scale
    assert scale is not None
    total = 0.0
    for row, text in enumerate(lists.texts):
        scores = []
        for image in lists.images[row]:
            own = torch.from_numpy(made.texts.vectors[text][None])
            with torch.inference_mode():
                seen = made.elip.seen(own, made.pictures.of(np.array([image])), torch.tensor([[0, 0]]))
            scores.append(float(seen[0].numpy() @ made.texts.vectors[text]))
        logits = np.where(lists.ignored[row], -np.inf, scale * np.array(scores))
        shares = logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()
        right = lists.positive[row] & ~lists.ignored[row]
        total -= shares[right].mean()
    with torch.no_grad():
        assert float(made.loss(lists)) == pytest.approx(total / len(lists.texts), rel=1e-4)


@pytest.mark.parametrize("family", ["clip", "siglip", "siglip2-naflex"])
@pytest.mark.parametrize("layer", [0, 1])
def test_the_first_step_opens_the_gate_and_the_second_moves_the_mapper(
    family: str, layer: int, tiny_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    made = training(tiny_checkpoint(family), tmp_path, insert_layer=layer, warmup=0.0)
    before, optimizer = weights(made), made.optimizer()
    made.step(0, optimizer)
    after = weights(made)
    assert torch.equal(before["mapper.0.weight"], after["mapper.0.weight"])  # nothing is heard of it yet
    assert (after["gate"].abs() > 0.05).all()
    made.step(1, optimizer)
    assert not torch.equal(after["mapper.0.weight"], made.elip.guide.state_dict()["mapper.0.weight"])


def test_it_learns(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    """A tiny random encoder, told apart by its prompts what it cannot tell by itself."""
    made = training(tiny_checkpoint("clip"), tmp_path, n=32, steps=150, queries=16, hard=5, random=2, validations=3)
    made.run()
    found = made.validation
    new = made.elip.rescore(found.queries, made.watched, found.candidates)
    after = METRICS["mrr"](Fusion(1.0, found.k).ranking(found, new)).mean()
    assert after > METRICS["mrr"](found.ranking).mean() + 0.05
    assert [record["step"] for record in made.history] == [50, 100, 150]


def test_sigmoid_encoders_learn_by_the_sigmoid_loss(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    for family, bias in (("clip", False), ("siglip", True)):
        (tmp_path / family).mkdir()
        made = training(tiny_checkpoint(family), tmp_path / family)
        assert (made._loss.bias is not None) == bias
    assert training(tiny_checkpoint("siglip"), tmp_path, loss="softmax")._loss.bias is None
    with pytest.raises(ConfigError, match="needs a bias"):
        training(tiny_checkpoint("clip"), tmp_path, loss="sigmoid")


def test_the_best_weights_are_kept_not_the_last(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Tensor]] = []

    def measured(self: ElipTraining) -> dict[str, float]:
        seen.append(weights(self))
        return {"value": [0.2, 0.5, 0.4][len(seen) - 1], "alpha": 0.0, "alone": 0.0, "baseline": 0.0}

    monkeypatch.setattr(ElipTraining, "measured", measured)
    made = training(tiny_checkpoint("clip"), tmp_path, steps=6, validations=3)
    made.run()
    assert not equal(seen[0], seen[1])
    assert equal(weights(made), seen[1])


class Stopped(Exception):
    """Planted."""


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("place", ["step", "measured", "_validate"])
@pytest.mark.parametrize("turn", [1, 2, 4])
def test_stopped_anywhere_it_ends_with_the_same_weights(
    place: str, turn: int, layer: int, tiny_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe: dict[str, Any] = {"steps": 9, "validations": 4, "dropout": 0.3, "insert_layer": layer}
    calm, struck = tmp_path / "calm", tmp_path / "struck"
    calm.mkdir()
    struck.mkdir()
    whole = training(tiny_checkpoint("clip"), calm, **recipe)
    whole.run()
    calls = []
    proper = getattr(ElipTraining, place)

    def deadly(self: ElipTraining, *args: Any) -> Any:
        calls.append(place)
        if len(calls) == turn:
            raise Stopped
        return proper(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(ElipTraining, place, deadly)
        with pytest.raises(Stopped):
            training(tiny_checkpoint("clip"), struck, **recipe).run()
    torch.manual_seed(turn)  # whatever was random before
    again = training(tiny_checkpoint("clip"), struck, **recipe)
    again.run()
    assert equal(weights(again), weights(whole))
    assert again.history == whole.history


def test_a_finished_training_is_only_read(tiny_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: Any) -> None:
    made = training(tiny_checkpoint("clip"), tmp_path)
    made.run()
    monkeypatch.setattr(ElipTraining, "step", None)
    again = training(tiny_checkpoint("clip"), tmp_path)
    again.run()
    assert equal(weights(again), weights(made))


def test_gradients_are_the_same_with_checkpointing(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    found = []
    for checkpointing in (False, True):
        made = training(tiny_checkpoint("clip"), tmp_path, checkpointing=checkpointing, dropout=0.0)
        with torch.no_grad():
            made.elip.guide.gate.fill_(0.5)
        made.loss(made.plan.lists(0)).backward()  # type: ignore[no-untyped-call]
        found.append([p.grad.clone() for p in made.elip.guide.parameters() if p.grad is not None])
    assert len(found[0]) == len(found[1]) == 5
    for plain, again in zip(*found, strict=True):
        torch.testing.assert_close(plain, again)


def test_rates_and_decay(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    made = training(tiny_checkpoint("clip"), tmp_path, weight_decay=0.2, learning_rate=1e-3, gate_rate=0.04)
    groups = made.optimizer().param_groups
    assert [(group["weight_decay"], group["peak"]) for group in groups] == [(0.2, 1e-3), (0.0, 1e-3), (0.0, 0.04)]
    assert [p.shape for p in groups[2]["params"]] == [made.elip.guide.gate.shape]
    ungated = training(tiny_checkpoint("clip"), tmp_path, gated=False)
    assert len(ungated.optimizer().param_groups) == 2


def test_a_loss_that_is_no_number_stops_it(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = training(tiny_checkpoint("clip"), tmp_path)
    monkeypatch.setattr(ElipTraining, "loss", lambda self, lists: self.elip.guide.gate.sum() * float("nan"))
    with pytest.raises(TrainingError, match="the loss is nan at step 0"):
        made.run()


def test_float16_is_refused(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    made = training(tiny_checkpoint("clip"), tmp_path)
    encoder: Any = made.elip.encoder
    rough = dataclasses.replace(encoder.spec, dtype="float16")

    class Rough:
        spec = rough

    elip = Elip(Rough(), made.elip.tower, made.elip.guide)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="whose gradients vanish"):
        dataclasses.replace(made, elip=elip)


def test_where_it_stands_is_one_file(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    made = training(tiny_checkpoint("clip"), tmp_path)
    optimizer, path = made.optimizer(), tmp_path / "standing.safetensors"
    assert load_standing(path, made.elip.guide, optimizer) is None
    made.step(0, optimizer)
    made.step(1, optimizer)
    save_standing(path, made.elip.guide, optimizer, Standing(2, [{"step": 2.0, "value": 0.25}]))
    other = training(tiny_checkpoint("clip"), tmp_path, seed=5)
    again = other.optimizer()
    assert load_standing(path, other.elip.guide, again) == Standing(2, [{"step": 2.0, "value": 0.25}])
    assert equal(weights(other), weights(made))
    for first, second in zip(made.elip.guide.parameters(), other.elip.guide.parameters(), strict=True):
        for name in ("exp_avg", "exp_avg_sq", "step"):
            assert torch.equal(optimizer.state[first][name], again.state[second][name])
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ArtifactError, match="truncated"):
        load_standing(path, made.elip.guide, optimizer)
    wider = training(tiny_checkpoint("clip"), tmp_path, hidden=(40,))
    save_standing(path, made.elip.guide, optimizer, Standing(2, []))
    with pytest.raises(ArtifactError, match="not where this training stood"):
        load_standing(path, wider.elip.guide, wider.optimizer())
