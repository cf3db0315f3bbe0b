"""Caption files of the benchmarks, broken ones too."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from numbered import pairs_of, write_pictures

from luneta.data.dataset import ImageTextDataset
from luneta.data.sources import open_dataset
from luneta.errors import DatasetError


def opened(folder: Path, value: Any, **options: Any) -> ImageTextDataset:
    (folder / "c.json").write_text(json.dumps(value))
    return open_dataset(folder / "c.json", **{"max_bad_share": 0.9, **options})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pictures(tmp_path, 3)
    return tmp_path


P = {"id": 2, "file_name": "2.png"}
X = {"image_id": 2, "caption": "x"}
IMAGES: list[Any] = [{"id": i, "file_name": f"{i}.png"} for i in range(2)]
ANNOTATIONS: list[Any] = [{"image_id": i, "caption": f"number {i}"} for i in range(2)]


@pytest.mark.parametrize(
    ("images", "annotations", "bad"),
    [
        ([], [3], [(2, "a int, not an object")]),
        ([], [None, "x"], [(2, "a NoneType, not an object"), (3, "a str, not an object")]),
        ([1], [], [(2, "a int, not an object")]),
        ([P], [X | {"caption": "a \ud83d dog"}], [(2, "broken Unicode (a lone surrogate)")]),
        ([P | {"id": [2]}], [X | {"image_id": {}}], [(2, "no caption"), (3, "no picture named")]),
        ([{"id": 2, "file_name": 5}], [X], [(2, "no such file")]),
        ([{"id": 2, "file_name": "a\0b.png"}], [X], [(2, "unusable file name (embedded null byte)")]),
        ([{"id": 2}], [X], [(2, "no picture named")]),
        ([{"file_name": "2.png", "captions": ["mine"], "image_id": 7}], [], [(2, "no caption")]),
    ],
)  # fmt: skip
def test_malformed_records_are_bad_rows(
    folder: Path, images: list[Any], annotations: list[Any], bad: list[tuple[int, str]]
) -> None:
    data = opened(folder, {"images": IMAGES + images, "annotations": ANNOTATIONS + annotations})
    assert pairs_of(data) == {(0, "number 0"), (1, "number 1")}
    assert [(row.row, row.reason) for row in data.skipped] == bad


def test_annotations_that_are_no_list(folder: Path) -> None:
    for wrong in (None, {"1": "x"}, 3):
        with pytest.raises(DatasetError, match="expected a list"):
            opened(folder, {"images": IMAGES, "annotations": wrong})
    with pytest.raises(DatasetError, match="without captions"):
        opened(folder, {"images": IMAGES, "annotations": [4, {"image_id": 0, "bbox": []}]})


def test_a_list_of_captions_in_one_annotation(folder: Path) -> None:
    annotations = [{"image_id": 0, "caption": ["a", "b"]}, {"image_id": 0, "caption": "c"}, *ANNOTATIONS[1:]]
    data = opened(folder, {"images": IMAGES, "annotations": annotations})
    assert pairs_of(data) == {(0, "a"), (0, "b"), (0, "c"), (1, "number 1")}


def test_malformed_sentences(folder: Path) -> None:
    sentences = [{"raw": "a"}, "b", None, {"tokens": []}]
    images = [{"filename": "0.png", "sentences": sentences}, {"filename": "1.png", "sentences": None}, 4]
    data = opened(folder, {"images": [*images, {"filename": "2.png", "sentences": "c"}]})
    assert pairs_of(data) == {(0, "a"), (0, "b"), (2, "c")}
    assert [(row.row, row.reason) for row in data.skipped] == [(1, "no caption"), (2, "a int, not an object")]


def test_train_comes_with_restval(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    images = [
        {"filename": f"{i}.png", "split": split, "sentences": [{"raw": split}]}
        for i, split in enumerate(("train", "restval", "test"))
    ]
    with caplog.at_level(logging.INFO, "luneta"):
        data = opened(folder, {"images": images}, split="train")
    assert (pairs_of(data), data.split) == ({(0, "train"), (1, "restval")}, "train")
    assert "train is read with restval" in caplog.text
    assert pairs_of(opened(folder, {"images": images}, split="restval")) == {(1, "restval")}
