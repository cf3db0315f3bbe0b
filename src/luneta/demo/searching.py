"""Example searches of the demo: captions of pictures drawn at random, in both languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from luneta.demo.rounds import Measured
from luneta.ranking import top_k

N_SEARCHES = 4
N_RETRIEVED = 5


@dataclass(frozen=True)
class Found:
    """What a search by the first caption of a picture found.

    Attributes:
        result: the round it was made in.
        image, text: the picture and its caption, by their indexes.
        rank: of the best right picture, from 1.
        items, scores: the pictures that come first, and their scores.
        relevant: the right pictures.
    """

    result: Measured
    image: int
    text: int
    rank: int
    items: Sequence[int]
    scores: Sequence[float]
    relevant: frozenset[int]


def find_examples(english: Measured, portuguese: Measured) -> list[Found]:
    """The same pictures asked for in both languages."""
    data = english.embeddings.dataset
    chosen = np.random.default_rng(0).choice(data.n_images, size=min(N_SEARCHES, data.n_images), replace=False)
    return [_search(result, int(image)) for image in chosen for result in (english, portuguese)]


def _search(result: Measured, image: int) -> Found:
    data, vectors = result.embeddings.dataset, result.embeddings
    text = int(data.texts_of(image)[0])
    ranking = result.evaluations[0].rankings["text_to_image"]
    mine = slice(ranking.offsets[text], ranking.offsets[text + 1])
    scores, items = top_k(vectors.texts[text : text + 1], vectors.images, min(N_RETRIEVED, data.n_images))
    relevant = frozenset(ranking.positives[mine].tolist())
    rank = int(ranking.n_better[mine].min()) + 1
    return Found(result, image, text, rank, items[0].tolist(), scores[0].tolist(), relevant)
