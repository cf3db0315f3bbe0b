"""Changes of pictures that leave their captions true."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from luneta.finetuning.augmentation import Augmentation, may_mirror
from paintings import painting

MIRROR_ONLY = Augmentation(smallest=1.0, strength=0.0, mirror=1.0)


def half_and_half() -> Image.Image:
    """White on the left, black on the right."""
    picture = Image.new("RGB", (40, 30), "black")
    picture.paste("white", (0, 0, 20, 30))
    return picture


@pytest.mark.parametrize(
    "caption",
    ["a cat left of a dog", "on the RIGHT side", "the leftmost house", "um gato à direita", "os carros da esquerda",
     "uma placa na rua", "a stop sign", "the word love", "a T-shirt with letters", "bus number 7", "sentido horário",
     "la casa de la derecha", "das linke Haus", "left-hand traffic", "facing rightwards"],
)  # fmt: skip
def test_never_mirrored_where_a_caption_names_a_side_or_a_text(caption: str) -> None:
    assert not may_mirror(["a cat on a mat", caption])
    changed = MIRROR_ONLY(half_and_half(), ["a cat", caption], np.random.default_rng(0))
    assert changed.getpixel((2, 15))[0] > changed.getpixel((37, 15))[0]


@pytest.mark.parametrize("caption", ["a cat on a mat", "um gato no tapete", "bright lights", "the wright brothers", ""])
def test_mirrored_where_none_does(caption: str) -> None:
    changed = MIRROR_ONLY(half_and_half(), [caption], np.random.default_rng(0))
    assert changed.getpixel((2, 15))[0] < changed.getpixel((37, 15))[0]


def test_the_same_for_equal_generators_and_small() -> None:
    picture = painting(3)
    first, again, other = (Augmentation()(picture, ["left"], np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes() != other.tobytes()
    for seed in range(20):
        changed = Augmentation()(picture, ["left"], np.random.default_rng(seed))
        assert changed.width * changed.height >= 0.75 * picture.width * picture.height
        whole = np.asarray(changed.resize(picture.size), dtype=float)
        assert abs(whole.mean() - np.asarray(picture, dtype=float).mean()) < 25


def test_one_pixel_survives() -> None:
    assert Augmentation()(Image.new("RGB", (1, 1)), [""], np.random.default_rng(0)).size == (1, 1)
