"""A "sample" that is the first n rows: a limit draws at random, by a seed that is on the result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from luneta import open_dataset
from luneta.data.dataset import ImageTextDataset


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], ImageTextDataset]:
    """A table sorted by subject, sampled: the first half shows boats, the second dogs."""
    folder = tmp_path_factory.mktemp("sorted")
    lines = ["file_name,caption"]
    for i in range(80):
        Image.new("RGB", (4, 4), (i, 0, 0)).save(folder / f"{i}.png")
        lines.append(f"{i}.png,a {'boat' if i < 40 else 'dog'} numbered {i}")
    path = folder / "table.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def draw(seed: int) -> ImageTextDataset:
        return open_dataset(Path(path), limit=20, seed=seed)

    return draw


def test_a_sample_is_of_the_whole(sample: Callable[[int], ImageTextDataset]) -> None:
    boats = [sum("boat" in text for text in sample(seed).texts) for seed in range(10)]
    assert all(0 < n < 20 for n in boats), "the first 20 rows are boats only"
    assert abs(np.mean(boats) - 10) < 3


def test_a_sample_is_the_same_for_a_seed_and_on_record(sample: Callable[[int], ImageTextDataset]) -> None:
    assert list(sample(3).texts) == list(sample(3).texts)
    assert set(sample(3).texts) != set(sample(4).texts)
    assert sample(3).sample == {"limit": 20, "seed": 3}
