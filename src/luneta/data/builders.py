"""Benchmarks of judged queries from the files of the original data sets: Occluded COCO and ImageNet-R, as in ELIP
(Zhan, Liu, Han, Xie and Zisserman, 2025). Pictures stay where they are; a few tables and a card are written."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from luneta.artifacts import read_json
from luneta.data.images import SUFFIXES
from luneta.data.judged import IGNORED, RIGHT, WRONG, Judged
from luneta.data.occlusion import Instance, hidden_shares
from luneta.data.roots import find_root, hits
from luneta.errors import ArtifactError, DatasetError
from luneta.progress import track

logger = logging.getLogger("luneta")

SKIPPED = ("person",)
"""Categories that are no query: most pictures hold a person somewhere."""

HIDDEN = 0.1
"""An object is occluded when at least this share of it is hidden."""

SMALLEST = 32**2
"""Pixels: of smaller objects (COCO's "small") it is not said whether they are occluded."""

_WNID = re.compile(r"(n\d{8})[\s,:]+(.+)")
_UPWARDS = 2

Path_ = str | os.PathLike[str]


# Occluded COCO ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Seen:
    """What is said of pictures: by category id, the ids of those with an occluded object of it, and of others.

    Attributes:
        occluded: these are right.
        ignored: hold the category in full view: neither right nor wrong.
        wrong: are said not to hold it.
        unjudged: what the pictures are that nothing is said of.
    """

    occluded: Mapping[int, frozenset[int]]
    ignored: Mapping[int, frozenset[int]]
    wrong: Mapping[int, frozenset[int]]
    unjudged: str

    def score(self, category: int, picture: int) -> int | None:
        """RIGHT, WRONG or IGNORED; None where nothing is said."""
        by_score = ((RIGHT, self.occluded), (WRONG, self.wrong), (IGNORED, self.ignored))
        return next((score for score, ids in by_score if picture in ids.get(category, ())), None)


def build_occluded_coco(
    instances: Path_,
    out: Path_,
    *,
    images: Path_ | None = None,
    karpathy: Path_ | None = None,
    judgements: Path_ | None = None,
    hidden: float = HIDDEN,
) -> Path:
    """Occluded COCO: names of categories, searched for in pictures in which such a thing is partly hidden.

    Right are the pictures that hold an occluded object of the category, wrong those without any; pictures whose objects
    of the category are all in full view are passed over. Persons are not searched for.

    Which objects are occluded, COCO does not say. The authors of ELIP publish their judgements
    (karpathy_test_cat_id_2_occ_img_negative_img.json), lists of right and of wrong pictures for every category; give
    them as `judgements` to have their very benchmark: what is in neither list is passed over. Without them it is
    guessed from the masks, as `luneta.data.occlusion` says, which is another benchmark of the same kind.

    Args:
        instances: COCO's instances_val2014.json or another of its kind.
        out: folder of the result, which `open_dataset` opens.
        images: folder of the pictures; looked for around `instances` if None.
        karpathy: dataset_coco.json; only the pictures of its test part are in the gallery, as in ELIP.
        judgements: the authors' file.
        hidden: share of an object that must be hidden for it to be occluded.

    Returns:
        `out`.

    Raises:
        DatasetError: a file is not what it should be, or its pictures are not found.
        ArtifactError: a file is missing or damaged, or `out` cannot be written.
    """
    coco = _coco(Path(instances))
    names = {int(category["id"]): str(category["name"]) for category in coco["categories"]}
    chosen = None if karpathy is None else _karpathy_test(Path(karpathy))
    if judgements is None:
        pictures = [image for image in coco["images"] if chosen is None or int(image["id"]) in chosen]
        seen = _from_masks(pictures, coco["annotations"], hidden)
    else:
        seen, judged = _from_authors(Path(judgements))
        pictures = [image for image in coco["images"] if int(image["id"]) in (judged if chosen is None else chosen)]
    if not pictures:
        raise DatasetError(f"{instances} holds none of the pictures that are asked for: it is of another part of COCO")
    return _occluded(pictures, names, seen, _root(Path(instances), images, pictures), hidden, judgements).write(out)


def _occluded(
    pictures: Sequence[Mapping[str, Any]], names: Mapping[int, str], seen: _Seen, root: Path, hidden: float,
    judgements: Path_ | None,
) -> Judged:  # fmt: skip
    queries = [c for c in sorted(names) if names[c] not in SKIPPED and seen.occluded.get(c)]
    found: dict[int | None, list[tuple[int, int]]] = {RIGHT: [], WRONG: [], IGNORED: [], None: []}
    for number, picture in enumerate(pictures):
        for query, category in enumerate(queries):
            found[seen.score(category, int(picture["id"]))].append((query, number))
    kept = sorted({query for query, _ in found[RIGHT]})
    new = {query: number for number, query in enumerate(kept)}
    right, wrong, ignored, unsaid = ([(new[query], number) for query, number in found[score] if query in new]
                                     for score in (RIGHT, WRONG, IGNORED, None))  # fmt: skip
    source = "masks" if judgements is None else "authors"
    return Judged(
        name="occluded-coco",
        root=root,
        images=[{"file_name": str(picture["file_name"]), "coco_id": int(picture["id"])} for picture in pictures],
        queries=[names[queries[query]] for query in kept],
        right=right,
        wrong=wrong,
        ignored=ignored,
        unjudged=seen.unjudged,
        about={"benchmark": "Occluded COCO", "occlusion": source, **({"hidden": hidden} if source == "masks" else {})},
        card=_OCCLUDED_CARD.format(
            n_images=len(pictures), n_queries=len(kept), n_right=len(right),
            how=_FROM_AUTHORS.format(n_wrong=len(wrong), n_unsaid=len(unsaid)) if source == "authors"
            else _FROM_MASKS.format(hidden=f"{hidden:.0%}", px=SMALLEST, n_ignored=len(ignored)),
        ),
    )  # fmt: skip


def _coco(path: Path) -> Mapping[str, Any]:
    value = read_json(path)
    lists = ("images", "annotations", "categories")
    if not isinstance(value, dict) or not all(isinstance(value.get(name), list) for name in lists):
        raise DatasetError(f"{path} is no COCO file of instances: expected lists of {', '.join(lists)}")
    if not any(isinstance(a, dict) and "segmentation" in a for a in value["annotations"][:100]):
        raise DatasetError(f"{path} holds annotations without masks; take instances_*.json, not captions_*.json")
    return value


def _karpathy_test(path: Path) -> frozenset[int]:
    value = read_json(path)
    images = value.get("images") if isinstance(value, dict) else None
    try:
        return frozenset(int(image["cocoid"]) for image in images or () if image["split"] == "test")
    except (KeyError, TypeError, ValueError):
        raise DatasetError(f"{path} is no Karpathy split of COCO: expected images with split and cocoid") from None


def _from_masks(pictures: Sequence[Mapping[str, Any]], annotations: Sequence[Any], hidden: float) -> _Seen:
    by_picture: dict[int, list[Any]] = {int(picture["id"]): [] for picture in pictures}
    for annotation in annotations:
        by_picture.get(int(annotation["image_id"]), []).append(annotation)
    holds: dict[int, set[int]] = {}
    occluded: dict[int, set[int]] = {}
    with track("looking at masks", len(pictures)) as advance:
        for picture in pictures:
            own = by_picture[int(picture["id"])]
            size = int(picture["height"]), int(picture["width"])
            things = [Instance.of(annotation["segmentation"], *size) for annotation in own]
            for annotation, thing, share in zip(own, things, hidden_shares(things), strict=True):
                category, number = int(annotation["category_id"]), int(picture["id"])
                holds.setdefault(category, set()).add(number)
                single = not annotation.get("iscrowd") and np.count_nonzero(thing.mask) >= SMALLEST
                if single and share >= hidden:
                    occluded.setdefault(category, set()).add(number)
            advance(1)
    hidden_in, held_by = ({c: frozenset(ids) for c, ids in found.items()} for found in (occluded, holds))
    return _Seen(hidden_in, held_by, {}, unjudged="wrong")


def _from_authors(path: Path) -> tuple[_Seen, frozenset[int]]:
    """What the authors judged, and the pictures that they judged for any category."""
    value = read_json(path)
    try:
        occluded, wrong = (
            {int(c): frozenset(int(i) for i in ids) for c, ids in value[name].items()}
            for name in ("cat_id_2_occ_img", "cat_id_2_negative_img")
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DatasetError(
            f"{path} is not the file of judgements that the authors of ELIP publish: expected cat_id_2_occ_img and "
            "cat_id_2_negative_img"
        ) from None
    every = frozenset().union(*occluded.values(), *wrong.values())
    judged = {c: ids for c, ids in occluded.items() if wrong.get(c)}  # with no wrong picture every order is right
    return _Seen(judged, {}, wrong, unjudged="passed over"), every


def _root(instances: Path, images: Path_ | None, pictures: Sequence[Mapping[str, Any]]) -> Path:
    named = [str(picture["file_name"]) for picture in pictures[:1000]]
    root = Path(images) if images is not None else find_root(instances.parent, named, upwards=_UPWARDS)
    if not hits(root, named):
        raise DatasetError(
            f"pictures such as {named[0]} are not found under {root}"
            + ("" if images is not None else " or the folders around it")
            + "; name their folder"
        )
    return root


# ImageNet-R ---------------------------------------------------------------------------------------------------


def build_imagenet_r(folder: Path_, out: Path_, *, names: Path_ | None = None) -> Path:
    """ImageNet-R as a search: names of classes, searched for in art, cartoons, toys, tattoos and other renditions.

    Right are all pictures of the class; the query is its bare name.

    Args:
        folder: imagenet-r as it is unpacked: a folder of pictures for each class, called by its WordNet id.
        out: folder of the result, which `open_dataset` opens.
        names: file of the classes' names: lines "n01443537 goldfish", or a JSON object; None takes README.txt in
            `folder`, where the authors of ImageNet-R keep them.

    Returns:
        `out`.

    Raises:
        DatasetError: there are no such folders, or a class without a name.
        ArtifactError: a file is missing or damaged, or `out` cannot be written.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DatasetError(f"no folder {root}; expected imagenet-r as it is unpacked")
    classes = sorted(child.name for child in root.iterdir() if child.is_dir() and re.fullmatch(r"n\d{8}", child.name))
    if not classes:
        raise DatasetError(
            f"{root} holds no folders of classes such as n01443537; expected imagenet-r as it is unpacked"
        )
    known = _class_names(root / "README.txt" if names is None else Path(names))
    if missing := [wnid for wnid in classes if wnid not in known]:
        raise DatasetError(f"{len(missing)} classes have no name, such as {missing[0]}; give a file of names")
    queries = list(dict.fromkeys(known[wnid] for wnid in classes))
    images: list[dict[str, str]] = []
    right: list[tuple[int, int]] = []
    for wnid in classes:
        for path in sorted((root / wnid).iterdir()):
            if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
                right.append((queries.index(known[wnid]), len(images)))
                images.append({"file_name": f"{wnid}/{path.name}", "wnid": wnid, "rendition": path.stem.split("_")[0]})
    filled = sorted({query for query, _ in right})
    if len(filled) < len(queries):
        logger.warning("%s: %d of its classes hold no picture", root, len(queries) - len(filled))
    new = {query: number for number, query in enumerate(filled)}
    return Judged(
        name="imagenet-r",
        root=root,
        images=images,
        queries=[queries[query] for query in filled],
        right=[(new[query], number) for query, number in right],
        about={"benchmark": "ImageNet-R"},
        card=_RENDITIONS_CARD.format(n_images=len(images), n_queries=len(filled)),
    ).write(out)


def _class_names(path: Path) -> dict[str, str]:
    """Names of classes by WordNet id, with spaces for underscores."""
    if path.suffix == ".json":
        found = read_json(path)
        if not isinstance(found, dict):
            raise DatasetError(f"{path} is no JSON object of names")
    else:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ArtifactError(f"{path}, the names of the classes, cannot be read: {error}") from error
        found = {match[1]: match[2] for line in lines if (match := _WNID.fullmatch(line.strip()))}
    return {str(wnid): str(name).replace("_", " ").strip() for wnid, name in found.items()}


# Cards --------------------------------------------------------------------------------------------------------

_FROM_AUTHORS = """Which pictures hold an occluded object, and which hold none of the category ({n_wrong} times), is
what the authors of ELIP judged and publish. Of {n_unsaid} queries and pictures they say nothing: these are passed
over."""
_FROM_MASKS = """{n_ignored} times a picture is passed over: all objects of the category are in full view. Every other
picture is wrong.

Which objects are occluded was **guessed from COCO's masks**; it is not what the authors of ELIP
judged, so that numbers are not comparable with theirs. Of two objects that reach into one another's convex hulls, the
one that would gain more is taken to be behind (the rule "Convex" of Zhan et al., "Self-supervised scene de-occlusion",
CVPR 2020); it is occluded when at least {hidden} of it is hidden. Crowds and objects of fewer
than {px} pixels never are."""

_OCCLUDED_CARD = """# Occluded COCO

{n_images} pictures of COCO, {n_queries} queries: bare names of categories, without "person". {n_right} times a picture
is right: it holds an occluded object of the category. As in ELIP (Zhan et al., 2025); the metric is mAP.

{how}

Pictures and annotations are COCO's (Lin et al., 2014; annotations CC BY 4.0, pictures under the terms of Flickr).
"""

_RENDITIONS_CARD = """# ImageNet-R

{n_images} renditions, {n_queries} queries: bare names of classes. All pictures of a class are right, all others wrong.
As in ELIP (Zhan et al., 2025); the metric is mAP.

Pictures are those of Hendrycks et al., "The many faces of robustness", ICCV 2021.
"""
