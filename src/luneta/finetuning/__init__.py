"""Fine-tuning: an encoder that finds one's own things better, with the proof and the price."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luneta.lazy import loaded_from

_HOMES = {
    "Prediction": "luneta.finetuning.prediction",
    "Recipe": "luneta.finetuning.recipe",
    "FineTuning": "luneta.finetuning.run",
    "finetune": "luneta.finetuning.run",
    "predict_cost": "luneta.finetuning.run",
}

__all__ = ["FineTuning", "Prediction", "Recipe", "finetune", "predict_cost"]

__getattr__ = loaded_from(_HOMES, __name__)

if TYPE_CHECKING:
    from luneta.finetuning.prediction import Prediction
    from luneta.finetuning.recipe import Recipe
    from luneta.finetuning.run import FineTuning, finetune, predict_cost
