"""Hard negatives on vectors whose mistakes are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from numpy.typing import NDArray

from luneta.data.dataset import ImageTextDataset
from luneta.finetuning.batches import deal_related
from luneta.finetuning.material import features
from luneta.finetuning.negatives import HardNegatives, Miner
from tuning import opened, pairs, training
from worlds import Pixel

WORDS = ["anchor", "barn", "cedar", "drum", "eagle", "fern", "goat", "harp", "igloo", "jar", "kite", "lamp"]


def circle(degrees: list[float]) -> NDArray[np.float32]:
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def world(captions: list[str]) -> ImageTextDataset:
    n = len(captions)
    pictures = [Pixel(index) for index in range(n)]
    rows = np.arange(n)
    return ImageTextDataset(
        "circle", pictures, captions, np.stack([rows, rows], axis=1), pa.table({"row": rows}), rows, rows
    )


def mined(
    degrees: list[float], captions: list[str] | None = None, groups: list[int] | None = None, **how: float
) -> list[list[int]]:
    """Images on a circle, every text where its picture is."""
    n = len(degrees)
    data = world(captions or [f"{WORDS[i]} alone" for i in range(n)])
    vectors = circle(degrees)
    found = Miner(**{"n": 3, "suspicious": 0, **how}).mine(  # type: ignore[arg-type]
        data, vectors, vectors, np.array(groups if groups is not None else range(n))
    )
    return [[image for image in row if image >= 0] for row in found.tolist()]


def test_the_nearest_others_come_first() -> None:
    found = mined([0, 10, 30, 90, 180])
    assert found[0] == [1, 2, 3]
    assert found[4] == [3, 2, 1]


def test_no_image_is_its_own_negative_nor_one_of_its_group() -> None:
    found = mined([0, 1, 2, 40, 90], groups=[0, 0, 0, 1, 2])
    assert found[0] == [3, 4]
    assert all(image not in row for image, row in enumerate(found))


def test_nearly_equal_captions_are_no_negatives() -> None:
    captions = ["a red boat on the sea", "red boat on the sea, a", "a goat", "a harp"]
    assert mined([0, 5, 10, 15], captions)[0] == [2, 3]
    assert mined([0, 5, 10, 15], captions, overlap=1.1)[0] == [1, 2, 3]


def test_what_beats_the_right_answer_is_suspicious() -> None:
    """Text 0 lies on picture 1: that is likely a right answer; with no suspicion it is the hardest negative."""
    data = world([f"{word} alone" for word in WORDS[:4]])
    images = circle([0, 20, 40, 90])
    texts = circle([20, 24, 40, 90])
    groups = np.arange(4)
    trusting = Miner(n=2, suspicious=0).mine(data, images, texts, groups)
    doubting = Miner(n=2, suspicious=1).mine(data, images, texts, groups)
    assert trusting[0, 0] == 1
    assert doubting[0, 0] == 2


def test_all_captions_of_a_doubted_picture_are_left_out() -> None:
    """Picture 1 has three captions that beat the right answer of picture 0: it is one suspicion, not three."""
    data = ImageTextDataset(
        "circle", [Pixel(i) for i in range(3)], ["one alone", "two here", "three there", "four now", "five far"],
        np.array([[0, 0], [1, 1], [2, 1], [3, 1], [4, 2]]), pa.table({"row": np.arange(5)}), np.arange(3), np.arange(5),
    )  # fmt: skip
    images, texts = circle([0, 120, 70]), circle([30, 1, 2, 3, 90])
    found = Miner(n=2, suspicious=1).mine(data, images, texts, np.arange(3))
    assert [int(i) for i in found[0]] == [2, 1]  # by text 0 alone, and last


def test_both_directions_count() -> None:
    """No text of picture 0 comes near picture 3, but picture 0 comes near text 3."""
    data = world([f"{word} alone" for word in WORDS[:4]])
    images = circle([0, 60, 100, 140])
    texts = circle([0, 60, 100, 4])
    found = Miner(n=1, suspicious=0).mine(data, images, texts, np.arange(4))
    assert found[0, 0] == 3


def test_against_brute_force() -> None:
    rng = np.random.default_rng(0)
    n = 12
    data = world([f"{word} alone" for word in WORDS])
    images, texts = (
        v / np.linalg.norm(v, axis=1, keepdims=True) for v in rng.standard_normal((2, n, 5)).astype(np.float32)
    )
    groups = rng.integers(0, 8, n)
    found = Miner(n=n, suspicious=0).mine(data, images, texts, groups)
    own = (images * texts).sum(axis=1)
    scores = texts @ images.T
    for image in range(n):
        lead = np.maximum(scores[image] - own[image], scores[:, image] - own[image])
        allowed = [other for other in range(n) if groups[other] != groups[image]]
        expected = sorted(allowed, key=lambda other: (-lead[other], other))
        assert [int(i) for i in found[image] if i >= 0] == expected


@pytest.mark.parametrize("n", [1, 2])
def test_tiny_data_sets(n: int) -> None:
    data = world([f"{word} alone" for word in WORDS[:n]])
    vectors = circle([0, 90][:n])
    found = Miner(n=4).mine(replace(data), vectors, vectors, np.arange(n))
    assert found.shape == (n, 4)
    assert (found[:, n - 1 :] == -1).all()


def test_what_was_mined_is_kept_and_mined_anew_when_asked(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    """By the encoder as it is at that time; the text tower alone changes in between."""
    ours, data = opened(tiny_checkpoint("clip")), pairs(12)
    groups = np.arange(12)
    kept = {"image": features(ours, data, "image")}
    once = HardNegatives(ours, data, groups, kept, tmp_path / "once")
    anew = HardNegatives(ours, data, groups, kept, tmp_path / "anew", refresh=2)
    first = once(0)
    encoder = ours.encoder()
    images = encoder.encode_images([ref.open() for ref in data.images])
    expected = Miner().mine(data, images, encoder.encode_texts(list(data.texts)), groups)
    np.testing.assert_array_equal(first, expected)
    np.testing.assert_array_equal(anew(1), first)
    with torch.no_grad():
        ours.model.text_projection.weight.copy_(torch.randn_like(ours.model.text_projection.weight))
    np.testing.assert_array_equal(once(7), first)
    np.testing.assert_array_equal(anew(1), first)
    later = anew(2)
    assert not np.array_equal(later, first)
    np.testing.assert_array_equal(HardNegatives(ours, data, groups, kept, tmp_path / "fresh")(0), later)


def test_a_training_has_batches_of_what_it_mistakes(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    ours, data = opened(tiny_checkpoint("clip")), pairs(12)
    hard = training(ours, data, tmp_path / "training", batch_size=4, steps=3, hard_negatives=True)
    with hard.prepared() as (trainer, _, _):
        batches = [{pair.image for pair in batch} for batch in trainer.plan]
    mined = np.load(tmp_path / "training" / "negatives-0.npy")
    rng = np.random.default_rng([0, 0])
    expected = [set(batch.tolist()) for batch in deal_related(np.arange(12), mined, 4, rng)]
    assert batches == expected
