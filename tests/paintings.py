"""Pictures held in memory that look like nothing but differ clearly, and data sets of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from PIL import Image

from luneta.data.dataset import ImageTextDataset
from luneta.errors import ImageError


def painting(seed: int, side: int = 64) -> Image.Image:
    """Soft patches of colour, other ones for every seed."""
    patches = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return Image.fromarray(patches, "RGB").resize((side, side), Image.Resampling.BICUBIC)


@dataclass(frozen=True)
class Held:
    """A picture in memory; `comment` changes its file but not its pixels."""

    label: str
    image: Image.Image | None
    comment: str = ""

    def key(self) -> str:
        pixels = b"broken" + self.label.encode() if self.image is None else self.image.tobytes()
        return hashlib.sha256(pixels + self.comment.encode()).hexdigest()

    def open(self) -> Image.Image:
        if self.image is None:
            raise ImageError("truncated file")
        return self.image.copy()


def gallery(
    images: Sequence[Held],
    captions: Sequence[Sequence[str]],
    *,
    name: str = "gallery",
    columns: Mapping[str, Sequence[object]] | None = None,
) -> ImageTextDataset:
    """A data set in which the captions at each place belong to the image at that place."""
    owner = np.repeat(np.arange(len(images)), [len(own) for own in captions])
    return ImageTextDataset(
        name=name,
        images=list(images),
        texts=[text for own in captions for text in own],
        pairs=np.stack([np.arange(len(owner)), owner], axis=1),
        rows=pa.table({"row": list(range(len(images))), **(columns or {})}),
        image_rows=np.arange(len(images)),
        text_rows=owner,
        n_source_rows=len(images),
    )
