"""What a fine-tuning will learn from and be measured on, settled before any of it is done."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luneta.cost import Prices
from luneta.data.dataset import ImageTextDataset
from luneta.data.signatures import signed_once
from luneta.evaluation import evaluate
from luneta.finetuning.interpolation import TARGET
from luneta.finetuning.parts import (
    Kept,
    Parts,
    apart,
    not_learnt,
    relevance_of,
    warn_of_cut_captions,
    warn_of_little,
)
from luneta.finetuning.prediction import Prediction, scratch
from luneta.finetuning.proof import Proof, names_of
from luneta.finetuning.recipe import Recipe
from luneta.finetuning.rehearsal import Work, predict
from luneta.finetuning.training import Training
from luneta.finetuning.validation import Validation
from luneta.results import Evaluation
from luneta.types import Trainable, TrainableEncoder


@dataclass(frozen=True)
class Given:
    """Data sets as `finetune` takes them, and what it is told about them."""

    train: ImageTextDataset
    validation: ImageTextDataset | None
    tests: Sequence[ImageTextDataset]
    keep: Sequence[ImageTextDataset]
    near: bool
    max_bad_share: float

    @property
    def fingerprints(self) -> dict[str, Any]:
        """Of all of them, by what they are for."""
        return {
            "train": self.train.fingerprint,
            "validation": None if self.validation is None else self.validation.fingerprint,
            "tests": [data.fingerprint for data in self.tests],
            "keep": [data.fingerprint for data in self.keep],
        }


@dataclass(frozen=True)
class Plan:
    """The parts of a fine-tuning.

    Attributes:
        encoder: that learns.
        parts: what is learnt from and validated on.
        tests: what the proof is measured on, by name.
        kept: what is not to be forgotten, by name.
        recipe: how it learns.
        n_truncated: captions that are longer than the encoder reads.
        max_bad_share: of the pictures of a proof, more that cannot be read are too many.
    """

    encoder: TrainableEncoder
    parts: Parts
    tests: Mapping[str, ImageTextDataset]
    kept: Mapping[str, Kept]
    recipe: Recipe
    n_truncated: int
    max_bad_share: float

    @classmethod
    def of(cls, encoder: TrainableEncoder, given: Given, recipe: Recipe) -> Plan:
        """Keep the parts apart; every picture is decoded once for it, however many parts it is compared with.

        Raises:
            DatasetError: nothing is left to learn from, to validate on or to measure of what is to be kept, or too many
                pictures cannot be read.
        """
        seed, near, bad = recipe.seed, given.near, given.max_bad_share
        with signed_once():
            parts = apart(given.train, given.validation, given.tests, near, seed, bad)
            kept = not_learnt(given.keep, parts, given.tests, near, seed, bad)
        warn_of_little(parts.train, recipe.method)
        n_truncated = warn_of_cut_captions(encoder, parts.train)
        names = names_of([*given.tests, *given.keep], reserved=[TARGET])
        of_tests, of_kept = names[: len(given.tests)], names[len(given.tests) :]
        tests, keeps = dict(zip(of_tests, given.tests, strict=True)), dict(zip(of_kept, kept, strict=True))
        return cls(encoder, parts, tests, keeps, recipe, n_truncated, bad)

    @property
    def _proved(self) -> list[tuple[str, bool, ImageTextDataset]]:
        """What before and after are measured on: its name, whether it is what was learnt, and the data."""
        kept = [(name, False, kept.proving) for name, kept in self.kept.items() if kept.proving is not None]
        return [*((name, True, data) for name, data in self.tests.items()), *kept]

    def measure(self, encoder: TrainableEncoder) -> list[Evaluation]:
        """An encoder on everything that is to be proved, in batches of the size that it was loaded with.

        Raises:
            DatasetError: too many pictures cannot be read.
        """
        return [
            evaluate(encoder, data, batch_size=encoder.batch_size, max_bad_share=self.max_bad_share)
            for *_, data in self._proved
        ]

    def proofs(self, before: Sequence[Evaluation], after: Sequence[Evaluation]) -> list[Proof]:
        """Of what was measured before and after."""
        both = zip(self._proved, before, after, strict=True)
        return [Proof(name, learnt, first, second) for (name, learnt, _), first, second in both]

    def measured_on(self, trainable: Trainable) -> dict[str, Validation]:
        """What decides, by name: the validation part, and the deciding part of what is to be kept."""
        cached = self.recipe.cached
        deciding = {name: Validation(trainable, kept.deciding, cached) for name, kept in self.kept.items()}
        return {TARGET: Validation(trainable, self.parts.validation, cached), **deciding}

    def training(self, trainable: Trainable, validation: Validation, folder: Path) -> Training:
        """Of an encoder that has been opened up.

        Raises:
            ConfigError: the recipe does not fit it, or the data.
        """
        learnt, column = self.parts.train, self.recipe.relevance
        weights = None if column is None else relevance_of(learnt, column)
        return Training(trainable, learnt, self.parts.groups, validation, self.recipe, folder, weights)

    def predict(self, prices: Prices, begun: Path | None = None) -> Prediction:
        """What it will take, by a model of its own, which is gone before the training begins.

        Args:
            prices: of the device's hours.
            begun: folder of the training; what is done already is not predicted.

        Raises:
            ConfigError: the recipe does not fit the encoder or the data.
        """
        with scratch() as folder:
            start = time.perf_counter()
            trainable = self.encoder.trainable()
            opening_s = time.perf_counter() - start
            validation = Validation(trainable, self.parts.validation, self.recipe.cached)
            deciding, proved = [kept.deciding for kept in self.kept.values()], [data for *_, data in self._proved]
            work = Work(deciding, proved, opening_s, begun)
            return predict(self.training(trainable, validation, folder), work, prices)
