"""Parts of the queries: every query in one of them, numbers in ranges, the rare kept apart from the usual."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luneta.comparison import compare
from luneta.data.dataset import ImageTextDataset
from luneta.evaluation import evaluate
from luneta.results import Evaluation, load_evaluation
from luneta.slicing import MOST_RANGES, SMALLEST_SLICE, binned, slices
from worlds import ConceptEncoder, world


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path_factory.mktemp("cache")))


def measured(data: ImageTextDataset, noise: float = 1.0) -> Evaluation:
    return evaluate(ConceptEncoder(noise=noise), data)


def ends(label: str) -> tuple[int, int]:
    low, _, high = label.partition("-")
    return int(low), int(high or low)


@given(st.dictionaries(st.integers(0, 40), st.integers(1, 120), min_size=1, max_size=12))
def test_ranges_hold_their_numbers_and_do_not_overlap(counts: dict[int, int]) -> None:
    numbers = [number for number, count in counts.items() for _ in range(count)]
    labels = binned(np.array(numbers))
    for number, label in zip(numbers, labels, strict=True):
        low, high = ends(label)
        assert low <= number <= high
    ranges = sorted({ends(label) for label in labels})
    assert len(ranges) <= MOST_RANGES
    assert all(one[1] < other[0] for one, other in itertools.pairwise(ranges))
    assert all(labels.count(label) >= SMALLEST_SLICE for label in labels) or len(ranges) <= 2


def test_what_is_rare_is_kept_apart_from_what_most_are() -> None:
    labels = binned(np.array([1] * 900 + [2] * 40 + [3] * 30 + [7] * 30))
    assert {label: labels.count(label) for label in labels} == {"1": 900, "2": 40, "3": 30, "7": 30}
    assert set(binned(np.array([1] * 900 + [2, 3, 7] * 12))) == {"1", "2-7"}
    assert set(binned(np.array([1] * 100 + [2] * 40 + [3] * 10))) == {"1", "2-3"}


def test_words_of_a_caption_and_of_the_captions_of_a_picture() -> None:
    data = world(100, captions_per_image=2)
    texts = [f"thing {i // 2}, " + "very " * (i // 2 % 10 + i % 2) for i in range(200)]
    found = measured(dataclasses.replace(data, texts=texts))
    labels = slices(found, "text_to_image")["words"]
    assert len(set(labels)) == 4
    for text, label in zip(texts, labels, strict=True):
        low, high = ends(label)
        assert low <= len(text.split()) <= high
    for image, label in enumerate(slices(found, "image_to_text")["words"]):
        low, high = ends(label)
        mean = np.mean([len(texts[2 * image + way].split()) for way in (0, 1)])
        assert low <= round(mean) <= high


def test_captions_without_spaces_are_measured_in_characters() -> None:
    data = world(80)
    found = slices(measured(dataclasses.replace(data, texts=["青" * (1 + i % 40) for i in range(80)])), "text_to_image")
    assert "words" not in found
    assert len(set(found["characters"])) > 1


def test_group_sizes_and_relevant_items(tmp_path: Path) -> None:
    """Of 100 pictures with two captions, 40 to 49 share theirs with ten others: one group of twenty."""
    data = world(100, captions_per_image=2, equal_captions=[range(40, 60)])
    found = measured(data)
    found.save(tmp_path / "r.json")
    for evaluation in (found, load_evaluation(tmp_path / "r.json")):
        for direction, each in (("text_to_image", 2), ("image_to_text", 1)):
            labels = slices(evaluation, direction)["group size"]  # type: ignore[arg-type]
            expected = [20 if 40 <= i // each < 60 else 1 for i in range(100 * each)]
            assert [int(label) for label in labels] == expected
        assert slices(evaluation, "text_to_image")["relevant items"][80] == "20"
        assert slices(evaluation, "image_to_text")["relevant items"][40] == "40"


def test_language_and_category_are_metadata_and_come_into_a_comparison() -> None:
    data = world(120)
    rows = {"language": ["en", "pt-BR"] * 60, "category": ["boat", "bird", "bird"] * 40, "words": ["many", "few"] * 60}
    data = dataclasses.replace(data, rows=pa.table(rows))
    found = compare([measured(data), measured(data, 2.0)])
    own = {(part.name, part.value): part.n_queries for part in found.slices if part.direction == "text_to_image"}
    assert own == {
        ("language", "en"): 60, ("language", "pt-BR"): 60, ("category", "boat"): 40, ("category", "bird"): 80,
        ("words", "many"): 60, ("words", "few"): 60,  # the data set's own column of that name
    }  # fmt: skip
