"""Re-ranking: the encoder's first candidates looked at again, and put into another order only where that is proved to
help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luneta.lazy import loaded_from

_HOMES = {
    "ByFunction": "luneta.rerank.crossing",
    "Depths": "luneta.rerank.evaluation",
    "Reranking": "luneta.rerank.evaluation",
    "evaluate_depths": "luneta.rerank.evaluation",
    "evaluate_reranked": "luneta.rerank.evaluation",
    "RerankerFitted": "luneta.rerank.fitting",
    "fit_reranker": "luneta.rerank.fitting",
    "Fusion": "luneta.rerank.fusion",
    "VARIANTS": "luneta.rerank.recipe",
    "ElipRecipe": "luneta.rerank.recipe",
    "Reranker": "luneta.rerank.reranker",
    "ElipTrained": "luneta.rerank.run",
    "predict_elip": "luneta.rerank.run",
    "train_elip": "luneta.rerank.run",
}

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

__getattr__ = loaded_from(_HOMES, __name__)

if TYPE_CHECKING:
    from luneta.rerank.crossing import ByFunction
    from luneta.rerank.evaluation import Depths, Reranking, evaluate_depths, evaluate_reranked
    from luneta.rerank.fitting import RerankerFitted, fit_reranker
    from luneta.rerank.fusion import Fusion
    from luneta.rerank.recipe import VARIANTS, ElipRecipe
    from luneta.rerank.reranker import Reranker
    from luneta.rerank.run import ElipTrained, predict_elip, train_elip
