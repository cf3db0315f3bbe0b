"""Small re-rankers for tests: data that a tiny random encoder half understands, and trainings of a few steps."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from luneta.data.dataset import ImageTextDataset
from luneta.data.relevance import merged_pairs
from luneta.embedding import Embeddings, embed
from luneta.encoders.registry import load_encoder
from luneta.evaluation import evaluate_embeddings
from luneta.finetuning.negatives import Miner
from luneta.rerank.elip import Elip
from luneta.rerank.lists import ListPlan
from luneta.rerank.recipe import ElipRecipe
from luneta.rerank.search import Found, found_by
from luneta.rerank.training import ElipTraining
from luneta.types import PromptableEncoder
from tuning import pairs

SMALL: dict[str, Any] = {
    "n_prompts": 3, "hidden": (32,), "queries": 8, "hard": 4, "random": 1, "pool": 12, "suspicious": 0, "steps": 6,
    "validations": 2, "validated": 20, "learning_rate": 3e-3, "gate_rate": 0.1,
}  # fmt: skip
"""A recipe of a few cheap steps."""


@functools.cache
def encoder_of(checkpoint: Path, dtype: str = "float32") -> PromptableEncoder:
    """The encoder of a tiny checkpoint; the same object for every test, since none changes it."""
    found: Any = load_encoder(checkpoint, dtype=dtype, device="cpu")
    return found  # type: ignore[no-any-return]


@functools.cache
def embedded(checkpoint: Path, n: int, per_image: int = 1, start: int = 0) -> Embeddings:
    """Some pairs and their vectors."""
    return embed(encoder_of(checkpoint), pairs(n, per_image=per_image, start=start, name=f"pairs {start}"))


def found_in(embeddings: Embeddings, k: int = 10) -> Found:
    """What the encoder alone finds."""
    return found_by(embeddings, evaluate_embeddings(embeddings), k)


def plan_of(embeddings: Embeddings, recipe: ElipRecipe, groups: Sequence[int] | None = None) -> ListPlan:
    """Lists of a data set whose pictures are things of their own unless said otherwise."""
    data: ImageTextDataset = embeddings.dataset
    numbers = np.arange(data.n_images) if groups is None else np.asarray(groups)
    miner = Miner(n=recipe.pool, suspicious=recipe.suspicious)
    hard = miner.of_texts(data, embeddings.images, embeddings.texts, numbers)
    return ListPlan(data, merged_pairs(data), numbers, hard, recipe)


def training(
    checkpoint: Path, folder: Path, n: int = 24, trained_by: type[ElipTraining] = ElipTraining, **recipe: Any
) -> ElipTraining:
    """A training that is watched on what it learns from."""
    how = ElipRecipe(**{**SMALL, **recipe})
    elip = Elip.untrained(encoder_of(checkpoint), how)
    embeddings = embedded(checkpoint, n)
    found = found_in(embeddings)
    pictures = elip.pictures(embeddings.dataset.images)
    pictures.keep_in(folder)
    return trained_by(elip, plan_of(embeddings, how), found.queries, pictures, found, pictures, folder)
