"""What the first encoder's own re-ranker makes of sketches, which the encoder has never seen."""

from __future__ import annotations

from luneta.data.sources import open_dataset
from luneta.demo.rounds import ENCODERS
from luneta.encoders.registry import load_encoder
from luneta.rerank import Reranker, Reranking, evaluate_reranked

N_PICTURES = 300
"""All of the test split would take minutes: every candidate of every text is looked at again."""


def rerank_sketches(limit: int | None) -> Reranking:
    """Measure the encoder alone and re-ranked on sketches of the test split, on `limit` pictures at most."""
    data = open_dataset("cenas/sketch:test", language="en", limit=min(N_PICTURES, limit or N_PICTURES))
    reranker = Reranker.load(ENCODERS[0], load_encoder(ENCODERS[0], dtype="float32"))
    return evaluate_reranked(reranker, data, cache=False)
