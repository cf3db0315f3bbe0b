"""What a step holds: texts, each with a right picture, pictures taken for it, and pictures at random."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from luneta.data.dataset import ImageTextDataset
from luneta.data.relevance import merged_pairs
from luneta.errors import DatasetError
from luneta.finetuning.negatives import Miner
from luneta.rerank.lists import ListPlan
from luneta.rerank.neighbourhoods import neighbourhoods
from luneta.rerank.recipe import ElipRecipe
from luneta.types import Vectors
from worlds import ConceptEncoder, world


def vectors(data: ImageTextDataset, noise: float = 1.5) -> tuple[Vectors, Vectors]:
    encoder = ConceptEncoder(noise=noise)
    return encoder.encode_images([ref.open() for ref in data.images]), encoder.encode_texts(list(data.texts))


def plan(data: ImageTextDataset, groups: list[int] | None = None, **recipe: object) -> ListPlan:
    how = ElipRecipe(**{"queries": 6, "hard": 3, "random": 2, "pool": 8, "suspicious": 1, **recipe})  # type: ignore[arg-type]
    numbers = np.arange(data.n_images) if groups is None else np.array(groups)
    hard = Miner(n=how.pool, suspicious=how.suspicious).of_texts(data, *vectors(data), numbers)
    return ListPlan(data, merged_pairs(data), numbers, hard, how)


def test_the_first_of_a_list_is_right_and_the_mined_are_not() -> None:
    data = world(20, captions_per_image=2)
    lists = plan(data).lists(0)
    assert lists.images.shape == lists.positive.shape == lists.ignored.shape == (6, 6)
    for text, images, positive, ignored in zip(lists.texts, lists.images, lists.positive, lists.ignored, strict=True):
        assert images[0] in data.images_of(int(text))
        assert positive[0]
        assert not positive[1:4].any()  # mined
        assert (positive == np.isin(images, data.images_of(int(text)))).all()
        repeated = np.array([image in images[:column] for column, image in enumerate(images)])
        assert (ignored == repeated).all()


def test_the_same_step_is_the_same_again_and_every_text_is_shown() -> None:
    data = world(18)
    one, other = plan(data), plan(data)
    for step in (0, 2, 7):
        for name in ("texts", "images", "positive", "ignored"):
            np.testing.assert_array_equal(getattr(one.lists(step), name), getattr(other.lists(step), name))
    assert one.steps_per_epoch == 3
    shown = np.concatenate([one.lists(step).texts for step in range(3)])
    assert sorted(shown.tolist()) == list(range(18))
    assert one.lists(0).texts.tolist() != one.lists(3).texts.tolist()  # another epoch, another order
    assert plan(data, seed=1).lists(0).texts.tolist() != one.lists(0).texts.tolist()


def test_equal_captions_are_right_for_one_anothers_pictures() -> None:
    data = world(12, equal_captions=[[0, 1, 2]])
    lists = plan(data, groups=[0, 0, 0, *range(1, 10)], queries=12, random=30).lists(0)
    row = int(np.flatnonzero(lists.texts == 0)[0])
    right = np.isin(lists.images[row], [0, 1, 2])
    assert right.sum() > 1
    assert (lists.positive[row] == right).all()


def test_another_picture_of_the_same_thing_is_neither_right_nor_wrong() -> None:
    data = world(12)
    lists = plan(data, groups=[0, 0, *range(1, 11)], queries=12, random=30).lists(0)
    row = int(np.flatnonzero(lists.texts == 0)[0])
    twin = lists.images[row] == 1
    assert twin.any()
    assert lists.ignored[row, twin].all()
    assert not lists.positive[row, twin].any()


def test_the_likeliest_are_drawn_more_often_and_none_twice() -> None:
    data = world(40)
    made = plan(data, queries=40, hard=3, pool=20)
    place: list[int] = []
    for step in range(60):
        lists = made.lists(step)
        for text, images in zip(lists.texts, lists.images[:, 1:4], strict=True):
            pool = made.hard[text].tolist()
            assert len(set(images.tolist())) == 3
            place += [pool.index(image) for image in images.tolist()]
    counts = np.bincount(place, minlength=20)
    assert counts[0] > 2 * counts[4] > 4 * counts[15]
    assert (counts > 0).all()  # none is left out for good


def test_fewer_mistakes_than_asked_for_are_filled_up_at_random() -> None:
    data = world(5)
    lists = plan(data, hard=8, pool=100).lists(0)
    assert lists.images.shape == (5, 11)
    assert lists.images.min() >= 0
    for images in plan(data, hard=3, random=0, pool=100).lists(0).images:
        assert len(set(images.tolist())) == 4  # there are four mistakes to make: none is passed over for a gap


def test_one_thing_is_nothing_to_tell_apart() -> None:
    with pytest.raises(DatasetError, match="nothing to tell apart"):
        plan(world(4), groups=[0, 0, 0, 0])


@pytest.mark.parametrize("batches", ["lists", "global"])
def test_a_group_that_holds_nearly_all_leaves_the_others_to_be_told_apart(batches: str) -> None:
    made = plan(world(20), groups=[0] * 18 + [1, 2], batches=batches)
    wrong = set()
    for step in range(2 * made.steps_per_epoch):
        lists = made.lists(step)
        assert lists.images.min() >= 0
        counted = ~lists.ignored & ~lists.positive
        assert (counted <= (made.groups[lists.images] != made.groups[lists.images[:, :1]])).all()
        wrong |= set(lists.images[counted].tolist())
    assert {18, 19} <= wrong


def test_mined_images_are_the_wrong_ones_in_the_order_of_their_scores() -> None:
    data = world(15, captions_per_image=2)
    images, texts = vectors(data)
    found = Miner(n=5, suspicious=0).of_texts(data, images, texts, np.arange(15))
    scores = texts @ images.T
    for text in range(data.n_texts):
        scores[text, data.images_of(text)] = -9
        np.testing.assert_array_equal(found[text], np.argsort(-scores[text])[:5])


def test_the_first_that_beat_the_right_answer_are_left_out() -> None:
    data = world(15)
    images, texts = vectors(data, noise=3.0)
    every, some = (Miner(n=5, suspicious=n).of_texts(data, images, texts, np.arange(15)) for n in (0, 2))
    own = np.einsum("ij,ij->i", texts, images)
    for text in range(15):
        ahead = int((texts[text] @ images[every[text]].T > own[text]).sum())
        np.testing.assert_array_equal(some[text][: 5 - min(2, ahead)], every[text][min(2, ahead) :])


def test_global_batches_hold_every_text_against_the_right_pictures_of_all() -> None:
    data = world(24, captions_per_image=2)
    made = plan(data, batches="global")
    shown = []
    for step in range(made.steps_per_epoch):
        lists = made.lists(step)
        right = lists.images[:, 0]
        assert all(image in data.images_of(int(text)) for text, image in zip(lists.texts, right, strict=True))
        assert [sorted(row.tolist()) for row in lists.images] == [sorted(right.tolist())] * 6
        assert lists.positive[:, 0].all()
        assert not lists.ignored[:, 0].any()
        assert (lists.positive == (lists.texts[:, None] // 2 == lists.images)).all()
        shown += lists.texts.tolist()
    assert sorted(shown) == list(range(48))


@pytest.mark.parametrize("per_image", [1, 3])
def test_texts_that_are_taken_for_one_another_are_in_one_group(per_image: int) -> None:
    """Ten families of six pictures, each taken for the others of its family only: every group is a family."""
    family = np.random.default_rng(3).permutation(60).reshape(10, 6)
    taken_for = np.full((60, 8), -1, dtype=np.int64)
    for members in family:
        for image in members:
            taken_for[image, 2:7] = members[members != image]  # what the miner leaves out is -1, wherever
    texts = np.arange(60 * per_image)
    pairs = np.stack([texts, texts // per_image], axis=1)
    rng = np.random.default_rng(0)
    order = neighbourhoods(rng.permutation(texts), 6, taken_for[texts // per_image], pairs, np.arange(60), rng)
    assert sorted(order.tolist()) == texts.tolist()
    families = {tuple(sorted(members.tolist())) for members in family}
    groups = [tuple(sorted((group // per_image).tolist())) for group in order.reshape(-1, 6)]
    assert set(groups) == families  # no picture twice in a group either
    assert len(groups) == 10 * per_image


def test_neighbours_of_neighbours_join_and_the_likeliest_first() -> None:
    chain = np.array([[5, 1], [2, 6], [3, -1], [4, -1], [0, -1], [6, -1], [7, -1], [5, -1]])
    pairs = np.stack([np.arange(8), np.arange(8)], axis=1)
    rng = np.random.default_rng(0)
    order = neighbourhoods(np.arange(8), 4, chain, pairs, np.arange(8), rng)
    assert {tuple(group) for group in order.reshape(2, 4).tolist()} == {(0, 5, 1, 6), (2, 3, 4, 7)}
    order = neighbourhoods(np.arange(8), 2, chain, pairs, np.arange(8), rng)
    assert {tuple(group) for group in order.reshape(4, 2).tolist()} == {(0, 5), (1, 2), (3, 4), (6, 7)}


def test_a_global_batch_holds_nothing_wrong_that_may_be_right() -> None:
    data = world(12, equal_captions=[[3, 7]])
    groups = [0, 0, *range(1, 11)]
    made = plan(data, groups=groups, batches="global", queries=12)
    lists = made.lists(0)
    where = {int(text): row for row, text in enumerate(lists.texts)}
    for text, image, right in ((0, 1, False), (1, 0, False), (3, 7, True), (7, 3, True)):
        at = lists.images[where[text]] == image
        assert (lists.positive[where[text], at] == right).all()
        if not right:
            assert lists.ignored[where[text], at].tolist() == [True]
    again = np.array([[image in row[:n] for n, image in enumerate(row)] for row in lists.images.tolist()])
    assert int((lists.ignored & ~again).sum()) == 2  # nothing else is passed over
    near = ImageTextDataset(
        "near", data.images, ["a red boat lies on the beach", "a red boat lies on the old beach", *data.texts[2:]],
        data.pairs, data.rows, data.image_rows, data.text_rows,
    )  # fmt: skip
    told = plan(near, batches="global", queries=12).lists(0)
    row = int(np.flatnonzero(told.texts == 0)[0])
    assert told.ignored[row, told.images[row] == 1].all()


def test_global_batches_are_the_same_again_wherever_one_begins() -> None:
    data = world(40, captions_per_image=2)
    one, other = plan(data, batches="global"), plan(data, batches="global")
    steps = [one.lists(step) for step in range(30)]
    for step in (29, 14, 3, 13):  # of several epochs, back and forth
        for name in ("texts", "images", "positive", "ignored"):
            np.testing.assert_array_equal(getattr(steps[step], name), getattr(other.lists(step), name))
    assert not np.array_equal(steps[0].texts, steps[13].texts)


def test_captions_of_one_picture_are_in_different_groups_while_there_are_others() -> None:
    data = world(40, captions_per_image=5)
    made = plan(data, batches="global", queries=8)
    alone = [len(set((made.lists(step).texts // 5).tolist())) for step in range(made.steps_per_epoch)]
    assert np.mean(np.array(alone) == 8) > 0.8


def test_drawn_by_similarity_it_is_the_softmax_of_what_the_encoder_says() -> None:
    """One of a pool of five, six thousand times."""
    data = world(30)
    by_rank = plan(data, hard=1, random=0, pool=5)
    scaled = np.tile(np.float32([2.0, 1.5, 0.0, -1.0, 1.0]), (30, 1))
    drawn = dataclasses.replace(by_rank, similarity=scaled)
    counts = np.zeros(5)
    for seed in range(200):
        texts = np.arange(30)
        chosen = drawn._hard(texts, np.random.default_rng(seed))
        counts += (drawn.hard == chosen).sum(axis=0)
    shares = np.exp(scaled[0]) / np.exp(scaled[0]).sum()
    np.testing.assert_allclose(counts / counts.sum(), shares, atol=0.025)


def test_mined_in_parts_is_mined_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = world(15, captions_per_image=2)
    whole = Miner(n=5).of_texts(data, *vectors(data), np.arange(15))
    monkeypatch.setattr("luneta.finetuning.negatives.AT_ONCE", 7)
    np.testing.assert_array_equal(Miner(n=5).of_texts(data, *vectors(data), np.arange(15)), whole)
