"""What the towers get in training is what the encoder's own path makes of pictures and captions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from luneta.data.relevance import caption_key
from luneta.finetuning import material as module
from luneta.finetuning.augmentation import Augmentation
from luneta.finetuning.batches import Pair
from luneta.finetuning.material import Batch, Material, features
from luneta.finetuning.trainer import TOWERS, Student
from luneta.finetuning.validation import Validation
from luneta.types import Trainable
from paintings import gallery
from tuning import opened, pairs

DATA = pairs(6, per_image=2)
BATCH = [Pair(4, 9, 0), Pair(1, 2, 0), Pair(5, 10, 0)]


@pytest.fixture(scope="module", params=["clip", "siglip", "siglip2-naflex", "chinese_clip"])
def trainable(request: pytest.FixtureRequest, tiny_checkpoint: Callable[[str], Path]) -> Trainable:
    return opened(tiny_checkpoint(request.param))


def vectors(trainable: Trainable, batch: Batch) -> dict[str, NDArray[np.float32]]:
    """Of what a batch holds."""
    inputs = {name: batch[name].ready() for name in TOWERS if name in batch}
    found = Student(trainable.model.eval(), trainable.towers)(**inputs)
    return {name: found[name].numpy() for name in inputs}


@torch.no_grad()
def test_the_vectors_of_a_batch_are_the_encoders(trainable: Trainable) -> None:
    material = Material(DATA, trainable, np.arange(6))
    batch = material[BATCH[0]], material.__getitems__(BATCH)
    found = vectors(trainable, batch[1])
    encoder = trainable.encoder()
    expected = encoder.encode_images([DATA.images[pair.image].open() for pair in BATCH])
    np.testing.assert_allclose(found["images"], expected, atol=2e-6)
    np.testing.assert_allclose(found["texts"], encoder.encode_texts([DATA.texts[p.text] for p in BATCH]), atol=2e-6)
    assert set(found) == {"images", "texts"}
    assert batch[1]["pairs"].tolist() == [[9, 4], [2, 1], [10, 5]]
    assert batch[1]["relations"]["groups"].tolist() == [4, 1, 5]
    np.testing.assert_allclose(vectors(trainable, batch[0])["images"], expected[:1], atol=2e-6)


@torch.no_grad()
def test_features_of_locked_towers_give_the_same_vectors(trainable: Trainable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", {"image": 4, "text": 5})
    found = {side: features(trainable, DATA, side) for side in ("image", "text")}  # type: ignore[arg-type]
    assert [len(found["image"]), len(found["text"])] == [6, 12]
    own = Material(DATA, trainable, np.arange(6)).__getitems__(BATCH)
    cached = Material(DATA, trainable, np.arange(6), features=found).__getitems__(BATCH)  # type: ignore[arg-type]
    assert list(cached["images"].ready()) == list(cached["texts"].ready()) == ["features"]
    a, b = vectors(trainable, own), vectors(trainable, cached)
    for side in ("images", "texts"):
        np.testing.assert_allclose(a[side], b[side], atol=2e-6)


def test_validation_measures_the_same_with_and_without_features(trainable: Trainable) -> None:
    whole = Validation(trainable, DATA)()
    assert whole == pytest.approx(Validation(trainable, DATA, ("image",))())
    assert whole == pytest.approx(Validation(trainable, DATA, ("image", "text"))())
    assert whole["recall"] == pytest.approx((whole["text_to_image_recall@1"] + whole["image_to_text_recall@1"]) / 2)


@pytest.fixture(scope="module")
def clip(tiny_checkpoint: Callable[[str], Path]) -> Trainable:
    return opened(tiny_checkpoint("clip"))


def test_relations_know_equal_captions_and_pictures(clip: Trainable) -> None:
    held = list(DATA.images)
    data = gallery([held[0], held[1], held[0], held[3]], [["a rat", "a cat"], ["A cat."], ["a dog"], ["a bird"]])
    weights = np.array([1, 2, 3, 4], dtype=np.float32)
    found = Material(data, clip, np.array([0, 0, 0, 1]), weights=weights).__getitems__(
        [Pair(i, i + 1, 0) for i in range(4)]
    )
    relations = {name: values.tolist() for name, values in found["relations"].items()}
    assert relations["texts"][0] == relations["texts"][1] != relations["texts"][2]
    assert relations["images"][0] == relations["images"][2] != relations["images"][1]
    assert (relations["groups"], relations["weights"]) == ([0, 0, 0, 1], [1, 2, 3, 4])


def test_swapped_captions_are_negatives_unless_they_are_somebodys_caption(clip: Trainable) -> None:
    held = list(DATA.images)
    captions = [
        ["a red car and a blue house"],
        ["a Blue car and a red house."],
        ["a green car and a pink house"],
        ["cat"],
    ]
    data = gallery(held[:4], captions)
    material = Material(data, clip, np.arange(4), text_negatives=True)
    batch = [Pair(i, i, 0) for i in range(4)]
    assert material._negatives(batch) == ["a pink car and a green house"]
    found = material.__getitems__(batch)
    assert len(found["negatives"]) == 1
    assert "negatives" not in material.__getitems__([batch[3]])
    said = {caption_key(text) for text in data.texts}
    assert not said & {caption_key(text) for text in material._negatives(batch)}


def test_pictures_are_kept_unless_something_random_is_done_to_them(
    clip: Trainable, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = Material(DATA, clip, np.arange(6))
    first = calm.__getitems__(BATCH)["images"].ready()["pixel_values"]
    assert set(calm._kept) == {1, 4, 5}
    assert torch.equal(calm.__getitems__(BATCH)["images"].ready()["pixel_values"], first)
    wild = Material(DATA, clip, np.arange(6), augmentation=Augmentation())
    now, again = (wild.__getitems__(BATCH)["images"].ready()["pixel_values"] for _ in range(2))
    later = wild.__getitems__([pair._replace(epoch=1) for pair in BATCH])["images"].ready()["pixel_values"]
    assert torch.equal(now, again)
    assert not torch.equal(now, later)
    assert not torch.equal(now, first)
    assert not wild._kept
    monkeypatch.setattr(module, "KEPT_BYTES", 1)
    full = Material(DATA, clip, np.arange(6))
    assert torch.equal(full.__getitems__(BATCH)["images"].ready()["pixel_values"], first)
    assert len(full._kept) < 3
