"""Near-duplicates and variety, against the plain definitions."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from luneta.search.variety import collapsed, varied


def answers(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.sort(rng.random(n).astype(np.float32))[::-1], vectors


@given(st.integers(1, 30), st.integers(0, 10**6), st.floats(0.3, 1))
def test_each_answer_stands_for_itself_or_for_one_that_is_near_and_before_it(n: int, seed: int, limit: float) -> None:
    _, vectors = answers(n, seed)
    kept, others = collapsed(vectors, limit)
    assert kept[0] == 0
    assert sorted([*kept.tolist(), *(place for rest in others for place in rest)]) == list(range(n))
    cosines = vectors @ vectors.T
    assert all(cosines[a, b] < limit + 1e-6 for i, a in enumerate(kept) for b in kept[:i])
    for place, rest in zip(kept, others, strict=True):
        assert all(cosines[place, other] >= limit - 1e-6 and other > place for other in rest)


@given(st.integers(1, 25), st.integers(0, 10**6), st.floats(0, 1), st.integers(1, 25))
def test_maximal_marginal_relevance_by_its_definition(n: int, seed: int, diversity: float, k: int) -> None:
    scores, vectors = answers(n, seed)
    chosen: list[int] = []
    for _ in range(min(k, n)):
        left = [place for place in range(n) if place not in chosen]
        near = {p: max((float(vectors[p] @ vectors[c]) for c in chosen), default=0.0) for p in left}
        chosen.append(max(left, key=lambda p: ((1 - diversity) * float(scores[p]) - diversity * near[p], -p)))
    found = varied(scores, vectors, k, diversity).tolist()
    worth = [(1 - diversity) * float(scores[p]) for p in found]
    assert found == chosen or np.allclose(  # two answers within rounding of one another may change places
        worth, [(1 - diversity) * float(scores[p]) for p in chosen], atol=1e-5
    )


def test_without_diversity_it_is_the_order_by_score() -> None:
    scores, vectors = answers(20, 1)
    assert varied(scores, vectors, 8, 0.0).tolist() == list(range(8))
