"""Our pixels against the library's own processor (Pillow back end): at most 0.02 apart in normalised units."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from luneta.encoders.preprocessing import LibraryPreparation, Patches, Squares, preparation_of
from luneta.errors import ShapeError

CLOSE = 0.02


def square(edge: int) -> dict[str, int]:
    return {"height": edge, "width": edge}


# As the preprocessor_config.json of the published checkpoints say.
RECIPES: dict[str, tuple[str, dict[str, Any]]] = {
    "clip-224": ("CLIPImageProcessorPil", {}),
    "clip-336": ("CLIPImageProcessorPil", {"size": {"shortest_edge": 336}, "crop_size": square(336)}),
    "clip-odd": ("CLIPImageProcessorPil", {"size": {"shortest_edge": 61}, "crop_size": {"height": 70, "width": 33}}),
    "chinese-clip": ("ChineseCLIPImageProcessorPil", {"size": square(224), "do_center_crop": False}),
    "siglip-224": ("SiglipImageProcessorPil", {}),
    "siglip2-256": ("SiglipImageProcessorPil", {"size": square(256), "resample": 2}),
    "align": (
        "EfficientNetImageProcessorPil",
        {
            "size": square(346),
            "crop_size": square(289),
            "do_center_crop": True,
            "resample": 2,
            "rescale_factor": 1 / 127.5,
            "rescale_offset": True,
            "do_normalize": False,
            "include_top": False,
        },
    ),
    "align-normalised": ("EfficientNetImageProcessorPil", {"size": square(64)}),
    "siglip2-naflex": ("Siglip2ImageProcessorPil", {}),
    "siglip2-naflex-small": ("Siglip2ImageProcessorPil", {"patch_size": 8, "max_num_patches": 25}),
}


def processor(recipe: str) -> Any:
    name, options = RECIPES[recipe]
    return getattr(transformers, name)(**options)


def picture(height: int, width: int, seed: int = 0) -> Image.Image:
    """Smooth shapes, hard edges and noise, the last two of which resampling filters disagree on first."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (max(2, height // 12), max(2, width // 12), 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    pixels[: height // 3, : width // 2] = rng.integers(0, 256, 3)
    pixels[height // 2 :] += rng.integers(-60, 61, pixels[height // 2 :].shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def differences(recipe: str, image: Image.Image) -> float:
    library = processor(recipe)
    ours = preparation_of(library)
    assert not isinstance(ours, LibraryPreparation)
    expected = library(images=[image], return_tensors="np")
    found = ours.collate([ours.prepare(image)])
    assert found.keys() == expected.keys()
    worst = 0.0
    for name, tensor in found.items():
        assert tensor.numpy().dtype == expected[name].dtype, name
        assert tensor.shape == expected[name].shape, name
        worst = max(worst, float(np.abs(tensor.numpy().astype(float) - expected[name]).max()))
    return worst


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(
    ("height", "width"),
    [(480, 640), (640, 480), (224, 224), (225, 223), (700, 90), (90, 700), (1, 300), (30, 20), (333, 500), (1100, 600)],
)
def test_pixels_agree_with_the_library(recipe: str, height: int, width: int) -> None:
    assert differences(recipe, picture(height, width)) <= CLOSE


@settings(max_examples=40)
@given(
    recipe=st.sampled_from(["clip-odd", "siglip2-naflex-small", "align-normalised"]),
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    seed=st.integers(0, 9),
)
def test_pixels_agree_for_any_shape(recipe: str, height: int, width: int, seed: int) -> None:
    assert differences(recipe, picture(height, width, seed)) <= CLOSE


def test_a_batch_is_its_pictures() -> None:
    for recipe in ("clip-224", "siglip2-naflex"):
        ours = preparation_of(processor(recipe))
        images = [picture(100, 150), picture(300, 80)]
        batch = ours.collate([ours.prepare(image) for image in images])
        for row, image in enumerate(images):
            alone = ours.collate([ours.prepare(image)])
            for name, tensor in batch.items():
                np.testing.assert_array_equal(tensor[row], alone[name][0])


def test_kinds() -> None:
    assert isinstance(preparation_of(processor("clip-224")), Squares)
    assert isinstance(preparation_of(processor("siglip2-naflex")), Patches)


@pytest.mark.parametrize(
    "unusual",
    [
        {"resample": 1},  # Lanczos
        {"do_resize": False},
        {"size": {"shortest_edge": 224, "longest_edge": 400}},
        {"size": {"shortest_edge": 224}, "do_center_crop": False},
    ],
    ids=str,
)
def test_an_unusual_recipe_is_left_to_the_library(unusual: dict[str, Any]) -> None:
    library = transformers.CLIPImageProcessorPil(**unusual)
    ours = preparation_of(library)
    assert isinstance(ours, LibraryPreparation)
    image = picture(240, 240)
    found = ours.collate([ours.prepare(image)])["pixel_values"].numpy()
    np.testing.assert_array_equal(found, library(images=[image], return_tensors="np")["pixel_values"])
    assert ours.details["settings"]["resample"] == unusual.get("resample", 3)


def test_a_processor_with_steps_of_its_own_is_left_to_the_library() -> None:
    class Inverting(transformers.CLIPImageProcessorPil):  # type: ignore[misc]
        def rescale(self, image: Any, scale: float, **more: Any) -> Any:
            return 1 - super().rescale(image, scale, **more)

    assert isinstance(preparation_of(Inverting()), LibraryPreparation)


@pytest.mark.parametrize("recipe", ["clip-224", "siglip2-naflex"])
def test_only_rgb_pictures(recipe: str) -> None:
    ours = preparation_of(processor(recipe))
    with pytest.raises(ShapeError, match="mode CMYK"):
        ours.prepare(Image.new("CMYK", (50, 50)))


def test_cropping_before_resizing_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault that shifts every picture by half a pixel."""
    image = picture(480, 640)
    assert differences("clip-224", image) <= CLOSE

    def crop_first(self: Squares, image: Image.Image) -> Any:
        edge, left = min(image.size), (image.width - image.height) // 2
        return original(self, image.crop((left, 0, left + edge, edge)))

    original = Squares.prepare
    monkeypatch.setattr(Squares, "prepare", crop_first)
    assert differences("clip-224", image) > CLOSE
