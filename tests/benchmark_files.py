"""Small COCO and ImageNet-R folders of the original layout, with drawn pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from paintings import painting

CATEGORIES = {1: "person", 17: "cat", 18: "dog", 62: "chair"}
L_SHAPE = [10, 10, 110, 10, 110, 60, 60, 60, 60, 110, 10, 110]
CORNER = [60, 60, 110, 60, 110, 110, 60, 110]
LEFT, MIDDLE, RIGHT = (
    [10, 20, 50, 20, 50, 100, 10, 100],
    [50, 10, 80, 10, 80, 110, 50, 110],
    [80, 20, 120, 20, 120, 100, 80, 100],
)
ALONE = [130, 20, 190, 20, 190, 80, 130, 80]
TINY = [[2, 2, 14, 2, 14, 6, 6, 6, 6, 14, 2, 14], [6, 6, 14, 6, 14, 14, 6, 14]]
HEIGHT, WIDTH = 120, 200

PICTURES: dict[int, list[tuple[int, Any]]] = {
    # by COCO id: (category, polygons) of every object
    101: [(17, [ALONE])],  # a cat in full view
    102: [(17, [L_SHAPE]), (18, [CORNER])],  # a cat behind a dog
    103: [(18, [LEFT, RIGHT]), (1, [MIDDLE])],  # a dog in two parts behind a person
    104: [(1, [LEFT]), (1, [ALONE])],  # persons
    105: [],
    106: [(17, [L_SHAPE]), (17, [CORNER]), (62, [ALONE])],  # a cat behind a cat; a chair in full view
    107: [(62, [TINY[0]]), (18, [TINY[1]])],  # too small to say
    108: [(1, [L_SHAPE]), (18, [CORNER])],  # a person behind a dog
    109: [(62, [L_SHAPE]), (1, [CORNER]), (17, [ALONE])],  # a chair behind a person
}
RIGHT_PICTURES = {"cat": {102, 106}, "dog": {103}, "chair": {109}}
"""What an occluded object of the category is seen in."""
PASSED_OVER = {"cat": {101, 109}, "dog": {102, 107, 108}, "chair": {106, 107}}


def coco(folder: Path) -> Path:
    """annotations/instances_val2014.json and val2014/; returns the former."""
    (folder / "annotations").mkdir(parents=True)
    (folder / "val2014").mkdir()
    images, annotations = [], []
    for number, (coco_id, objects) in enumerate(PICTURES.items()):
        name = f"COCO_val2014_{coco_id:012d}.png"
        painting(number, 40).save(folder / "val2014" / name)
        images.append({"id": coco_id, "file_name": name, "height": HEIGHT, "width": WIDTH})
        for category, polygons in objects:
            annotations.append({"id": len(annotations), "image_id": coco_id, "category_id": category, "iscrowd": 0,
                                "segmentation": polygons})  # fmt: skip
    value = {"images": images, "annotations": annotations,
             "categories": [{"id": number, "name": name} for number, name in CATEGORIES.items()]}  # fmt: skip
    path = folder / "annotations" / "instances_val2014.json"
    path.write_text(json.dumps(value))
    return path


def judgements(folder: Path) -> Path:
    """The file that ELIP's authors publish, of other judgements than the masks give."""
    number = {name: str(category) for category, name in CATEGORIES.items()}
    value = {
        "cat_id_2_occ_img": {number["person"]: [104], number["cat"]: [102], number["dog"]: [103, 108]},
        "cat_id_2_negative_img": {number["person"]: [105], number["cat"]: [103, 104, 105], number["dog"]: [101, 104]},
    }
    path = folder / "karpathy_test_cat_id_2_occ_img_negative_img.json"
    path.write_text(json.dumps(value))
    return path


WNIDS = {"n01443537": "goldfish", "n01484850": "great_white_shark", "n02088094": "Afghan_hound"}


def imagenet_r(folder: Path, n: int = 4) -> Path:
    """imagenet-r/ with some renditions of three classes and the README that names them."""
    root = folder / "imagenet-r"
    for place, wnid in enumerate(WNIDS):
        (root / wnid).mkdir(parents=True)
        for number in range(n):
            painting(place * n + number, 40).save(root / wnid / f"{('art', 'toy')[number % 2]}_{number}.jpg")
    lines = ["The Many Faces of Robustness", "", "ImageNet-R(endition) classes:", "",
             *(f"{wnid} {name}" for wnid, name in WNIDS.items())]  # fmt: skip
    (root / "README.txt").write_text("\n".join(lines))
    return root


def karpathy(folder: Path, n: int = 24, name: str = "dataset_coco.json") -> Path:
    """A Karpathy split with its pictures: a few of training, the others of the test part, five captions each."""
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for number in range(n):
        painting(number, 40).save(folder / f"{number}.jpg")
        sentences = [{"raw": f"a {way} thing of kind {number}"} for way in ("red", "small", "big", "blue", "new")]
        split = "train" if number < 2 else "test"
        images.append({"filename": f"{number}.jpg", "split": split, "sentences": sentences, "cocoid": number})
    (folder / name).write_text(json.dumps({"images": images, "dataset": "coco"}))
    return folder


def official_checkpoint(path: Path, text_dim: int, width: int, *, hidden: int = 48, n_prompts: int = 3) -> Path:
    """A whole training checkpoint as ELIP's authors publish them, its mapper small and random."""
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Linear(text_dim, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(),
        nn.Linear(hidden, width * n_prompts),
    )  # fmt: skip
    state = {f"visual.transformer.vpt_generator.{name}": tensor for name, tensor in layers.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"epoch": 1, "state_dict": {**state, "logit_scale": torch.tensor(4.6)}, "optimizer": {}}, path)
    return path
