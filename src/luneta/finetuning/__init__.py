"""Fine-tuning: an encoder that finds one's own things better, with the proof and the price."""

from luneta.finetuning.recipe import Recipe
from luneta.finetuning.run import FineTuning, finetune

__all__ = ["FineTuning", "Recipe", "finetune"]
