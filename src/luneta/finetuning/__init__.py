"""Fine-tuning: an encoder that finds one's own things better, with the proof and the price."""

from luneta.finetuning.prediction import Prediction
from luneta.finetuning.recipe import Recipe
from luneta.finetuning.run import FineTuning, finetune, predict_cost

__all__ = ["FineTuning", "Prediction", "Recipe", "finetune", "predict_cost"]
