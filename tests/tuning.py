"""Small trainings for tests: pairs, checkpoints that drop activations out, trainings ready to run."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from luneta.data.dataset import ImageTextDataset
from luneta.encoders.registry import load_encoder
from luneta.finetuning.recipe import Recipe
from luneta.finetuning.training import Training
from luneta.finetuning.validation import Validation
from luneta.types import Trainable
from paintings import Held, gallery, painting

gc.freeze()  # the Trainer collects garbage at every start: it need not look at the libraries, which stay

_WHO = ["red boat", "small dog", "old man", "green apple", "yellow house", "blue bicycle", "big cat", "white horse"]
_WHERE = ["on the beach", "under a tree", "near the river", "in the rain", "beside a wall", "at night"]


def pairs(n: int, *, per_image: int = 1, start: int = 0, name: str = "pairs") -> ImageTextDataset:
    """n pictures that differ clearly, with captions of their own (at most 48 pictures and so many captions each)."""
    captions = [
        [f"a {_WHO[i % 8]} {_WHERE[(i // 8) % 6]}{' seen again' * way}" for way in range(per_image)]
        for i in range(start, start + n)
    ]
    held = [Held(f"picture {i}", painting(i, 40)) for i in range(start, start + n)]
    return gallery(held, captions, name=name)


def swappable(n: int = 11) -> ImageTextDataset:
    """Up to twelve pictures with captions of which some have words that can change places."""
    data = pairs(n)
    alone = ["boat", "dog", "beach", "river"]
    captions = [[f"a red {text[2:]} and a blue one" if i % 3 else alone[i // 3]] for i, text in enumerate(data.texts)]
    return gallery(list(data.images), captions)


def opened(checkpoint: Path, *, dropout: float = 0.0) -> Trainable:
    """A checkpoint opened up; its attention and its BERT layers drop activations out."""
    encoder = load_encoder(str(checkpoint), dtype="float32", device="cpu")
    found: Trainable = encoder.trainable()  # type: ignore[attr-defined]
    for module in found.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
        for name in ("dropout", "attention_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, dropout)
    return found


def training(
    trainable: Trainable,
    data: ImageTextDataset,
    folder: Path,
    *,
    validation: ImageTextDataset | None = None,
    groups: Any = None,
    **recipe: Any,
) -> Training:
    """A training of few steps, validated on what it learns from unless told otherwise."""
    how = Recipe(**{"batch_size": 8, "steps": 4, "validations": 2, "precision": "float32", **recipe})
    numbers = np.arange(data.n_images) if groups is None else np.asarray(groups)
    measured = Validation(trainable, data if validation is None else validation, how.cached)
    return Training(trainable, data, numbers, measured, how, folder)


def differences(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> dict[str, float]:
    """The largest difference of each tensor, by name."""
    assert first.keys() == second.keys()
    return {name: float((first[name].double() - second[name].double()).abs().max()) for name in first}
