"""A re-ranker at work: texts, and the pictures of a data set that answer them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from luneta.data.dataset import ImageTextDataset
from luneta.errors import ConfigError
from luneta.evaluation import embed_cached
from luneta.ranking import top_k
from luneta.rerank.reranker import Reranker


@dataclass(frozen=True, slots=True)
class Hit:
    """A picture that answers a text.

    Attributes:
        rank: from 1.
        image: its index in the data set.
        label: what a person would call it.
        score: that it was ordered by; behind those that were looked at again the encoder's own, which may be higher.
        rank_before: by the encoder alone.
    """

    rank: int
    image: int
    label: str
    score: float
    rank_before: int


def answer(
    reranker: Reranker, dataset: ImageTextDataset, texts: Sequence[str], *, top: int = 10, max_bad_share: float = 0.01
) -> list[list[Hit]]:
    """The first pictures for each text, re-ranked.

    Args:
        reranker: what `train_elip` gives or `Reranker.load` reads.
        dataset: whose pictures are searched; their vectors are kept between runs.
        texts: what to search for.
        top: how many pictures; fewer where there are fewer.
        max_bad_share: above this share of undecodable images the run stops.

    Raises:
        ConfigError: `top` below 1, or an empty text.
        DatasetError: too many images cannot be decoded.
    """
    if top < 1:
        raise ConfigError(f"top is {top}, expected how many pictures to show: at least 1")
    if not all(text.strip("\0 \t\r\n") for text in texts):
        raise ConfigError("a query is empty: say what to look for")
    if not len(texts):
        return []
    embeddings = embed_cached(reranker.encoder, dataset, max_bad_share=max_bad_share)
    data, queries = embeddings.dataset, reranker.encoder.encode_texts(list(texts))
    depth = max(top, reranker.fusion.k) if reranker.fusion.changes else top
    scores, found = top_k(queries, embeddings.images, min(depth, data.n_images))
    items, fused = reranker.rerank(list(texts), data.images, found, scores)
    return [
        [
            Hit(
                rank + 1,
                int(item),
                data.images[int(item)].label,
                float(score),
                int(np.flatnonzero(before == item)[0]) + 1,
            )
            for rank, (item, score) in enumerate(zip(new[:top], value[:top], strict=True))
        ]
        for before, new, value in zip(found, items, fused, strict=True)
    ]
