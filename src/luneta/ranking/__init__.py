"""Where the relevant items of every query stand: exact ranks in both directions, and the k best items.

Nothing here ever holds the whole similarity matrix: it is computed block by block, and each block serves both
directions. What counts as a tie is said in `luneta.ranking.ties`.
"""

from __future__ import annotations

from luneta.ranking.passing import passed_over, top_k_of_others
from luneta.ranking.ranks import Ranking, rank, rank_both
from luneta.ranking.reranked import reranked
from luneta.ranking.search import Gallery, top_k
from luneta.ranking.ties import TIE_TOLERANCE

__all__ = [
    "TIE_TOLERANCE",
    "Gallery",
    "Ranking",
    "passed_over",
    "rank",
    "rank_both",
    "reranked",
    "top_k",
    "top_k_of_others",
]
