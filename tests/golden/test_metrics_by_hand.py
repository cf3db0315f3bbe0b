"""A task small enough to work out on paper: four texts, four images, five pairs, with ties.

Scores of the texts (rows) and images (columns); what belongs together is in brackets:

              i0    i1    i2    i3
        t0   [3]    1     2     0
        t1    2    [2]    2     1
        t2    0     3    [1]   [1]
        t3    1     0     0    [1]

The images are the unit vectors of the axes, so that the texts' coordinates are the scores. Every number below was
derived by hand, as its comment says.
"""

from __future__ import annotations

from fractions import Fraction
from math import log2

import numpy as np
import pytest

from luneta import metrics
from luneta.ranking import Ranking, rank_both
from luneta.types import Direction

TEXTS = np.array([[3, 1, 2, 0], [2, 2, 2, 1], [0, 3, 1, 1], [1, 0, 0, 1]], dtype=np.float32)
PAIRS = np.array([[0, 0], [1, 1], [2, 2], [2, 3], [3, 3]])
THIRD = 1 / log2(3)  # discount of the second position

# per query; t1 is at position 1, 2 or 3, t2's images share positions 2 and 3, t3 is at 1 or 2
TEXT_TO_IMAGE = {
    "recall@1": [1, Fraction(1, 3), 0, Fraction(1, 2)],
    "recall@5": [1, 1, 1, 1],
    "mrr": [1, Fraction(11, 18), Fraction(1, 2), Fraction(3, 4)],  # t1: (1 + 1/2 + 1/3) / 3; t3: (1 + 1/2) / 2
    "best_rank": [1, 2, 2, Fraction(3, 2)],
    "ndcg@5": [1, (1 + THIRD + 1 / 2) / 3, (THIRD + 1 / 2) / (1 + THIRD), (1 + THIRD) / 2],
    "map@10": [1, Fraction(11, 18), Fraction(7, 12), Fraction(3, 4)],  # t2: (1/2 + 2/3) / 2
    "positive_similarity": [3, 2, 1, 1],
}
# i1 is at 2, i2 at 3; two of the three texts tied for i3 are relevant: orders RRN, RNR, NRR
IMAGE_TO_TEXT = {
    "recall@1": [1, 0, 0, Fraction(2, 3)],
    "recall@5": [1, 1, 1, 1],
    "mrr": [1, Fraction(1, 2), Fraction(1, 3), Fraction(5, 6)],  # i3: (1 + 1 + 1/2) / 3
    "best_rank": [1, 2, 3, Fraction(4, 3)],
    "ndcg@5": [1, THIRD, 1 / 2, ((1 + THIRD) + (1 + 1 / 2) + (THIRD + 1 / 2)) / 3 / (1 + THIRD)],
    "map@10": [1, Fraction(1, 2), Fraction(1, 3), Fraction(29, 36)],  # i3: (1 + 5/6 + 7/12) / 3
    "positive_similarity": [3, 2, 1, 1],
}


@pytest.fixture(scope="module")
def rankings() -> dict[Direction, Ranking]:
    return rank_both(TEXTS, np.eye(4, dtype=np.float32), PAIRS)


@pytest.mark.parametrize(
    ("direction", "expected"), [("text_to_image", TEXT_TO_IMAGE), ("image_to_text", IMAGE_TO_TEXT)]
)
def test_metrics(direction: Direction, expected: dict[str, list[float]], rankings: dict[Direction, Ranking]) -> None:
    found = metrics.compute(rankings[direction])
    for name, values in expected.items():
        assert found[name] == pytest.approx([float(value) for value in values], rel=1e-14), name


def test_ranks(rankings: dict[Direction, Ranking]) -> None:
    there, back = rankings["text_to_image"], rankings["image_to_text"]
    assert there.offsets.tolist() == [0, 1, 2, 4, 5]
    assert there.positives.tolist() == [0, 1, 2, 3, 3]
    assert there.n_better.tolist() == [0, 0, 1, 1, 0]
    assert there.n_tied.tolist() == [1, 3, 2, 2, 2]
    assert there.top_score.tolist() == [3, 2, 3, 1]
    assert back.offsets.tolist() == [0, 1, 2, 3, 5]
    assert back.positives.tolist() == [0, 1, 2, 2, 3]
    assert back.n_better.tolist() == [0, 1, 2, 0, 0]
    assert back.n_tied.tolist() == [1, 1, 1, 3, 3]
    # all scores add up to 20, those of the five pairs to 8
    assert there.mean_negative_similarity == back.mean_negative_similarity == pytest.approx(12 / 11)


def test_set_recall(rankings: dict[Direction, Ranking]) -> None:
    assert metrics.set_recall_at(rankings["text_to_image"], 2).tolist() == pytest.approx([1, 2 / 3, 1 / 2, 1])
    assert metrics.set_recall_at(rankings["image_to_text"], 1).tolist() == pytest.approx([1, 0, 0, 1 / 3])


def test_recall_in_a_gallery_of_three(rankings: dict[Direction, Ranking]) -> None:
    """The best positive and two of the irrelevant images.

    t0: nothing is better. t1: i0 and i2 are equal to it, i3 is worse; the draws {i0, i2}, {i0, i3}, {i2, i3} give 1/3,
    1/2, 1/2. t2: i0 and i1 are all there is, and i1 is better. t3: i0 is equal and in two of three draws: 1/2, 1/2, 1.
    """
    found = metrics.normalized_recall_at(rankings["text_to_image"], 1, gallery_size=3)
    assert found is not None
    assert found.tolist() == pytest.approx([1, 4 / 9, 0, 2 / 3])


def test_chance(rankings: dict[Direction, Ranking]) -> None:
    by_chance = metrics.compute(metrics.chance(rankings["text_to_image"]))
    assert by_chance["recall@1"].tolist() == pytest.approx([1 / 4, 1 / 4, 1 / 2, 1 / 4])
    assert by_chance["best_rank"].tolist() == pytest.approx([5 / 2, 5 / 2, 5 / 3, 5 / 2])
