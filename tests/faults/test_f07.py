"""Equal captions: not scored as wrong, and not trained on as negatives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from luneta.data.groups import find_groups, same_group
from luneta.data.relevance import merged_pairs
from luneta.evaluation import evaluate
from luneta.finetuning.batches import Pair
from luneta.finetuning.material import Material
from luneta.finetuning.objective import Objective, Vectors
from luneta.losses import Relations
from luneta.metrics import recall_at
from luneta.ranking import rank_both
from paintings import Held, gallery, painting
from tuning import opened
from worlds import ConceptEncoder, world

CLASSES = [[10 * kind + i for i in range(10)] for kind in range(4)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path))


class ClassEncoder(ConceptEncoder):
    """Knows the class of a picture and no more: perfect for captions that say no more."""

    def _vector(self, concept: int, what: str) -> np.ndarray:
        return super()._vector(concept // 10 * 10, what)


def test_class_labels_are_not_scored_as_wrong() -> None:
    data = world(40, equal_captions=CLASSES)
    merged = evaluate(ClassEncoder(), data)
    strict = evaluate(ClassEncoder(), data, duplicates="strict")
    assert merged.metrics["text_to_image"]["recall@1"].value == 1
    assert strict.metrics["text_to_image"]["recall@1"].value == pytest.approx(0.1)  # whatever the encoder
    assert merged.protocol["hash"] != strict.protocol["hash"]


def test_copies_of_a_picture_are_not_scored_as_wrong_by_groups() -> None:
    """Every photo is there twice, the second time smaller: the other copy is a right answer too."""
    images = [Held(f"{i}", painting(i % 8).resize((64 - i // 8, 64 - i // 8))) for i in range(16)]
    data = gallery(images, [[f"photo {i % 8}, row {i}"] for i in range(16)])
    vectors = np.eye(8, dtype=np.float32)[np.arange(16) % 8]
    by_groups = merged_pairs(data, find_groups(data).things())
    for pairs, expected in ((merged_pairs(data), 0.5), (by_groups, 1.0)):
        assert recall_at(rank_both(vectors, vectors, pairs)["text_to_image"], 1).mean() == expected


def test_equal_captions_are_not_negatives() -> None:
    data = world(40, equal_captions=CLASSES)
    groups = find_groups(data)
    batch = np.arange(0, 40, 5)  # two of every class
    mask = same_group(groups, batch, batch)
    assert mask.sum() == 16
    assert np.array_equal(mask, (batch[:, None] // 10) == (batch[None, :] // 10))

    # The class is all there is to know, and the encoder knows it. With equal captions as negatives the loss cannot
    # fall below that of guessing between the two; masked, it can.
    similarity = 30.0 * mask
    picture = np.log(np.exp(similarity).sum(axis=1)) - np.diag(similarity)
    left = np.where(mask & ~np.eye(len(batch), dtype=bool), -np.inf, similarity)
    masked = np.log(np.exp(left).sum(axis=1)) - np.diag(left)
    assert picture.mean() == pytest.approx(np.log(2), abs=1e-6)
    assert masked.mean() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("sigmoid", [True, False])
def test_training_never_takes_equal_captions_for_negatives(
    sigmoid: bool, tiny_checkpoint: Callable[[str], Path]
) -> None:
    """The batch of a real training holds twins of a caption: their vectors pull nothing apart."""
    data = gallery(
        [Held(f"{i}", painting(i, 40)) for i in range(6)], [["A cat."], ["a dog"], ["a cat"], ["x"], ["y"], ["z"]]
    )
    groups = find_groups(data).image_groups[0]
    assert groups[0] == groups[2]
    material = Material(data, opened(tiny_checkpoint("clip")), groups, text_negatives=True)
    found = material.__getitems__([Pair(i, i, 0) for i in range(6)])["relations"]
    relations = Relations(found["texts"], found["images"], found["groups"])
    vectors = torch.nn.functional.normalize(torch.eye(6) + 0.1, dim=1)
    texts = vectors.clone().requires_grad_(True)
    whole = Vectors(vectors, texts, texts[:0], torch.tensor(5.0), torch.tensor(-2.0))
    Objective(sigmoid)(whole, relations).backward()  # type: ignore[no-untyped-call]
    assert texts.grad is not None
    nearer = -(texts.grad @ vectors.T)  # > 0 where a step would bring the text nearer to the picture
    assert nearer[0, 2] > 0
    assert nearer[2, 0] > 0
    assert nearer[0, 1] < nearer[0, 2]
    assert nearer[1, 0] < 0
