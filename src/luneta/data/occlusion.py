"""Which objects of a picture stand behind others, from their masks alone.

COCO's masks show what is visible and say nothing of order. Two things are told from them:

- A *hidden part* of an object is guessed by its convex hull: what of the hull belongs to another object. Of two objects
  that reach into one another's hulls, the one that would gain more is taken to be behind. (The rule "Convex" of Zhan,
  Pan, Dai, Liu, Lin and Loy, "Self-supervised scene de-occlusion", CVPR 2020, against which they compare theirs.)
- An object is *separated* when its mask has several parts and what lies between them belongs to something before it.
  The hull says so too, so it needs no rule of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from luneta.errors import DatasetError

Mask = NDArray[np.bool_]
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Instance:
    """An object in a picture.

    Attributes:
        mask: (height, width) its visible pixels.
        hull: (height, width) their convex hull.
    """

    mask: Mask
    hull: Mask

    @classmethod
    def of(cls, segmentation: Any, height: int, width: int) -> Instance:
        """From COCO's polygons or uncompressed run lengths.

        Raises:
            DatasetError: it is neither.
        """
        if isinstance(segmentation, list) and all(isinstance(part, list) and len(part) >= 6 for part in segmentation):
            polygons = [np.array(part, dtype=np.float64)[: len(part) // 2 * 2].reshape(-1, 2) for part in segmentation]
            mask = _drawn(polygons, height, width)
            return cls(mask, mask | _drawn([_hull(np.concatenate(polygons))], height, width))
        counts = segmentation.get("counts") if isinstance(segmentation, Mapping) else None
        if not isinstance(counts, list) or sum(counts) != height * width:
            raise DatasetError(
                "a segmentation is neither polygons nor plain run lengths of the picture's size (COCO's annotations of "
                "instances have no other)"
            )
        runs = np.repeat(np.arange(len(counts)) % 2 == 1, counts)  # of columns, zeros first
        mask = runs.reshape(width, height).T
        corners = np.argwhere(mask)[:, ::-1].astype(np.float64)
        return cls(mask, mask | _drawn([_hull(corners)], height, width))


def hidden_shares(instances: Sequence[Instance]) -> NDArray[np.float64]:
    """(n,) how much of each object is hidden by others, as a share of what it would be without them."""
    n = len(instances)
    reach = np.zeros((n, n))  # [i, j]: pixels of j within the hull of i, outside its mask
    boxes = [_box(instance.hull) for instance in instances]
    for i, (one, (top, bottom, left, right)) in enumerate(zip(instances, boxes, strict=True)):
        here = slice(top, bottom + 1), slice(left, right + 1)
        gap = one.hull[here] & ~one.mask[here]
        for j in (j for j in range(n) if j != i and _meet(boxes[i], boxes[j])):
            reach[i, j] = np.count_nonzero(gap & instances[j].mask[here])
    hidden = np.where(reach > reach.T, reach, 0).sum(axis=1)
    visible = np.array([np.count_nonzero(instance.mask) for instance in instances], dtype=np.float64)
    shares: NDArray[np.float64] = hidden / np.maximum(visible + hidden, 1)
    return shares


def _drawn(polygons: Sequence[Points], height: int, width: int) -> Mask:
    image = Image.new("1", (width, height))
    pen = ImageDraw.Draw(image)
    for polygon in polygons:
        if len(polygon) > 1:
            pen.polygon([tuple(point) for point in polygon.tolist()], fill=1)
    return np.asarray(image, dtype=bool)


def _hull(points: Points) -> Points:
    """Corners of the convex hull, in order (Andrew's monotone chain, 1979)."""
    ordered = sorted(set(map(tuple, points.tolist())))
    if len(ordered) < 3:
        return np.array(ordered)
    chains: list[list[tuple[float, float]]] = []
    for direction in (ordered, ordered[::-1]):
        chain: list[tuple[float, float]] = []
        for point in direction:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        chains.append(chain[:-1])
    return np.array(chains[0] + chains[1])


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    """Above 0 where the way from a over b to c turns to one side, below where to the other."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _box(mask: Mask) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of what is set; all 0 where nothing is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])) if len(rows) else (0, 0, 0, 0)


def _meet(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1] and one[2] <= other[3] and other[2] <= one[3]
