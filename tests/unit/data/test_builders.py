"""Occluded COCO and ImageNet-R from files of the original layout; objects behind others; judged queries as a source."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial import ConvexHull

import benchmark_files as files
from luneta.data.builders import build_imagenet_r, build_occluded_coco
from luneta.data.dataset import ImageTextDataset
from luneta.data.occlusion import Instance, hidden_shares
from luneta.data.sources import open_dataset
from luneta.errors import ConfigError, DatasetError


def by_query(data: ImageTextDataset, pairs: Any, column: str) -> dict[str, set[Any]]:
    """What a metadata column says of the pictures of every query."""
    found: dict[str, set[Any]] = {text: set() for text in data.texts}
    for text, image in pairs.tolist():
        found[data.texts[text]].add(data.image_metadata(image)[column])
    return found


# Occlusion ----------------------------------------------------------------------------------------------------


def test_a_hull_is_that_of_qhull() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        corners = rng.uniform(5, 195, size=(rng.integers(3, 12), 2))
        instance = Instance.of([corners.reshape(-1).tolist()], 200, 200)
        area = ConvexHull(corners).volume
        edge = 2 * ConvexHull(corners).area + 4  # of pixels that the line runs through
        assert abs(np.count_nonzero(instance.hull) - area) < edge
        assert not (instance.mask & ~instance.hull).any()


def shares(*objects: list[list[float]]) -> list[float]:
    return hidden_shares([Instance.of(polygons, 120, 200) for polygons in objects]).tolist()


def test_what_gains_more_by_the_other_is_behind_it() -> None:
    behind, before = shares([files.L_SHAPE], [files.CORNER])
    assert behind == pytest.approx(1250 / 8750, abs=0.02)  # of the corner half lies within the hull
    assert before == 0
    assert shares([files.CORNER], [files.L_SHAPE]) == [before, behind]
    assert shares([files.L_SHAPE], [files.ALONE]) == [0, 0]
    assert shares([files.L_SHAPE]) == [0]
    hook = [10, 10, 110, 10, 110, 60, 70, 60, 70, 30, 60, 30, 60, 110, 10, 110]  # reached into, and reaches a little
    hooked = [62, 40, 68, 40, 68, 62, 110, 62, 110, 110, 62, 110]
    alone = [Instance.of([corners], 120, 200) for corners in (hook, hooked)]
    reaches = [np.count_nonzero(a.hull & ~a.mask & b.mask) for a, b in (alone, alone[::-1])]
    assert reaches[0] > reaches[1] > 0
    behind, before = shares([hook], [hooked])
    assert behind > 0.1
    assert before == 0
    divided, _ = shares([files.LEFT, files.RIGHT], [files.MIDDLE])
    assert divided == pytest.approx(30 * 80 / (30 * 80 + 2 * 40 * 80), abs=0.03)
    both = shares([files.L_SHAPE], [[60, 60, 85, 60, 85, 110, 60, 110]], [[85, 60, 110, 60, 110, 110, 85, 110]])
    assert both[0] == pytest.approx(1250 / 8750, abs=0.03)  # by two together
    assert both[1:] == [0, 0]


def test_plain_run_lengths_are_the_same_as_polygons() -> None:
    drawn = Instance.of([files.L_SHAPE], 120, 200)
    flat = drawn.mask.T.reshape(-1)
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *changes, len(flat)]).tolist()
    run = Instance.of({"counts": counts, "size": [120, 200]}, 120, 200)
    np.testing.assert_array_equal(run.mask, drawn.mask)
    assert np.count_nonzero(run.hull != drawn.hull) < 200  # of its edge
    for wrong in ({"counts": "bY1", "size": [120, 200]}, [[1, 2]], 3, {"counts": [5], "size": [120, 200]}):
        with pytest.raises(DatasetError, match="neither polygons nor plain run lengths"):
            Instance.of(wrong, 120, 200)


# Occluded COCO ------------------------------------------------------------------------------------------------


def test_occluded_coco_from_masks(tmp_path: Path) -> None:
    out = build_occluded_coco(files.coco(tmp_path / "coco"), tmp_path / "built")
    data = open_dataset(out)
    assert data.judged
    assert sorted(data.texts) == ["cat", "chair", "dog"]  # no person
    assert data.n_images == len(files.PICTURES)  # those that answer nothing are searched through too
    assert data.language == "en"
    assert by_query(data, data.pairs, "coco_id") == files.RIGHT_PICTURES
    assert data.ignored is not None
    assert by_query(data, data.ignored, "coco_id") == files.PASSED_OVER
    card = (out / "README.md").read_text()
    assert "guessed from COCO's masks" in card
    assert "10%" in card
    assert data.images[1].label.endswith("val2014/COCO_val2014_000000000102.png")
    assert data.images[1].open().size == (40, 40)
    stricter = open_dataset(build_occluded_coco(tmp_path / "coco/annotations/instances_val2014.json", out, hidden=0.2))
    assert by_query(stricter, stricter.pairs, "coco_id") == {"dog": {103}}


def test_occluded_coco_as_its_authors_judged_it(tmp_path: Path) -> None:
    instances, judged = files.coco(tmp_path / "coco"), files.judgements(tmp_path)
    out = build_occluded_coco(instances, tmp_path / "built", judgements=judged)
    data = open_dataset(out)
    assert by_query(data, data.pairs, "coco_id") == {"cat": {102}, "dog": {103, 108}}
    assert data.ignored is not None
    every = {101, 102, 103, 104, 105, 108}  # that are named at all
    assert {data.image_metadata(i)["coco_id"] for i in range(data.n_images)} == every
    assert by_query(data, data.ignored, "coco_id") == {"cat": {101, 108}, "dog": {102, 105}}
    card = " ".join((out / "README.md").read_text().split())
    assert "the authors of ELIP judged and publish" in card
    assert "none of the category (5 times)" in card
    assert "Of 4 queries and pictures they say nothing: these are passed over" in card
    karpathy = tmp_path / "dataset_coco.json"
    split = [{"cocoid": i, "split": "test", "filename": "x"} for i in files.PICTURES]
    karpathy.write_text(json.dumps({"images": split}))
    whole = open_dataset(build_occluded_coco(instances, tmp_path / "whole", karpathy=karpathy, judgements=judged))
    assert whole.n_images == len(files.PICTURES)  # and what nobody judged is not wrong
    assert whole.ignored is not None
    assert by_query(whole, whole.pairs, "coco_id") == by_query(data, data.pairs, "coco_id")
    assert by_query(whole, whole.ignored, "coco_id") == {
        "cat": {101, 106, 107, 108, 109}, "dog": {102, 105, 106, 107, 109},
    }  # fmt: skip
    split = [{"cocoid": i, "split": "test" if i < 105 else "train", "filename": "x"} for i in files.PICTURES]
    karpathy.write_text(json.dumps({"images": split}))
    part = open_dataset(build_occluded_coco(instances, tmp_path / "part", karpathy=karpathy))
    assert {part.image_metadata(i)["coco_id"] for i in range(part.n_images)} == {101, 102, 103, 104}
    assert sorted(part.texts) == ["cat", "dog"]


def test_crowds_are_there_and_never_occluded(tmp_path: Path) -> None:
    path = files.coco(tmp_path / "coco")
    value = json.loads(path.read_text())
    for annotation in value["annotations"]:
        if annotation["image_id"] == 103:
            annotation["iscrowd"] = 1
    path.write_text(json.dumps(value))
    data = open_dataset(build_occluded_coco(path, tmp_path / "built"))
    assert "dog" not in data.texts
    assert sorted(data.texts) == ["cat", "chair"]


def test_other_files_of_coco_are_refused(tmp_path: Path) -> None:
    path = files.coco(tmp_path / "coco")
    captions = tmp_path / "captions.json"
    captions.write_text(json.dumps({"images": [], "categories": [], "annotations": [{"caption": "x"}]}))
    with pytest.raises(DatasetError, match=r"take instances_\*.json"):
        build_occluded_coco(captions, tmp_path / "out")
    captions.write_text("[]")
    with pytest.raises(DatasetError, match="no COCO file of instances"):
        build_occluded_coco(captions, tmp_path / "out")
    with pytest.raises(DatasetError, match="not the file of judgements"):
        build_occluded_coco(path, tmp_path / "out", judgements=captions)
    with pytest.raises(DatasetError, match="are not found under"):
        build_occluded_coco(path, tmp_path / "out", images=tmp_path)
    (tmp_path / "k.json").write_text('{"images": [{"cocoid": 5, "split": "test"}]}')
    with pytest.raises(DatasetError, match="none of the pictures"):
        build_occluded_coco(path, tmp_path / "out", karpathy=tmp_path / "k.json")
    assert not (tmp_path / "out").exists()


# ImageNet-R ---------------------------------------------------------------------------------------------------


def test_imagenet_r(tmp_path: Path) -> None:
    root = files.imagenet_r(tmp_path)
    (root / "n02088094" / ".DS_Store").write_bytes(b"x")
    data = open_dataset(build_imagenet_r(root, tmp_path / "built"))
    assert list(data.texts) == ["goldfish", "great white shark", "Afghan hound"]
    assert by_query(data, data.pairs, "wnid") == {name.replace("_", " "): {wnid} for wnid, name in files.WNIDS.items()}
    assert len(data.pairs) == data.n_images == 12
    assert data.ignored is not None
    assert not len(data.ignored)
    assert {data.image_metadata(i)["rendition"] for i in range(12)} == {"art", "toy"}
    (root / "names.json").write_text(json.dumps(dict.fromkeys(files.WNIDS, "thing")))
    one = open_dataset(build_imagenet_r(root, tmp_path / "built", names=root / "names.json"))
    assert list(one.texts) == ["thing"]  # two classes of one name are one query
    assert len(one.pairs) == 12


def test_another_folder_is_no_imagenet_r(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DatasetError, match="no folders of classes"):
        build_imagenet_r(tmp_path, tmp_path / "out")
    root = files.imagenet_r(tmp_path)
    (root / "n99999999").mkdir()
    with pytest.raises(DatasetError, match="have no name, such as n99999999"):
        build_imagenet_r(root, tmp_path / "out")
    (root / "README.txt").write_text("n99999999 nothing\n" + (root / "README.txt").read_text())
    with caplog.at_level(logging.WARNING, "luneta"):
        data = open_dataset(build_imagenet_r(root, tmp_path / "out"))
    assert "hold no picture" in caplog.text
    assert "nothing" not in data.texts


# Judged queries as a source -----------------------------------------------------------------------------------


def test_a_judged_folder_that_has_moved_or_is_damaged(tmp_path: Path) -> None:
    path = files.coco(tmp_path / "coco")
    out = build_occluded_coco(path, tmp_path / "built")
    before = open_dataset(out)
    (tmp_path / "coco" / "val2014").rename(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match=r"name another folder with image="):
        open_dataset(out)
    moved = open_dataset(out, image=str(tmp_path / "elsewhere"))
    assert moved.fingerprint == open_dataset(out, image=str(tmp_path / "elsewhere")).fingerprint
    assert moved.texts == before.texts
    (tmp_path / "elsewhere" / "COCO_val2014_000000000103.png").unlink()
    with pytest.raises(DatasetError, match="1 of 9 pictures cannot be had"):
        open_dataset(out, image=str(tmp_path / "elsewhere"))
    left = open_dataset(out, image=str(tmp_path / "elsewhere"), max_bad_share=0.5)
    assert by_query(left, left.pairs, "coco_id") == {k: v for k, v in files.RIGHT_PICTURES.items() if k != "dog"}
    assert left.ignored is not None
    assert by_query(left, left.ignored, "coco_id") == {k: v for k, v in files.PASSED_OVER.items() if k != "dog"}
    assert [row.row for row in left.skipped] == [2]
    for option in ({"text": "caption"}, {"split": "test"}, {"image": "file_name"}):
        with pytest.raises(ConfigError, match="judged queries: there is no"):
            open_dataset(out, **option)  # type: ignore[arg-type]
    (out / "qrels.tsv").write_text("query_id\timage_id\tscore\n0\t77\t1\n")
    with pytest.raises(DatasetError, match="which are not both there"):
        open_dataset(out, image=str(tmp_path / "elsewhere"), max_bad_share=0.5)
    (out / "qrels.tsv").write_text("query_id\timage_id\tscore\n0\t2\t1\n")
    with pytest.raises(DatasetError, match="no query has a right picture"):
        open_dataset(out, image=str(tmp_path / "elsewhere"), max_bad_share=0.5)


def test_what_is_unjudged_is_as_the_folder_says(tmp_path: Path) -> None:
    out = build_imagenet_r(files.imagenet_r(tmp_path, n=2), tmp_path / "out")
    (out / "qrels.tsv").write_text("query_id\timage_id\tscore\n0\t0\t2\n0\t3\t0\n0\t4\t-1\n1\t2\t1\n2\t5\t1\n")
    about = json.loads((out / "judged.json").read_text())
    assert about["unjudged"] == "wrong"
    passed = {}
    for unjudged in ("wrong", "passed over", None):
        said = {name: value for name, value in about.items() if name != "unjudged"}
        (out / "judged.json").write_text(json.dumps(said if unjudged is None else {**said, "unjudged": unjudged}))
        data = open_dataset(out)
        assert data.pairs.tolist() == [[0, 0], [1, 2], [2, 5]]
        assert data.ignored is not None
        passed[unjudged] = data.ignored.tolist()
    assert passed["wrong"] == passed[None] == [[0, 4]]
    judged = {(0, 0), (0, 3), (1, 2), (2, 5)}
    assert passed["passed over"] == [[q, i] for q in range(3) for i in range(6) if (q, i) not in judged]
    (out / "judged.json").write_text(json.dumps({**about, "unjudged": "right"}))
    with pytest.raises(DatasetError, match="what is unjudged is 'right'; expected wrong or passed over"):
        open_dataset(out)


def test_a_sample_keeps_queries_that_have_an_answer_in_it(tmp_path: Path) -> None:
    out = build_occluded_coco(files.coco(tmp_path / "coco"), tmp_path / "built")
    for seed in range(4):
        data = open_dataset(out, limit=5, seed=seed)
        assert data.n_images == 5
        held = {data.image_metadata(i)["coco_id"] for i in range(5)}
        expected = {query: right & held for query, right in files.RIGHT_PICTURES.items() if right & held}
        assert by_query(data, data.pairs, "coco_id") == expected
        assert data.ignored is not None
        passed = {query: files.PASSED_OVER[query] & held for query in expected}
        assert by_query(data, data.ignored, "coco_id") == passed


def test_what_is_passed_over_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    import dataclasses

    data = open_dataset(build_occluded_coco(files.coco(tmp_path / "coco"), tmp_path / "built"))
    assert data.ignored is not None
    less = dataclasses.replace(data, ignored=data.ignored[1:])
    assert less.fingerprint != data.fingerprint
    with pytest.raises(DatasetError, match="both right and passed over"):
        dataclasses.replace(data, ignored=data.pairs[:1])
    with pytest.raises(DatasetError, match="belongs to no pair"):
        dataclasses.replace(data, ignored=None)  # captions have a picture each, and the other way round
