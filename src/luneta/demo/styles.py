"""Another thing for the first encoder to learn, sketches: by every method, each with its time and its cost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from luneta.data.dataset import ImageTextDataset
from luneta.data.joining import join_datasets
from luneta.data.sources import open_dataset
from luneta.demo.learning import Lesson, teach
from luneta.demo.rounds import ENCODERS
from luneta.encoders.registry import load_encoder
from luneta.evaluation import evaluate
from luneta.finetuning import FineTuning, Recipe

FOLDER = "demo-sketches"
"""With a folder for each method. A name that nobody else gives: whatever stands there is an earlier demo's."""

N_TRAIN, N_VALIDATION, N_TEST = 1500, 200, 400
"""Pictures to learn from in either style; sketches that decide; sketches that prove, and flat drawings for each."""

FEW = 20
"""Pictures that decide in a quick look, and flat drawings that prove: with fewer nothing can be told."""

RECIPES = (
    Recipe(method="full", steps=40, batch_size=96, learning_rate=5e-4, validations=2, precision="float32"),
    Recipe(method="lora", steps=40, batch_size=96, learning_rate=1e-2, validations=2, precision="float32"),
    Recipe(method="lit", locked="text", steps=40, batch_size=96, learning_rate=1e-3, validations=2,
           precision="float32"),
    Recipe(method="head", steps=200, batch_size=512, learning_rate=5e-3, validations=2, precision="float32"),
)  # fmt: skip
"""The words are known; only the look is new. The rates are far above the defaults, which are for larger models."""


@dataclass(frozen=True)
class Styles:
    """What every method has made of the first encoder.

    Attributes:
        learnt: a fine-tuning by each.
        before_s: seconds that measuring the encoder took from which all of them begin.
    """

    learnt: tuple[FineTuning, ...]
    before_s: float

    @property
    def seconds(self) -> float:
        """Of all of it."""
        return self.before_s + sum(float(found.cost["wall_s"]) for found in self.learnt)


def sketches(limit: int | None) -> Lesson:
    """From flat drawings to sketches and flat drawings, in English; a few pictures of each where there is a limit."""

    def cenas(style: str, split: str, n: int) -> ImageTextDataset:
        source = "cenas" if style == "flat" else f"cenas/{style}"
        return open_dataset(source, split=split, language="en", limit=n)

    if limit is None:
        n_train, n_validation, n_test, n_keep = N_TRAIN, N_VALIDATION, N_TEST, 2 * N_TEST
    else:
        n_train, n_validation, n_test, n_keep = min(N_TRAIN, 4 * limit), FEW, min(N_TEST, limit), 2 * FEW
    return Lesson(
        train=join_datasets([cenas(style, "train", n_train) for style in ("sketch", "flat")]),
        validation=cenas("sketch", "val", n_validation),
        test=[cenas("sketch", "test", n_test)],
        keep=[cenas("flat", "val", n_keep)],
    )


def look(lesson: Lesson) -> float:
    """Measure the encoder as it is, so that none of the methods pays for what all of them need; the seconds it took."""
    start = time.perf_counter()
    encoder = load_encoder(ENCODERS[0], dtype="float32")
    for data in (*lesson.test, *lesson.keep):
        evaluate(encoder, data)  # the vectors stay in the cache
    return time.perf_counter() - start


def learn_sketches(lesson: Lesson, out: Path, limit: int | None) -> Iterator[FineTuning]:
    """Teach it to the first encoder by every method, each from the start.

    Args:
        lesson: what `sketches` returns.
        out: the demo's folder; `FOLDER`/METHOD in it are made anew.
        limit: as for `sketches`; with it the trainings are short as well.
    """
    for recipe in RECIPES:
        short = recipe if limit is None else replace(recipe, steps=3, batch_size=32, validations=1)
        yield teach(lesson, short, out, f"{FOLDER}/{recipe.method}")
