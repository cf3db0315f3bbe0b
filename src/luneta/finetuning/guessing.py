"""What the loss is of a model that knows nothing, to which all pictures and all texts look alike.

Counted from what a batch holds and not by the loss itself: it tells when the loss is wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from luneta.data.dataset import Indexes
from luneta.finetuning.objective import MARGIN_WEIGHT, Objective
from luneta.losses import Relations


@dataclass(frozen=True, slots=True)
class Guesses:
    """Levels at which a loss stands while nothing is learnt.

    Attributes:
        least: the lowest that one score for everything gives.
        even: that of a sigmoid model which gives every pair even odds, divided by the number of pairs and not of rows;
            None for softmax.
    """

    least: float
    even: float | None = None


def guesses(objective: Objective, relations: Relations, n_negatives: int = 0) -> Guesses:
    """Of a batch.

    Softmax: a row with c columns that count gives ln c in either direction, however many of them are right; negative
    texts are further columns from image to text. Sigmoid: of all pairs that count a share p is right; what is left is
    its entropy, for each pair. With everything alike the hardest negative scores as the right answer does, so that its
    term is the whole margin, in both directions.

    Args:
        objective: the loss.
        relations: of the n rows.
        n_negatives: texts that describe none of the pictures.
    """
    n = len(relations)
    texts, images, groups = (ids.cpu().numpy() for ids in (relations.texts, relations.images, relations.groups))
    weights = np.ones(n) if relations.weights is None else relations.weights.double().cpu().numpy()
    positives = _alike(texts) + _alike(images) - _alike(texts, images)
    ignored = _alike(groups) - _alike(groups, texts) - _alike(groups, images) + _alike(groups, texts, images)
    negatives = n - positives - ignored
    margin = 0.0
    if objective.margin is not None:
        margin = 2 * MARGIN_WEIGHT * objective.margin * float((negatives > 0).mean())
    if not objective.sigmoid:
        columns = positives + negatives
        rows = (np.log(columns + n_negatives) + np.log(columns)) / 2
        return Guesses(float((weights * rows).sum() / max(weights.sum(), 1e-9)) + margin)
    right, wrong = float((weights * positives).sum()), float((negatives + n_negatives).sum())
    entropy = sum(part * math.log((right + wrong) / part) for part in (right, wrong) if part)
    return Guesses(entropy / n + margin, (right + wrong) * math.log(2) / n**2 + margin)


def _alike(*ids: Indexes) -> Indexes:
    """(n,) how many rows have the same of all these (n,) numbers, each row itself included."""
    joined = np.zeros_like(ids[0])
    for one in ids:
        _, joined = np.unique(joined * len(one) + np.unique(one, return_inverse=True)[1], return_inverse=True)
    alike: Indexes = np.bincount(joined)[joined]
    return alike
