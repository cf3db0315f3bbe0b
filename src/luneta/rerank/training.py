"""From an encoder and pairs to a guide: training as it will be used, with every picture seen in its list's light.

For text i and every picture j of its list the score is s_ij = t_i . v(picture j in the light of t_i). Were a picture
seen in the light of its own caption only, the prompts could carry the text into the picture: the loss would fall, and
nothing would be learnt of how pictures differ.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from luneta import losses
from luneta.artifacts import atomic_path
from luneta.errors import ConfigError, TrainingError
from luneta.metrics import METRICS
from luneta.progress import track
from luneta.rerank.choosing import ALPHAS, CHOSEN_BY
from luneta.rerank.elip import Elip
from luneta.rerank.fusion import Fusion, line, spread
from luneta.rerank.lists import ListPlan, Lists
from luneta.rerank.pictures import Pictures
from luneta.rerank.recipe import ElipRecipe
from luneta.rerank.saving import Standing, load_standing, read_tensors, save_standing
from luneta.rerank.search import Found, Queries

logger = logging.getLogger("luneta")

SAVES = 50
"""How often where it stands is written down, beside every validation."""

CHECKED = 8
"""Texts whose scores are held against the encoder's before the first step."""

LARGEST_GAP = {"float32": (0.02, 1e-5)}
ROUGHER_GAP = (0.5, 2**-8)
"""How far such a score may be off, as a share of the spread of a text's scores and as one of the largest score: what is
summed in another order differs in the last bits, of which there are few in 16-bit formats."""

_STANDING, _BEST = "standing.safetensors", "best.safetensors"


@dataclass
class ElipTraining:
    """One training of a guide, from its start to the best weights it found.

    Attributes:
        elip: its guide changes.
        plan: the lists of every step.
        texts: that are learnt from, as `Elip.read` gives them.
        pictures: that are learnt from.
        validation: what the encoder alone finds on other data; measured as it goes.
        watched: the pictures of that data.
        folder: of what is kept as it goes; what is killed goes on from there.
        history: what was measured, one record for each validation.
    """

    elip: Elip
    plan: ListPlan
    texts: Queries
    pictures: Pictures
    validation: Found
    watched: Pictures
    folder: Path
    history: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        spec = self.elip.encoder.spec
        if spec.dtype == "float16":
            raise ConfigError(
                f"{spec.name} computes in float16, whose gradients vanish; load it in bfloat16 or float32"
            )
        self._loss = _ListLoss.of(self.recipe, spec.logit_scale, spec.logit_bias, spec.name)

    @property
    def recipe(self) -> ElipRecipe:
        return self.plan.recipe

    @property
    def seen(self) -> dict[str, Pictures]:
        """The pictures that are "learnt" from and those that are "watched"."""
        return {"learnt": self.pictures, "watched": self.watched}

    def run(self) -> None:
        """Train, or go on training, and leave the best weights in the guide.

        Raises:
            TrainingError: the loss is no number.
            ArtifactError: what was kept is damaged, or cannot be written.
        """
        guide, recipe = self.elip.guide, self.recipe
        optimizer = self.optimizer()
        standing = load_standing(self.folder / _STANDING, guide, optimizer) or Standing(0, [])
        self.history = [dict(record) for record in standing.history]
        if standing.step:
            logger.info("going on from step %d of %d", standing.step, recipe.steps)
        else:
            self._check_start()
        every, saves = recipe.steps_between(), max(1, recipe.steps // SAVES)
        with track("steps", recipe.steps) as advance:
            advance(standing.step)
            for step in range(standing.step, recipe.steps):
                self.step(step, optimizer)
                done = step + 1
                if done % every == 0 or done == recipe.steps:
                    self._validate(done)
                if done % every == 0 or done % saves == 0 or done == recipe.steps:
                    save_standing(self.folder / _STANDING, guide, optimizer, Standing(done, self.history))
                advance(1)
        best, _ = read_tensors(self.folder / _BEST)
        guide.load_state_dict({**guide.state_dict(), **best})

    def optimizer(self) -> torch.optim.Optimizer:
        """AdamW; the gate at its own rate and never pulled to zero, matrices by the recipe's weight decay."""
        recipe, mapper = self.recipe, self.elip.guide.mapper
        groups = [
            {"params": [p for p in mapper.parameters() if p.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in mapper.parameters() if p.ndim == 1], "weight_decay": 0.0},
        ]
        for group in groups:
            group["peak"] = recipe.learning_rate
        if isinstance(self.elip.guide.gate, nn.Parameter):
            groups.append({"params": [self.elip.guide.gate], "weight_decay": 0.0, "peak": recipe.gate_rate})
        return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), eps=1e-6)

    def step(self, number: int, optimizer: torch.optim.Optimizer) -> float:
        """One step; its loss.

        Raises:
            TrainingError: the loss is no number.
        """
        recipe, guide = self.recipe, self.elip.guide
        share = _share(number, recipe.steps, recipe.warmup)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * share
        guide.train()
        with torch.random.fork_rng(devices=[]):  # dropout is the step's own, whatever was run before
            torch.manual_seed(recipe.seed * 1_000_003 + number)
            loss = self.loss(self.plan.lists(number))
        if not bool(torch.isfinite(loss)):
            raise TrainingError(f"the loss is {loss.item()} at step {number}; lower the learning rates")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(guide.parameters(), recipe.max_grad_norm)
        optimizer.step()
        guide.eval()
        return float(loss.item())

    def loss(self, lists: Lists) -> Tensor:
        """Of the scores s_ij of every text i and every picture j of its list."""
        chosen, place = np.unique(lists.images, return_inverse=True)
        n, listed = lists.images.shape
        pairs = np.stack([np.repeat(np.arange(n), listed), place.reshape(-1)], axis=1)
        similarity = self.similarity(lists, chosen, torch.from_numpy(pairs)).view(n, listed)
        device = similarity.device
        return self._loss(similarity, torch.from_numpy(lists.positive).to(device),
                          torch.from_numpy(lists.ignored).to(device))  # fmt: skip

    def similarity(self, lists: Lists, chosen: np.ndarray, pairs: Tensor) -> Tensor:
        """(n_pairs,) of (text, picture) pairs, each picture as seen in the light of the pair's text: cosines, or the
        logits of a cross-encoder."""
        texts, states = self.texts.of(lists.texts), self.pictures.of(chosen)
        if self.recipe.checkpointing:
            found: Tensor = checkpoint(self.elip.compared, texts, states, pairs, use_reentrant=False)
            return found
        return self.elip.compared(texts, states, pairs)

    def _check_start(self) -> None:
        """With a gate that is shut, scores must be the encoder's own.

        Raises:
            TrainingError: they are not: what is trained is not the encoder's image tower as the encoder uses it.
        """
        if not self.elip.guide.shape.gated:
            return
        found = self.validation.sample(CHECKED, self.recipe.seed)
        before = self.elip.unguided(found)
        new = self.elip.rescore(found.queries, self.watched, found.candidates)
        gap, usual = float(np.nanmax(np.abs(new - before))), spread(before)
        share, rounding = LARGEST_GAP.get(self.elip.encoder.spec.dtype, ROUGHER_GAP)
        if not gap <= share * usual + rounding * float(np.nanmax(np.abs(before))):
            raise TrainingError(
                f"before the first step a score differs by {gap:.2g} from that of {self.elip.encoder.spec.name} (the "
                f"spread of a text's scores is {usual:.2g}), though no prompt is listened to: its image tower is not "
                "used here as it is by itself"
            )

    def _validate(self, step: int) -> None:
        record = {"step": float(step), **self.measured()}
        self.history.append(record)
        logger.info(
            "step %d: %s %.4f at alpha %g, %.4f alone (the encoder: %.4f)", step, CHOSEN_BY, record["value"],
            record["alpha"], record["alone"], record["baseline"],
        )  # fmt: skip
        if record["value"] >= max(earlier["value"] for earlier in self.history):
            with atomic_path(self.folder / _BEST) as path:
                save_file({name: p.detach().contiguous() for name, p in self.elip.guide.named_parameters()}, path)

    def measured(self) -> Mapping[str, float]:
        """The encoder alone (`baseline`), the new scores `alone`, and both at the best `alpha` (`value`)."""
        found = self.validation
        new = self.elip.rescore(found.queries, self.watched, found.candidates)
        scale = line(found.scores, new) if self.elip.own_scale else (1.0, 0.0)
        values = {
            alpha: float(METRICS[CHOSEN_BY](Fusion(alpha, found.k, *scale).ranking(found, new)).mean())
            for alpha in (0.0, *ALPHAS)
        }
        alpha = max(values, key=lambda a: values[a])
        return {"value": values[alpha], "alpha": alpha, "alone": values[1.0], "baseline": values[0.0]}


@dataclass(frozen=True, slots=True)
class _ListLoss:
    """The loss of lists, with scale and bias as the encoder was pretrained."""

    scale: float
    bias: float | None

    @classmethod
    def of(cls, recipe: ElipRecipe, scale: float | None, bias: float | None, name: str) -> _ListLoss:
        """
        Raises:
            ConfigError: the encoder has no scale, or no bias and the loss needs one.
        """
        if scale is None:
            raise ConfigError(f"{name} does not say by how much its scores were scaled in training (logit_scale)")
        if recipe.loss == "sigmoid" and bias is None:
            raise ConfigError(f"the sigmoid loss needs a bias, and {name} has none; take loss='softmax'")
        return cls(scale, None if recipe.loss == "softmax" else bias)

    def __call__(self, similarity: Tensor, positive: Tensor, ignored: Tensor) -> Tensor:
        if self.bias is None:
            return losses.listwise(similarity, positive, ignored, scale=self.scale)
        return losses.listwise_sigmoid(similarity, positive, ignored, scale=self.scale, bias=self.bias)


def _share(step: int, n_steps: int, warmup: float) -> float:
    """Of the peak rates: rising along a line, then falling along half a cosine.

    >>> [round(_share(step, 10, 0.2), 2) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.04]
    """
    rising = round(warmup * n_steps)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, n_steps - rising)))
