"""What the first encoder of the demo learns: Portuguese, from captions in both languages; and how it is taught."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from luneta.cost import Prices
from luneta.data.dataset import ImageTextDataset
from luneta.data.joining import join_datasets
from luneta.data.sources import open_dataset
from luneta.demo.rounds import BRL_PER_USD, ENCODERS, USD_PER_HOUR
from luneta.encoders.registry import load_encoder
from luneta.finetuning import FineTuning, Recipe, finetune
from luneta.ledger import kept_in

FOLDER = "demo-tuned"
"""A name that nobody else gives: whatever stands there is an earlier demo's, and goes."""

LANGUAGES = ("pt-BR", "en")
N_TRAIN, N_VALIDATION = 6000, 300
RECIPE = Recipe(
    method="lit", steps=200, batch_size=256, learning_rate=1e-3, validations=3, precision="float32",
)  # fmt: skip
"""The images are known; only the words are new. Matrices this small gain nothing from 16 bits."""


@dataclass(frozen=True)
class Lesson:
    """What is learnt, what decides, and on what it is proved.

    Attributes:
        train, validation, test, keep: as `finetune` takes them.
    """

    train: ImageTextDataset
    validation: ImageTextDataset
    test: Sequence[ImageTextDataset]
    keep: Sequence[ImageTextDataset]


def learn(out: Path, limit: int | None) -> FineTuning:
    """Fine-tune the first encoder and prove it on the test split, in both languages.

    Args:
        out: the demo's folder; `FOLDER` in it is made anew.
        limit: pictures of the test split at most; with it the training is short as well.
    """
    n = N_TRAIN if limit is None else min(N_TRAIN, 4 * limit)
    lesson = Lesson(
        train=join_datasets([open_dataset("cenas:train", language=language, limit=n) for language in LANGUAGES]),
        validation=open_dataset("cenas:val", language=LANGUAGES[0], limit=N_VALIDATION),
        test=[open_dataset("cenas:test", language=language, limit=limit) for language in LANGUAGES],
        keep=[open_dataset("cenas:val", language=LANGUAGES[1], limit=2 * N_VALIDATION)],
    )
    recipe = RECIPE if limit is None else replace(RECIPE, steps=max(3, n // RECIPE.pairs_per_step))
    return teach(lesson, recipe, out, FOLDER)


def teach(lesson: Lesson, recipe: Recipe, out: Path, folder: str) -> FineTuning:
    """Fine-tune the first encoder.

    Args:
        lesson: what it learns.
        recipe: how.
        out: the demo's folder, whose ledger the run is written down in.
        folder: of the result in it; made anew.
    """
    shutil.rmtree(out / folder, ignore_errors=True)
    with kept_in(out / "runs" / "ledger.jsonl"):
        return finetune(
            load_encoder(ENCODERS[0], dtype="float32"), lesson.train, out=out / folder, recipe=recipe,
            validation=lesson.validation, test=lesson.test, keep=lesson.keep, near=False,
            prices=Prices(USD_PER_HOUR, BRL_PER_USD),
        )  # fmt: skip
