"""Re-ranking: the encoder's first candidates looked at again, and put into another order only where that is proved to
help."""

from luneta.rerank.crossing import ByFunction
from luneta.rerank.evaluation import Depths, Reranking, evaluate_depths, evaluate_reranked
from luneta.rerank.fitting import RerankerFitted, fit_reranker
from luneta.rerank.fusion import Fusion
from luneta.rerank.recipe import VARIANTS, ElipRecipe
from luneta.rerank.reranker import Reranker
from luneta.rerank.run import ElipTrained, predict_elip, train_elip

__all__ = [
    "VARIANTS",
    "ByFunction",
    "Depths",
    "ElipRecipe",
    "ElipTrained",
    "Fusion",
    "Reranker",
    "RerankerFitted",
    "Reranking",
    "evaluate_depths",
    "evaluate_reranked",
    "fit_reranker",
    "predict_elip",
    "train_elip",
]
