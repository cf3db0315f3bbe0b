"""Batches: like cards dealt, with no group twice in a hand unless it has more cards than there are hands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luneta.errors import DatasetError
from luneta.finetuning.batches import BatchPlan, deal, deal_related, hands
from tuning import pairs

GROUPS = st.lists(st.integers(0, 12), min_size=2, max_size=60).map(np.array)


@given(groups=GROUPS, size=st.integers(2, 20), seed=st.integers(0, 3))
@settings(max_examples=150)
def test_dealt_batches(groups: np.ndarray, size: int, seed: int) -> None:
    batches = deal(groups, size, np.random.default_rng(seed))
    again = deal(groups, size, np.random.default_rng(seed))
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))
    assert len({len(batch) for batch in batches}) == 1
    assert 2 <= len(batches[0]) <= size
    dealt = np.concatenate(batches)
    assert len(np.unique(dealt)) == len(dealt)
    left_out = len(groups) - len(dealt)
    assert left_out < len(batches) or left_out == len(groups) % 2 == 1
    sizes = np.bincount(groups)
    for batch in batches:
        for group in np.flatnonzero(sizes):
            if sizes[group] <= len(batches):
                assert (groups[batch] == group).sum() <= 1


@given(groups=GROUPS, size=st.integers(2, 20), seed=st.integers(0, 3), k=st.integers(0, 5))
@settings(max_examples=150)
def test_related_batches(groups: np.ndarray, size: int, seed: int, k: int) -> None:
    n = len(groups)
    neighbours = np.random.default_rng(seed + 9).integers(-1, n, (n, k))
    batches = deal_related(groups, neighbours, size, np.random.default_rng(seed))
    again = deal_related(groups, neighbours, size, np.random.default_rng(seed))
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))
    n_batches, each = hands(n, size)
    assert [len(batch) for batch in batches] == [each] * n_batches
    dealt = np.concatenate(batches)
    assert len(np.unique(dealt)) == len(dealt)


def test_related_images_meet_and_no_group_twice_while_there_is_a_choice() -> None:
    n = 240
    things = np.arange(n) // 4  # four that are mistaken for one another
    neighbours = np.array([[j for j in range(4 * (i // 4), 4 * (i // 4) + 4) if j != i] for i in range(n)])
    groups = np.arange(n)
    groups[1::40] = groups[0::40]  # and six pairs of copies among them
    batches = deal_related(groups, neighbours, 16, np.random.default_rng(0))
    together = sum(len(batch) - len(np.unique(things[batch])) for batch in batches)
    by_chance = sum(len(batch) - len(np.unique(things[batch])) for batch in deal(groups, 16, np.random.default_rng(0)))
    assert together > 150 > 5 * by_chance
    assert all(len(np.unique(groups[batch])) == len(batch) for batch in batches)


def test_related_batches_take_what_is_left_of_a_giant_group() -> None:
    """Half of 20 000 images are one group: batches of it alone come last, and none is looked at too often."""
    n = 20_000
    rng = np.random.default_rng(0)
    groups = np.where(np.arange(n) < n // 2, 0, np.arange(n))
    neighbours = rng.integers(0, n, (n, 10))
    batches = deal_related(groups, neighbours, 64, rng)
    assert sum(map(len, batches)) == n // 313 * 313
    clean = sum((groups[batch] == 0).sum() <= 1 for batch in batches)
    assert clean > len(batches) / 3


def test_an_epoch_shows_every_image_once_with_captions_drawn_anew() -> None:
    data = pairs(12, per_image=3)
    plan = BatchPlan(data, np.arange(12), 4, seed=1)
    assert (len(plan), plan.batch_size) == (3, 4)
    first, again = ([pair for batch in plan for pair in batch] for _ in range(2))
    plan.set_epoch(1)
    second = [pair for batch in plan for pair in batch]
    assert first == again != second
    assert sorted(pair.image for pair in second) == list(range(12))
    assert all(pair.text in data.texts_of(pair.image) for pair in first + second)
    assert {pair.text for pair in first} != {pair.text for pair in second}
    assert {pair.epoch for pair in second} == {1}


def test_processes_share_every_batch() -> None:
    data = pairs(13)
    whole = BatchPlan(data, np.arange(13), 6, seed=2)
    halves = [BatchPlan(data, np.arange(13), 6, seed=2, process=i, n_processes=2) for i in range(2)]
    assert [part.batch_size for part in halves] == [2, 2]  # 13 images are three batches of four
    for batch, first, second in zip(whole, *halves, strict=True):
        assert first + second == batch
    with pytest.raises(DatasetError, match="cannot be shared by 5 processes"):
        BatchPlan(data, np.arange(13), 4, n_processes=5)


def test_one_group_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"all 6 images are one group.*nothing to tell apart"):
        BatchPlan(pairs(6), np.zeros(6, dtype=int), 4)


@pytest.mark.parametrize(
    ("n", "at_most", "expected"), [(2, 64, (1, 2)), (3, 2, (1, 2)), (65, 64, (2, 32)), (5, 2, (2, 2))]
)
def test_hands(n: int, at_most: int, expected: tuple[int, int]) -> None:
    assert hands(n, at_most) == expected
