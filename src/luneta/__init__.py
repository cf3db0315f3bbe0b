"""Luneta: image-text retrieval you can trust.

The public names are loaded when first used, so that `import luneta` stays cheap. A module is named after the
thing (`evaluation`), its verb after the deed (`evaluate`): a submodule of the verb's own name would replace the
function as soon as anything imported it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from luneta.lazy import loaded_from

__version__ = "0.1.0"

_HOMES = {
    "Evaluation": "luneta.evaluation",
    "ImageTextDataset": "luneta.data.dataset",
    "Encoder": "luneta.types",
    "EncoderSpec": "luneta.types",
    "LunetaError": "luneta.errors",
    "advise": "luneta.advice",
    "audit": "luneta.auditing",
    "compare": "luneta.comparison",
    "embed": "luneta.embedding",
    "evaluate": "luneta.evaluation",
    "export_mteb": "luneta.exports",
    "export_trec": "luneta.exports",
    "examine": "luneta.doctor",
    "finetune": "luneta.finetuning",
    "FineTuning": "luneta.finetuning",
    "Recipe": "luneta.finetuning",
    "train_elip": "luneta.rerank",
    "fit_reranker": "luneta.rerank",
    "ElipRecipe": "luneta.rerank",
    "Reranker": "luneta.rerank",
    "build_bundle": "luneta.bundles",
    "Bundle": "luneta.bundles",
    "IndexRecipe": "luneta.bundles",
    "Searcher": "luneta.search",
    "Query": "luneta.search",
    "find_groups": "luneta.data.groups",
    "find_leakage": "luneta.leakage",
    "language_gap": "luneta.languages",
    "leaderboard": "luneta.leaderboards",
    "load_cross_encoder": "luneta.encoders.registry",
    "load_encoder": "luneta.encoders.registry",
    "load_evaluation": "luneta.results",
    "open_dataset": "luneta.data.sources",
    "profile": "luneta.profiling",
}

__all__ = [  # noqa: RUF022 - the order of the work
    "open_dataset",
    "load_encoder",
    "load_cross_encoder",
    "profile",
    "find_groups",
    "find_leakage",
    "examine",
    "embed",
    "evaluate",
    "load_evaluation",
    "advise",
    "audit",
    "compare",
    "leaderboard",
    "language_gap",
    "export_trec",
    "export_mteb",
    "finetune",
    "Recipe",
    "FineTuning",
    "train_elip",
    "fit_reranker",
    "ElipRecipe",
    "Reranker",
    "build_bundle",
    "IndexRecipe",
    "Bundle",
    "Searcher",
    "Query",
    "Evaluation",
    "ImageTextDataset",
    "Encoder",
    "EncoderSpec",
    "LunetaError",
    "__version__",
]

__getattr__ = loaded_from(_HOMES, __name__)


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from luneta.advice import advise
    from luneta.auditing import audit
    from luneta.bundles import Bundle, IndexRecipe, build_bundle
    from luneta.comparison import compare
    from luneta.data.dataset import ImageTextDataset
    from luneta.data.groups import find_groups
    from luneta.data.sources import open_dataset
    from luneta.doctor import examine
    from luneta.embedding import embed
    from luneta.encoders.registry import load_cross_encoder, load_encoder
    from luneta.errors import LunetaError
    from luneta.evaluation import Evaluation, evaluate
    from luneta.exports import export_mteb, export_trec
    from luneta.finetuning import FineTuning, Recipe, finetune
    from luneta.languages import language_gap
    from luneta.leaderboards import leaderboard
    from luneta.leakage import find_leakage
    from luneta.profiling import profile
    from luneta.rerank import ElipRecipe, Reranker, fit_reranker, train_elip
    from luneta.results import load_evaluation
    from luneta.search import Query, Searcher
    from luneta.types import Encoder, EncoderSpec
