"""What goes wrong in contrastive training, noticed while it happens, with what to do."""

from __future__ import annotations

import logging
import math
import statistics
from collections import deque
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback

from luneta.data.dataset import ImageTextDataset
from luneta.errors import TrainingError
from luneta.finetuning.guessing import Guesses, guesses
from luneta.finetuning.objective import Objective

if TYPE_CHECKING:
    from luneta.finetuning.trainer import ContrastiveTrainer

WINDOW = 50
"""Steps over which a loss is watched."""

STUCK = 0.02
"""A loss that stays within this share of what guessing gives has learnt nothing."""

LEAST_FALL = 0.0005
"""Share of the loss: from the older half of the window to the newer one, less than this is no fall."""

COLLAPSED = 0.98
"""Mean cosine of different things above which, for a window of steps, their vectors are all the same."""

OVERFLOWS = 20
"""Of the steps of a window; a scale that begins at 65 536 needs up to sixteen to come down to 1."""

RISEN = 0.005
"""... and it has risen by more than this: some data are so alike that they begin there."""

logger = logging.getLogger("luneta")


class Alarms(TrainerCallback):  # type: ignore[misc]
    """Stops a training that cannot come to anything, and warns of one that may not."""

    def __init__(self, dataset: ImageTextDataset, objective: Objective, limit: float | None) -> None:
        """
        Args:
            dataset: what is learnt from.
            objective: the loss.
            limit: that the scale of the scores is held below; None is none.
        """
        self._dataset, self._objective, self._limit = dataset, objective, limit
        self._losses: deque[float] = deque(maxlen=WINDOW)
        self._guesses: deque[Guesses] = deque(maxlen=WINDOW)  # negatives and equal things differ from batch to batch
        self._said: set[str] = set()
        self._overflown: deque[bool] = deque(maxlen=WINDOW)
        self._gradient_scale: float | None = None
        self._at_limit = 0
        self._collapsed = 0
        self._cosine_at_first = 1.0
        self._still = 0
        self._first_mean: float | None = None
        self.trainer: ContrastiveTrainer | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        facts = self.trainer.facts if self.trainer is not None else None
        if facts is None:
            return
        if not math.isfinite(facts.loss):
            raise self._no_number(f"loss is {facts.loss}", args, state)
        self._look_for_overflow()
        self._losses.append(facts.loss)
        self._guesses.append(guesses(self._objective, facts.relations, facts.n_negatives))
        self._look_for_collapse(facts.mean_cosine, state.global_step)
        self._look_at_scale(facts.scale)
        self._look_at_batch(facts.n_things, len(facts.relations))
        if len(self._losses) == WINDOW:
            self._look_for_standstill()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Before the weights are touched; in 16 bits the scaler leaves such steps out by itself."""
        if args.fp16 or self.trainer is None or self.trainer.facts is None:
            return
        sums = [parameter.grad.sum() for parameter in model.parameters() if parameter.grad is not None]
        if sums and not bool(torch.stack(sums).isfinite().all()):
            loss = self.trainer.facts.loss
            what = "gradient is no number" if math.isfinite(loss) else f"loss is {loss}"
            raise self._no_number(what, args, state, after=1)

    def _no_number(self, what: str, args: Any, state: Any, *, after: int = 0) -> TrainingError:
        assert self.trainer is not None
        assert self.trainer.facts is not None
        pairs = self.trainer.facts.pairs[:3]
        captions = [self._dataset.texts[text] for text in pairs[:, 0].tolist()]
        pictures = [self._dataset.images[image].label for image in pairs[:, 1].tolist()]
        return TrainingError(
            f"the {what} at step {state.global_step + after}, in the batch that begins with {captions} "
            f"({', '.join(pictures)}). The last good checkpoint is kept. Lower the learning rate"
            + (", or take precision='bfloat16' or 'float32' instead of float16" if args.fp16 else "")
            + ", look at these pairs, and start again into another folder."
        )

    def _look_for_overflow(self) -> None:
        """In 16 bits a step whose gradients overflow is left out and their scale is halved: now and then that is as it
        should be, often it is not."""
        scaler = getattr(getattr(self.trainer, "accelerator", None), "scaler", None)
        if scaler is None:
            return
        scale = float(scaler.get_scale())
        self._overflown.append(self._gradient_scale is not None and scale < self._gradient_scale)
        self._gradient_scale = scale
        n = sum(self._overflown)
        if n > OVERFLOWS and self._first("overflow"):
            logger.warning(
                "the scale of 16-bit gradients has been halved in %d of the last %d steps, which did nothing: numbers "
                "overflow. Take precision='bfloat16' or 'float32', or lower the learning rate", n,
                len(self._overflown),
            )  # fmt: skip

    def _look_for_collapse(self, mean_cosine: float | None, step: int) -> None:
        if mean_cosine is None:
            return
        self._cosine_at_first = min(self._cosine_at_first, mean_cosine)
        alike = mean_cosine > COLLAPSED and mean_cosine > self._cosine_at_first + RISEN
        self._collapsed = self._collapsed + 1 if alike else 0
        if self._collapsed > WINDOW:
            raise TrainingError(
                f"the vectors have collapsed: for {WINDOW} steps until step {step} different things have had a mean "
                f"cosine near 1 (now {mean_cosine:.3f}). The last good checkpoint is kept. Lower the learning rate, "
                "make batches larger, or leave out the margin, and start again into another folder."
            )

    def _look_at_scale(self, scale: float) -> None:
        at_limit = self._limit is not None and scale > 0.999 * self._limit
        self._at_limit = self._at_limit + 1 if at_limit else 0
        if self._at_limit >= WINDOW and self._rising() and self._first("scale"):
            logger.warning(
                "the scale of the scores has stood at its limit of %g for %d steps while the loss rises: the learning "
                "rate is too high", self._limit, WINDOW,
            )  # fmt: skip
        if scale < 1 and self._first("small scale"):
            logger.warning(
                "the scale of the scores has fallen to %.2g: they no longer tell anything apart. Lower the learning "
                "rate, and look whether captions and pictures belong together", scale,
            )  # fmt: skip

    def _look_at_batch(self, n_things: int, n_pairs: int) -> None:
        if 2 * n_things < n_pairs and self._first("batch"):
            logger.warning(
                "a batch of %d pairs shows %d different things only (the others have equal captions or near-equal "
                "pictures), so that little is told apart. Class labels are not captions: use texts that describe "
                "single pictures, or make batches smaller", n_pairs, n_things,
            )  # fmt: skip

    def _halves(self) -> tuple[float, float]:
        """The mean loss of the older and of the newer half of the window."""
        losses = list(self._losses)
        half = len(losses) // 2
        return sum(losses[:half]) / max(1, half), sum(losses[half:]) / max(1, len(losses) - half)

    def _rising(self) -> bool:
        older, newer = self._halves()
        return newer > older > 0

    def _look_for_standstill(self) -> None:
        """Near a guess for a window of windows, and not on the way down past it."""
        older, newer = self._halves()
        mean = (older + newer) / 2
        spread = math.sqrt(sum((loss - mean) ** 2 for loss in self._losses) / WINDOW)
        falling = older - newer > max(2 * spread * math.sqrt(4 / WINDOW), LEAST_FALL * mean)
        levels = {"guessing among the batch": statistics.fmean(guess.least for guess in self._guesses)}
        if self._first_mean is None:
            self._first_mean = mean
        if even := [guess.even for guess in self._guesses if guess.even is not None]:
            level = statistics.fmean(even)
            if abs(self._first_mean - level) < STUCK * level:  # it has stood there from the start
                levels["answering 'perhaps' to every pair, as when it is divided by all pairs"] = level
        near = {name: level for name, level in levels.items()
                if level and max(abs(older - level), abs(newer - level)) < STUCK * level}  # fmt: skip
        self._still = self._still + 1 if near and not falling else 0
        if self._still >= WINDOW:
            for name, level in near.items():
                if self._first("standstill"):
                    logger.warning(
                        "for %d steps the loss has been %.3f, which is that of %s (%.3f): nothing is learnt. Raise the "
                        "learning rate, look whether captions and pictures belong together, and whether the part that "
                        "should learn is locked", 2 * WINDOW, mean, name, level,
                    )  # fmt: skip

    def _first(self, alarm: str) -> bool:
        """Whether an alarm has not been given yet; it counts as given from now on."""
        new = alarm not in self._said
        self._said.add(alarm)
        return new
