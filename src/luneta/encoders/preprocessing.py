"""From a picture to what the image tower reads: the checkpoint's own recipe, computed faster than the library does.

The library's reference back end turns every picture into arrays, to Pillow, and back, one at a time. Here a picture
is resized as bytes by PyTorch's antialiased interpolation (the same filter in fixed point, at most one grey level
off), cropped, kept as bytes, and normalised while its batch is put together. Recipes that are not resize - crop -
rescale - normalise are left to the library's processor, never approximated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from luneta.errors import ShapeError

if TYPE_CHECKING:
    from PIL.Image import Image

VERSION = 1
"""Part of every fingerprint: raised when this module starts to give other pixels."""

_PILLOW_FILTERS = {"bilinear": 2, "bicubic": 3}  # PIL.Image.Resampling

Bytes = NDArray[np.uint8]
Inputs = dict[str, torch.Tensor]


class ImagePreparation(Protocol):
    """One picture at a time in any thread (`prepare`), then a batch for the model (`collate`)."""

    @property
    def details(self) -> dict[str, Any]:
        """Everything that decides the pixels, for the fingerprint."""
        ...

    def prepare(self, image: Image) -> Any: ...

    def collate(self, prepared: Sequence[Any]) -> Inputs: ...


@dataclass(frozen=True)
class Affine:
    """Byte -> model value, for each channel: value = byte * scale + shift."""

    scale: tuple[float, float, float]
    shift: tuple[float, float, float]

    def apply(self, values: Bytes, out: NDArray[np.float32]) -> None:
        """(3, height, width) or (n, 3) bytes -> float32 in `out`.

        By NumPy, picture by picture: it stays in the processor's cache and in one thread, ten times faster than the
        same two operations of PyTorch on a whole batch.
        """
        shape = (3, 1, 1) if values.ndim == 3 else (1, 3)
        scale, shift = (np.asarray(part, dtype=np.float32).reshape(shape) for part in (self.scale, self.shift))
        np.multiply(values, scale, out=out, dtype=np.float32)
        np.add(out, shift, out=out)


@dataclass(frozen=True)
class Squares:
    """Resize, centre crop, normalise: CLIP, SigLIP, ALIGN, AltCLIP, Chinese CLIP.

    Attributes:
        size: (height, width) to squash to, or one number: the shorter edge, keeping the aspect ratio.
        crop: (height, width) cut from the centre, with black where the picture is smaller; None for no crop.
        resample: "bilinear" or "bicubic".
        affine: the normalisation.
    """

    size: int | tuple[int, int]
    crop: tuple[int, int] | None
    resample: str
    affine: Affine

    @property
    def details(self) -> dict[str, Any]:
        return {"by": "luneta", "version": VERSION, **asdict(self)}

    def prepare(self, image: Image) -> Bytes:
        """RGB picture -> (3, height, width) bytes."""
        size = self.size if isinstance(self.size, tuple) else shorter_edge_size(image.height, image.width, self.size)
        planes = resize(image, size, self.resample)
        return planes if self.crop is None else centre_crop(planes, self.crop)

    def collate(self, prepared: Sequence[Bytes]) -> Inputs:
        values = np.empty((len(prepared), *prepared[0].shape), dtype=np.float32)
        for picture, out in zip(prepared, values, strict=True):
            self.affine.apply(picture, out)
        return {"pixel_values": torch.from_numpy(values)}


@dataclass(frozen=True)
class Patches:
    """Resize to as many whole patches as allowed, keeping the aspect ratio: SigLIP 2 NaFlex."""

    patch_size: int
    max_patches: int
    resample: str
    affine: Affine

    @property
    def details(self) -> dict[str, Any]:
        return {"by": "luneta", "version": VERSION, **asdict(self)}

    def prepare(self, image: Image) -> tuple[Bytes, tuple[int, int]]:
        """RGB picture -> ((n_patches, patch_size^2 * 3) bytes, (rows, columns) of patches)."""
        size = patched_size(image.height, image.width, self.patch_size, self.max_patches)
        rows, columns = size[0] // self.patch_size, size[1] // self.patch_size
        planes = resize(image, size, self.resample)
        grid = planes.reshape(3, rows, self.patch_size, columns, self.patch_size).transpose(1, 3, 2, 4, 0)
        return grid.reshape(rows * columns, -1), (rows, columns)

    def collate(self, prepared: Sequence[tuple[Bytes, tuple[int, int]]]) -> Inputs:
        """Patches beyond a picture's own are zero and masked, as the library leaves them."""
        n, width = len(prepared), self.patch_size**2 * 3
        values = np.zeros((n, self.max_patches, width), dtype=np.float32)
        mask = np.zeros((n, self.max_patches), dtype=np.int32)
        for row, (patches, _) in enumerate(prepared):
            self.affine.apply(patches.reshape(-1, 3), values[row, : len(patches)].reshape(-1, 3))
            mask[row, : len(patches)] = 1
        shapes = np.asarray([shape for _, shape in prepared], dtype=np.int64)
        arrays = {"pixel_values": values, "pixel_attention_mask": mask, "spatial_shapes": shapes}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


class LibraryPreparation:
    """Any other recipe, by the library's own processor."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        settings = json.loads(processor.to_json_string())
        settings.pop("processor_class", None)
        self.details: dict[str, Any] = {"by": "transformers", "settings": settings}

    def prepare(self, image: Image) -> dict[str, NDArray[Any]]:
        batch = self._processor(images=[_rgb(image)], return_tensors="np")
        return {name: np.asarray(values) for name, values in batch.items()}

    def collate(self, prepared: Sequence[dict[str, NDArray[Any]]]) -> Inputs:
        return {name: torch.from_numpy(np.concatenate([item[name] for item in prepared])) for name in prepared[0]}


def preparation_of(processor: Any) -> ImagePreparation:
    """Our own preparation when it can do exactly what `processor` (of transformers, Pillow back end) does.

    Raises:
        ValueError: a mean or deviation that is no number or three, or a deviation that nothing can be divided by.
    """
    plain = _plain_recipe(processor)
    if plain is None:
        return LibraryPreparation(processor)
    resample, affine = plain
    if type(processor).__name__ == "Siglip2ImageProcessorPil":
        return Patches(processor.patch_size, processor.max_num_patches, resample, affine)
    size = _size_of(processor.size)
    crop = _size_of(processor.crop_size) if processor.do_center_crop else None
    if size is None or isinstance(crop, int) or (processor.do_center_crop and crop is None):
        return LibraryPreparation(processor)
    if crop is None and isinstance(size, int):  # pictures of different shapes: no batch of squares
        return LibraryPreparation(processor)
    return Squares(size, crop, resample, affine)


def _plain_recipe(processor: Any) -> tuple[str, Affine] | None:
    """(filter, normalisation), or None when a step of the processor is not one of ours."""
    from transformers.image_processing_backends import PilBackend

    cls = type(processor)
    steps = ("process_image", "resize", "center_crop", "rescale", "normalize", "_preprocess", "preprocess")
    known = cls.__name__ in ("EfficientNetImageProcessorPil", "Siglip2ImageProcessorPil")
    if not isinstance(processor, PilBackend):
        return None
    if not known and any(getattr(cls, step) is not getattr(PilBackend, step) for step in steps):
        return None
    resample = {number: name for name, number in _PILLOW_FILTERS.items()}.get(processor.resample)
    if resample is None or not processor.do_resize or getattr(processor, "do_pad", None):
        return None
    return resample, _affine_of(processor)


def _affine_of(processor: Any) -> Affine:
    """All of rescale, offset and normalise as one product and sum."""
    scale = np.full(3, processor.rescale_factor if processor.do_rescale else 1.0)
    shift = np.full(3, -1.0 if processor.do_rescale and getattr(processor, "rescale_offset", False) else 0.0)
    if processor.do_normalize:
        mean, std = _per_channel(processor, "image_mean"), _per_channel(processor, "image_std")
        scale, shift = scale / std, (shift - mean) / std
    if getattr(processor, "include_top", False):
        std = _per_channel(processor, "image_std")
        scale, shift = scale / std, shift / std
    return Affine(
        (scale[0].item(), scale[1].item(), scale[2].item()), (shift[0].item(), shift[1].item(), shift[2].item())
    )


def _per_channel(processor: Any, name: str) -> NDArray[np.float64]:
    """One number for all three channels, or one for each."""
    given = np.asarray(getattr(processor, name), dtype=np.float64)
    if (
        given.shape not in ((), (1,), (3,))
        or not np.isfinite(given).all()
        or (name == "image_std" and given.min() <= 0)
    ):
        expected = "three numbers above 0" if name == "image_std" else "three numbers"
        raise ValueError(f"{name} is {getattr(processor, name)}, expected {expected}")
    return np.broadcast_to(given, 3)


def _size_of(size: Any) -> int | tuple[int, int] | None:
    """Shorter edge or (height, width) of a size as the library keeps it; None for any other kind."""
    given = {key: value for key, value in dict(size or {}).items() if value is not None}
    if given.keys() == {"shortest_edge"}:
        return int(given["shortest_edge"])
    if given.keys() == {"height", "width"}:
        return int(given["height"]), int(given["width"])
    return None


# -- pixels ----------------------------------------------------------------------------------------------------


def _rgb(image: Image) -> Image:
    mode = getattr(image, "mode", None)
    if mode != "RGB":
        found = f"a picture in mode {mode}" if mode else f"a {type(image).__name__}"
        raise ShapeError(f"expected an RGB picture of Pillow, got {found}; luneta.data.images opens any file as RGB")
    return image


def resize(image: Image, size: tuple[int, int], resample: str) -> Bytes:
    """RGB picture -> (3, height, width) bytes, with antialiasing as Pillow's and at most one grey level off.

    PyTorch's kernel for interleaved bytes does what Pillow does, several times faster and in the calling thread alone,
    so that worker threads do not fight with the model over the cores. Where the two can differ by more, which is on
    small and on very tall pictures, Pillow itself is used.
    """
    old = _rgb(image).height, image.width
    if old == size:
        return _planes(np.asarray(image))
    if _differs_from_pillow(old, size, resample):
        return _planes(np.asarray(image.resize(size[::-1], resample=_PILLOW_FILTERS[resample])))
    pixels = torch.from_numpy(np.array(image))
    planes = pixels.permute(2, 0, 1).unsqueeze(0)  # (1, 3, height, width), interleaved in memory
    resized = torch.nn.functional.interpolate(planes, size=size, mode=resample, align_corners=False, antialias=True)
    return resized[0].numpy()


def _differs_from_pillow(old: tuple[int, int], new: tuple[int, int], resample: str) -> bool:
    """Whether some value may be two grey levels off, from the (height, width) before and after."""
    shrink = old[0] - new[0], old[1] - new[1]
    if min(shrink) < 0:
        return True  # the few weights of a pixel are rounded more coarsely than Pillow's
    if resample == "bicubic" and (old[0] < 2 * new[0] or old[1] < 2 * new[1]):
        return True  # the same, for one value in a million
    # Pillow 13 shrinks such a picture's height before its width, and what lies between is rounded and clipped.
    return shrink[0] > 2 * shrink[1]


def _planes(pixels: Bytes) -> Bytes:
    """(height, width, 3) -> (3, height, width); by NumPy, which starts no threads."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def shorter_edge_size(height: int, width: int, edge: int) -> tuple[int, int]:
    """(height, width) with the shorter side `edge` long; the longer one is cut down to a whole number, as CLIP's.

    >>> shorter_edge_size(480, 640, 224), shorter_edge_size(641, 480, 224)
    ((224, 298), (299, 224))
    """
    longer = int(edge * max(height, width) / min(height, width))
    return (longer, edge) if width <= height else (edge, longer)


def centre_crop(planes: Bytes, size: tuple[int, int]) -> Bytes:
    """The centre of (3, height, width), black where the picture is smaller; an odd remainder goes right and below."""
    height, width = planes.shape[1:]
    tall, wide = size
    if tall > height or wide > width:
        return _padded_crop(planes, size)
    top, left = (height - tall) // 2, (width - wide) // 2
    return np.ascontiguousarray(planes[:, top : top + tall, left : left + wide])


def _padded_crop(planes: Bytes, size: tuple[int, int]) -> Bytes:
    """The picture in the middle of a black canvas as large as both, cut to `size`; the library's rounding."""
    height, width = planes.shape[1:]
    canvas = np.zeros((3, max(height, size[0]), max(width, size[1])), dtype=planes.dtype)
    down, right = math.ceil((canvas.shape[1] - height) / 2), math.ceil((canvas.shape[2] - width) / 2)
    canvas[:, down : down + height, right : right + width] = planes
    top, left = (height - size[0]) // 2 + down, (width - size[1]) // 2 + right
    return np.ascontiguousarray(canvas[:, top : top + size[0], left : left + size[1]])


def patched_size(height: int, width: int, patch: int, max_patches: int) -> tuple[int, int]:
    """The largest (height, width) in whole patches, at most `max_patches` of them, near the picture's aspect ratio.

    The scale is found by bisection between the same bounds and to the same precision as in the library, since
    another search would round some pictures to another grid.
    """

    def scaled(scale: float, length: int) -> int:
        return max(patch, math.ceil(length * scale / patch) * patch)

    precision = 1e-5
    low, high = precision / 10, 100.0
    while high - low >= precision:
        middle = (low + high) / 2
        if (scaled(middle, height) / patch) * (scaled(middle, width) / patch) <= max_patches:
            low = middle
        else:
            high = middle
    return scaled(low, height), scaled(low, width)
