"""Where pictures are looked for when a table does not say: never another project's, never by the alphabet."""

from __future__ import annotations

import json
import logging
import unicodedata
from pathlib import Path

import pytest
from numbered import bytes_of, pairs_of, write_pictures

from luneta.data.roots import find_root
from luneta.data.sources import open_dataset
from luneta.errors import ConfigError, DatasetError


def coco_file(path: Path, names: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"id": i, "file_name": name} for i, name in enumerate(names)]
    annotations = [{"image_id": i, "caption": f"number {i}"} for i in range(len(names))]
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return path


def csv_file(path: Path, names: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("file_name,caption\n" + "".join(f"{name},number {i}\n" for i, name in enumerate(names)))
    return path


@pytest.mark.parametrize("place", ["other/holiday/pics", "../other/pics", "../other", "other/deep/images"])
def test_pictures_of_another_project_are_not_taken(tmp_path: Path, place: str) -> None:
    names = write_pictures(tmp_path / "a" / place, 2)
    path = coco_file(tmp_path / "a" / "project" / "captions.json", names)
    with pytest.raises(DatasetError, match=r"none was found under .* image="):
        open_dataset(path)


@pytest.mark.parametrize(
    "place", ["pics", "images", "images/val2014", "../images", "../val2017", ".", "annotations/x/y"]
)
def test_pictures_near_by_are_taken_with_a_warning(
    tmp_path: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    names = write_pictures(tmp_path / "a" / place, 2)
    path = coco_file(tmp_path / "a" / "annotations" / "captions.json", names)
    with caplog.at_level(logging.WARNING, "luneta"):
        assert len(pairs_of(open_dataset(path))) == 2
    assert "its pictures are taken from" in caplog.text


def test_a_few_equal_names_do_not_make_a_folder_the_right_one(tmp_path: Path) -> None:
    write_pictures(tmp_path / "images", 5)
    path = coco_file(tmp_path / "project" / "captions.json", [f"{i}.png" for i in range(10)])
    with pytest.raises(DatasetError, match="none was found"):
        open_dataset(path, max_bad_share=1.0)


@pytest.mark.parametrize("writer", [coco_file, csv_file])
def test_folders_that_tie_are_asked_about(tmp_path: Path, writer: object) -> None:
    for folder in ("large", "small"):
        names = write_pictures(tmp_path / folder, 3)
    path = writer(tmp_path / "t.json" if writer is coco_file else tmp_path / "t.csv", names)  # type: ignore[operator]
    with pytest.raises(ConfigError, match=r"several folders: .*large, .*small; say which with image="):
        open_dataset(path)
    assert len(pairs_of(open_dataset(path, image=str(tmp_path / "small")))) == 3
    (tmp_path / "again").symlink_to(tmp_path / "small")
    (tmp_path / "large").rename(tmp_path / ".hidden")
    assert len(pairs_of(open_dataset(path))) == 3, "one folder by two names is one folder"


def test_the_folder_with_most_of_the_files_wins(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(bytes_of(0))
    names = write_pictures(tmp_path / "images", 10)
    assert find_root(tmp_path, names) == tmp_path / "images"
    write_pictures(tmp_path / "sample", 4)
    assert len(pairs_of(open_dataset(csv_file(tmp_path / "t.csv", names)))) == 10
    write_pictures(tmp_path, 10)
    assert find_root(tmp_path, [*names, "gone.png"]) == tmp_path, "the table's own folder, where it is as good"


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
@pytest.mark.parametrize("folder", [".", "maçãs", "images"])
def test_accents_may_be_written_in_two_ways(tmp_path: Path, forms: tuple[str, str], folder: str) -> None:
    stored, written = (unicodedata.normalize(form, "maçã.png") for form in forms)
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / stored).write_bytes(bytes_of(7))
    assert pairs_of(open_dataset(csv_file(tmp_path / "t.csv", [written]))) == {(7, "number 0")}
