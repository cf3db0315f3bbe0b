"""Whether pictures reach the tower as they should: measured with test pictures on what the tower really reads.

The same test pictures go through the encoder's own preparation and through the library's processor as the
checkpoint records it. What is measured on each is compared, and with what the family was trained with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from luneta.doctor.findings import Check, Verdict
from luneta.doctor.probes import Subject
from luneta.types import Training

if TYPE_CHECKING:
    from PIL.Image import Image

Read = Callable[[Sequence["Image"]], Mapping[str, NDArray[Any]]]
Channels = tuple[float, float, float]

_FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}  # PIL.Image.Resampling
_TRAINED_FILTERS = ("bilinear", "bicubic")
_NAMES = ("resize", "interpolation", "mean and deviation")
_RESIZES = {
    "crop": "the centre is cut out, the edges are not seen",
    "squash": "the whole picture is seen, squashed",
    "keep": "the whole picture is seen in its own aspect ratio",
    "bars": "the whole picture is seen between bars",
    "other": "neither a centre crop nor the whole picture is seen",
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What test pictures show of a preparation.

    Attributes:
        resize: what happens to a picture twice as wide as high; a key of `_RESIZES`.
        seen: share of its width and of its height that is seen.
        filter: the interpolation; None where it is none we know, or cannot be measured.
        mean: of each channel, 0 to 1.
        deviation: of each channel.
    """

    resize: str
    seen: tuple[float, float]
    filter: str | None
    mean: Channels
    deviation: Channels


def image_recipe(subject: Subject) -> list[Check]:
    """Resizing, interpolation and normalisation."""
    anatomy = subject.anatomy
    if anatomy is None:
        return [Check(name, "not known", "the encoder does not show what its image tower reads") for name in _NAMES]
    used = measure(anatomy.image_inputs)
    recorded = measure(anatomy.recorded_image_inputs)
    if used is None or recorded is None:
        measured = "black and white pictures reach the tower as one: its pixels say nothing"
        return [Check("mean and deviation", "fail", measured)]
    training = anatomy.training
    return [
        _resize(used, recorded, training),
        _interpolation(used, recorded),
        _normalisation(used, recorded, training),
    ]


def _resize(used: Recipe, recorded: Recipe, training: Training) -> Check:
    width, height = used.seen
    numbers = {"seen_width": width, "seen_height": height}
    measured = f"{_RESIZES[used.resize]} ({width:.0%} of the width, {height:.0%} of the height of a 2:1 picture)"
    if used.resize != recorded.resize or max(abs(a - b) for a, b in zip(used.seen, recorded.seen, strict=True)) > 0.05:
        return Check(
            "resize", "fail", f"{measured}; as the checkpoint records it, {_RESIZES[recorded.resize]}", numbers
        )
    if used.resize not in training.resizes:
        usual = " or ".join(_RESIZES[resize] for resize in training.resizes)
        verdict: Verdict = "fail" if training.strict_pictures else "warn"
        return Check("resize", verdict, f"{measured}; in the training of {training.family}, {usual}", numbers)
    return Check("resize", "pass", measured, numbers)


def _interpolation(used: Recipe, recorded: Recipe) -> Check:
    numbers = {"filter": used.filter, "recorded": recorded.filter}
    if used.resize == "keep" and recorded.resize == "keep":
        return Check("interpolation", "not known", "cannot be measured where each picture has its own grid", numbers)
    measured = used.filter or "no filter of Pillow's"
    if used.filter != recorded.filter:
        measured = f"{measured}; as the checkpoint records it, {recorded.filter or 'no filter of Pillow'}"
        return Check("interpolation", "fail", measured, numbers)
    if used.filter == "nearest":
        measured = "nearest neighbour, as the checkpoint records it; no family was trained with it"
        return Check("interpolation", "fail", measured, numbers)
    if used.filter not in _TRAINED_FILTERS:
        return Check("interpolation", "warn", f"{measured}; training uses bilinear or bicubic", numbers)
    return Check("interpolation", "pass", measured, numbers)


def _normalisation(used: Recipe, recorded: Recipe, training: Training) -> Check:
    numbers = {"mean": list(used.mean), "deviation": list(used.deviation)}
    measured = _channels(used.mean, used.deviation)
    if not _near(used, recorded.mean, recorded.deviation):
        measured += f"; as the checkpoint records it, {_channels(recorded.mean, recorded.deviation)}"
        return Check("mean and deviation", "fail", measured, numbers)
    if training.mean and training.deviation and not _near(used, training.mean, training.deviation):
        verdict: Verdict = "fail" if training.strict_pictures or _raw(used) else "warn"
        measured += f"; {training.family} was trained with {_channels(training.mean, training.deviation)}"
        return Check("mean and deviation", verdict, measured, numbers)
    return Check("mean and deviation", "pass", measured, numbers)


def _near(used: Recipe, mean: Channels, deviation: Channels) -> bool:
    return np.allclose(used.mean, mean, atol=0.01) and np.allclose(used.deviation, deviation, atol=0.01)


def _raw(recipe: Recipe) -> bool:
    """Whether pixels are not normalised at all: bytes, or 0 to 1."""
    return np.allclose(recipe.mean, 0, atol=0.01) and (
        np.allclose(recipe.deviation, 1, atol=0.01) or max(recipe.deviation) < 0.01
    )


def _channels(mean: Channels, deviation: Channels) -> str:
    shown = [", ".join(f"{value:.3g}" for value in values) for values in (mean, deviation)]
    return f"mean {shown[0]} and deviation {shown[1]}"


# -- measuring -------------------------------------------------------------------------------------------------


def measure(read: Read) -> Recipe | None:
    """What test pictures show of `read`; None where black and white come out the same."""
    from PIL import Image

    solid = {level: _colours(read([Image.new("RGB", (256, 256), (level,) * 3)])) for level in (0, 255)}
    black, white = (solid[level].reshape(3, -1).mean(axis=1) for level in (0, 255))
    if np.any(white == black):
        return None
    deviation = 1 / (white - black)
    mean = -black * deviation
    inputs = read([_ramps(512, 256)])
    colours = _colours(inputs)
    shown = colours.reshape(3, -1) * deviation[:, None] + mean[:, None]
    height, width = colours.shape[1:] if colours.ndim == 3 else (np.inf, np.inf)
    # From the middle of the first pixel to the middle of the last: one pixel less than what is seen.
    seen = (float(np.ptp(shown[0]) / (1 - 1 / width)), float(np.ptp(shown[1]) / (1 - 1 / height)))
    resize = "keep" if "spatial_shapes" in inputs else _kind_of(seen, shown[2])
    sharp = None if resize == "keep" else _filter(read, seen, mean, deviation)
    return Recipe(resize, seen, sharp, _three(mean), _three(deviation))


def _colours(inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """The only picture of a batch as (3, height, width), or (3, n) where it is cut into patches."""
    values: NDArray[np.float64] = np.asarray(inputs["pixel_values"], dtype=np.float64)[0]
    if "pixel_attention_mask" in inputs:
        values = values[np.asarray(inputs["pixel_attention_mask"])[0] > 0]
    return values.reshape(-1, 3).T if "spatial_shapes" in inputs else values


def _ramps(width: int, height: int) -> Image:
    """Red rises to the right, green downwards, blue is full: what is left of each tells what was cut off."""
    from PIL import Image

    pixels = np.full((height, width, 3), 255, dtype=np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width).round()[None, :]
    pixels[..., 1] = np.linspace(0, 255, height).round()[:, None]
    return Image.fromarray(pixels, "RGB")


def _kind_of(seen: tuple[float, float], blue: NDArray[np.float64]) -> str:
    if blue.min() < 0.5:
        return "bars"
    ratio = seen[0] / seen[1] if seen[1] else 0.0
    return "squash" if ratio > 0.9 else "crop" if 0.4 < ratio < 0.6 else "other"


def _filter(
    read: Read, seen: tuple[float, float], mean: NDArray[np.float64], deviation: NDArray[np.float64]
) -> str | None:
    """The filter of Pillow's whose picture is nearest, if it is near: noise, shrunk to less than half."""
    from PIL import Image

    probe = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8), "RGB")
    height, width = _colours(read([probe])).shape[1:]
    noise = np.random.default_rng(1).integers(0, 256, (round(2.3 * height), round(2.3 * width), 3), dtype=np.uint8)
    picture = Image.fromarray(noise, "RGB")
    got = (_colours(read([picture])) * deviation[:, None, None] + mean[:, None, None]) * 255
    share = max(seen[1], 0.1)  # of the height: what is less than whole was cut off after resizing
    errors: dict[str, float] = {}
    margin = round(height / share) - height
    for more in sorted({0, margin - 1, margin, margin + 1}):
        whole = max(height + more, height), max(width + more, width)
        top, left = (whole[0] - height) // 2, (whole[1] - width) // 2
        for name, number in _FILTERS.items():
            resized = np.asarray(picture.resize(whole[::-1], Image.Resampling(number)), dtype=np.float64)
            cut = resized[top : top + height, left : left + width].transpose(2, 0, 1)
            errors[name] = min(float(np.abs(got - cut).mean()), errors.get(name, np.inf))
    best = min(errors, key=lambda name: errors[name])
    return best if errors[best] < 2 else None


def _three(values: NDArray[np.float64]) -> Channels:
    return float(values[0]), float(values[1]), float(values[2])
