"""How many planted near-duplicates are found, how many pairs are linked wrongly, and how the search scales.

    python benchmarks/groups.py [--stamps FOLDER]

Every original is planted once more in one way; precision counts every linked pair of different originals as wrong,
unless the two originals are linked as they are, without anything planted: such pairs are counted and listed apart, for
a person to judge. Synthetic signatures are smooth random pictures, a tenth of them planted twice.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from luneta.data.cenas import open_cenas
from luneta.data.near_images import near_images
from luneta.data.neighbours import neighbours
from luneta.data.signatures import SIDE, Signatures, thumbnail

Rng = np.random.Generator
Picture = Image.Image


def resized(image: Picture, rng: Rng) -> Picture:
    factor = float(rng.choice([0.5, 0.75, 1.5]))
    size = tuple(max(8, round(side * factor)) for side in image.size)
    return image.resize(size, Image.Resampling.BICUBIC)


def reencoded(image: Picture, rng: Rng) -> Picture:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=50)
    return Image.open(stream).convert("RGB")


def cropped(image: Picture, rng: Rng) -> Picture:
    """5 % of the width and of the height, taken off anywhere."""
    width, height = (round(side * 0.95) for side in image.size)
    left, top = int(rng.integers(image.width - width + 1)), int(rng.integers(image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


def cropped_all_round(image: Picture, rng: Rng) -> Picture:
    """5 % off each of the four sides."""
    x, y = round(image.width * 0.05), round(image.height * 0.05)
    return image.crop((x, y, image.width - x, image.height - y))


def flipped(image: Picture, rng: Rng) -> Picture:
    return ImageOps.mirror(image)


def recoloured(image: Picture, rng: Rng, degrees: float = 15) -> Picture:
    """Hue turned, saturation halved to one and a half, brightness and contrast by a fifth."""
    hsv = np.array(image.convert("HSV")).astype(np.int64)
    hsv[..., 0] = (hsv[..., 0] + round(degrees / 360 * 256) * rng.choice([-1, 1])) % 256
    image = Image.fromarray(hsv.astype(np.uint8), "HSV").convert("RGB")
    for enhance, spread in ((ImageEnhance.Color, 0.5), (ImageEnhance.Brightness, 0.2), (ImageEnhance.Contrast, 0.2)):
        image = enhance(image).enhance(rng.uniform(1 - spread, 1 + spread))
    return image


def recoloured_strongly(image: Picture, rng: Rng) -> Picture:
    return recoloured(image, rng, degrees=30)


def greyed(image: Picture, rng: Rng) -> Picture:
    return image.convert("L").convert("RGB")


WAYS: dict[str, Callable[[Picture, Rng], Picture]] = {
    "resized to 1/2, 3/4 or 3/2": resized,
    "JPEG quality 50": reencoded,
    "cropped by 5 %": cropped,
    "cropped by 5 % on every side": cropped_all_round,
    "flipped": flipped,
    "recoloured, hue by 15 degrees": recoloured,
    "recoloured, hue by 30 degrees": recoloured_strongly,
    "greyscale": greyed,
}


def signatures(pictures: Sequence[Picture]) -> Signatures:
    thumbnails = np.stack([thumbnail(picture) for picture in pictures])
    aspects = np.array([picture.width / picture.height for picture in pictures], dtype=np.float32)
    return Signatures(thumbnails, aspects, tuple(map(str, range(len(pictures)))), {})


def measure(name: str, originals: Sequence[Picture], labels: Sequence[str]) -> None:
    n = len(originals)
    alone = near_images(signatures(originals), np.arange(n)).pairs
    print(f"\n{name}: {n} originals, {len(alone)} pairs of them linked as they are, of {n * (n - 1) // 2:,}")
    for first, second in alone.tolist():
        print(f"    {labels[first]}  {labels[second]}")
    known = {tuple(pair) for pair in alone.tolist()}
    print("| planted | recall | precision | wrong pairs | repeats of pairs linked as they are |")
    print("| --- | --- | --- | --- | --- |")
    for way, change in WAYS.items():
        rng = np.random.default_rng(0)
        planted = [change(picture, rng) for picture in originals]
        found = near_images(signatures([*originals, *planted]), np.arange(2 * n)).pairs % n
        right = int((found[:, 0] == found[:, 1]).sum())
        others = [tuple(sorted(pair)) for pair in found[found[:, 0] != found[:, 1]].tolist()]
        wrong = sum(pair not in known for pair in others)
        print(f"| {way} | {right / n:.3f} | {right / (right + wrong):.3f} | {wrong} | {len(others) - wrong} |")


def distinct(pictures: Sequence[Picture], labels: Sequence[str]) -> tuple[list[Picture], list[str]]:
    kept = {
        (picture.size, picture.tobytes()): (picture, label) for picture, label in zip(pictures, labels, strict=True)
    }
    return [picture for picture, _ in kept.values()], [label for _, label in kept.values()]


def scale(n: int) -> None:
    """Seconds of one core for smooth random pictures, a tenth of them with a noisy copy."""
    rng = np.random.default_rng(0)
    small = rng.random((n, 5, 5, 3), dtype=np.float32)
    place = np.linspace(0, 4, SIDE)
    hat = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(5))).astype(np.float32)
    thumbnails = np.empty((n, SIDE, SIDE, 3), dtype=np.uint8)
    for start in range(0, n, 4096):
        smooth = np.einsum("ia,nabc,jb->nijc", hat, small[start : start + 4096], hat, optimize=True)
        thumbnails[start : start + 4096] = 255 * smooth
    copies = n // 10
    noisy = thumbnails[:copies].astype(np.int16) + rng.integers(-8, 9, (copies, SIDE, SIDE, 3))
    thumbnails[-copies:] = np.clip(noisy, 0, 255).astype(np.uint8)
    signed = Signatures(thumbnails, np.ones(n, dtype=np.float32), (), {})
    start = time.process_time()
    found = near_images(signed, np.arange(n))
    spent = time.process_time() - start
    right = int((found.pairs[:, 1] - found.pairs[:, 0] == n - copies).sum())
    print(f"{n:,} signatures: {spent:.1f} s, {right} of {copies} copies found, {len(found.pairs) - right} other pairs")


def scale_search(n: int, dim: int = 63) -> None:
    """Seconds of one core for the candidates alone."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(n, dim)).astype(np.float32) * (1 / (1 + np.arange(dim, dtype=np.float32) / 6))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    start = time.process_time()
    pairs, _ = neighbours(vectors, vectors, 0.4, 11)
    print(f"{n:,} vectors of {dim}: candidates in {time.process_time() - start:.1f} s, {len(pairs):,} of them")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stamps", type=Path, help="folder with an images/ folder in it")
    parser.add_argument("--cenas", type=int, default=1000, help="how many pictures of cenas:train")
    parser.add_argument("--synthetic", type=int, default=100_000)
    options = parser.parse_args()
    if options.cenas:
        data = open_cenas("cenas", split="train", limit=options.cenas)
        measure("Cenas", *distinct([ref.open() for ref in data.images], [ref.label for ref in data.images]))
    if options.stamps and (options.stamps / "images").is_dir():
        files = sorted((options.stamps / "images").iterdir())
        measure("Stamps", *distinct([Image.open(f).convert("RGB") for f in files], [f.stem for f in files]))
    else:
        print("\nStamps: not measured, name their folder with --stamps")
    if options.synthetic:
        for n in (options.synthetic // 10, options.synthetic):
            scale_search(n)
        scale(options.synthetic // 5)


if __name__ == "__main__":
    main()
