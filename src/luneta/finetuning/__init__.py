"""Fine-tuning: an encoder that finds one's own things better, with the proof and the price."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "Prediction": "luneta.finetuning.prediction",
    "Recipe": "luneta.finetuning.recipe",
    "FineTuning": "luneta.finetuning.run",
    "finetune": "luneta.finetuning.run",
    "predict_cost": "luneta.finetuning.run",
}

__all__ = ["FineTuning", "Prediction", "Recipe", "finetune", "predict_cost"]


def __getattr__(name: str) -> Any:
    """A recipe, or the look of a folder, must not load what a training needs."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if TYPE_CHECKING:
    from luneta.finetuning.prediction import Prediction
    from luneta.finetuning.recipe import Recipe
    from luneta.finetuning.run import FineTuning, finetune, predict_cost
