"""Each item of the recipe is broken in turn: the doctor names it, and recall falls and returns where it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import ailments
from ailments import CLIP, OPENAI, SIGLIP, misread, pooled_by, prepared, recall_at_1, recorded, sample
from luneta import load_encoder
from luneta.doctor import examine
from luneta.encoders.preprocessing import Affine
from luneta.types import Encoder


class Ailment(NamedTuple):
    """What is broken, what the doctor must say, and how much recall@1 falls at least (None: it need not)."""

    model: str
    build: Callable[[Path], Encoder]
    check: str
    verdict: str = "fail"
    also: tuple[str, ...] = ()
    falls: float | None = None


SMALL = {"height": 96, "width": 96}
PADS = ("text padding",)

AILMENTS = {
    "padded to the longest": Ailment(
        SIGLIP, lambda path: misread(SIGLIP, pads_to_context=False), "text padding",
        also=("maximum length", "pooling"), falls=0.05,
    ),
    "another padding token": Ailment(SIGLIP, ailments.another_padding_token, "text padding", falls=0.05),
    "padded before the text": Ailment(SIGLIP, ailments.padded_before_the_text, "text padding"),
    "cut too early": Ailment(
        CLIP, lambda path: misread(CLIP, context=lambda *_: 8), "maximum length", "warn", falls=0.05
    ),
    "cut without the end token": Ailment(CLIP, ailments.no_end_token, "maximum length", also=("pooling",)),
    "capitals kept, clip": Ailment(CLIP, ailments.capitals_kept(CLIP), "lower-casing"),
    "capitals kept, siglip": Ailment(SIGLIP, ailments.capitals_kept(SIGLIP), "lower-casing"),
    "attention mask": Ailment(SIGLIP, lambda path: misread(SIGLIP, masks_padding=True), "attention mask"),
    "pooled at the beginning": Ailment(
        CLIP, ailments.pooled_at_the_beginning, "pooling", also=("distinct vectors",), falls=0.2
    ),
    "pooled by the mean, clip": Ailment(
        CLIP, pooled_by(lambda states: states.mean(dim=1), CLIP), "pooling", also=PADS, falls=0.1
    ),
    "pooled at the last word": Ailment(
        CLIP, pooled_by(lambda states: states[:, -2], CLIP), "pooling", also=PADS, falls=0.01
    ),
    "pooled at the first, siglip": Ailment(
        SIGLIP, pooled_by(lambda states: states[:, 0], SIGLIP), "pooling", falls=0.1
    ),
    "crop for squash, recorded": Ailment(
        SIGLIP, recorded(SIGLIP, size={"shortest_edge": 96}, do_center_crop=True, crop_size=SMALL), "resize"
    ),
    "squash for crop, recorded": Ailment(CLIP, recorded(CLIP, size=SMALL, do_center_crop=False), "resize", "warn"),
    "crop for squash, prepared": Ailment(SIGLIP, prepared(SIGLIP, size=96, crop=(96, 96)), "resize"),
    "squash for crop, prepared": Ailment(CLIP, prepared(CLIP, size=(96, 96), crop=None), "resize"),
    "half of the picture": Ailment(CLIP, prepared(CLIP, size=192), "resize", falls=0.05),
    "nearest neighbour": Ailment(SIGLIP, recorded(SIGLIP, resample=0), "interpolation"),
    "another filter than recorded": Ailment(CLIP, prepared(CLIP, resample="bilinear"), "interpolation"),
    "mean of another family": Ailment(SIGLIP, recorded(SIGLIP, **OPENAI), "mean and deviation"),
    "mean of another family, clip": Ailment(
        CLIP, recorded(CLIP, image_mean=[0.5] * 3, image_std=[0.5] * 3), "mean and deviation", "warn"
    ),
    "pixels from 0 to 1": Ailment(CLIP, recorded(CLIP, do_normalize=False), "mean and deviation", falls=0.02),
    "pixels as bytes": Ailment(
        SIGLIP, prepared(SIGLIP, affine=Affine((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))), "mean and deviation", falls=0.1
    ),
    "a layer as initialised": Ailment(CLIP, ailments.reinitialised(CLIP), "weights", falls=0.05),
    "a layer as initialised, siglip": Ailment(SIGLIP, ailments.reinitialised(SIGLIP), "weights", falls=0.05),
    "published with an untrained layer": Ailment(CLIP, ailments.saved_untrained, "weights"),
    "no bias": Ailment(SIGLIP, ailments.without_bias, "logit scale and bias"),
    "dropout": Ailment(CLIP, ailments.dropping_out, "determinism",
                       also=("text padding", "pooling"), falls=0.01),
    "not normalised": Ailment(CLIP, lambda path: ailments.NotNormalised(), "unit length"),
    "rounded to bfloat16": Ailment(CLIP, lambda path: ailments.Rounded(), "number format", also=("unit length",)),
    "cast whole to bfloat16": Ailment(CLIP, ailments.cast_whole, "number format", "warn"),
    "out of order": Ailment(
        CLIP, lambda path: ailments.SortedByLength(), "order", falls=0.2, also=("text padding",)
    ),
    "of its batch": Ailment(CLIP, lambda path: ailments.OfItsBatch(), "batch invariance"),
    "two image paths": Ailment(CLIP, lambda path: ailments.TwoPaths(), "one image path", falls=0.02),
    "padded to the longest, a user's": Ailment(
        SIGLIP, lambda path: ailments.PaddedToLongest(), "text padding", falls=0.05
    ),
    "one vector for every text": Ailment(CLIP, lambda path: ailments.Constant(), "distinct vectors", falls=0.2),
}  # fmt: skip


@pytest.fixture(scope="module")
def sound() -> dict[str, float]:
    """recall@1 of both encoders as they are."""
    return {name: recall_at_1(ailments.healthy(name), sample()) for name in (CLIP, SIGLIP)}


@pytest.mark.parametrize("name", AILMENTS)
def test_the_doctor_names_what_is_broken(name: str, tmp_path: Path, sound: dict[str, float]) -> None:
    ailment = AILMENTS[name]
    encoder = ailment.build(tmp_path)
    diagnosis = examine(encoder)
    found = {check.name: check.verdict for check in diagnosis.checks if check.verdict in ("warn", "fail")}
    assert found.pop(ailment.check, None) == ailment.verdict, diagnosis[ailment.check]
    assert set(found) <= set(ailment.also)
    if ailment.falls is not None:
        assert recall_at_1(encoder, sample()) < sound[ailment.model] - ailment.falls


def test_what_is_mended_is_sound_again(tmp_path: Path, sound: dict[str, float]) -> None:
    """A record with pixels left as they are, then the published record in its place."""
    broken = recorded(CLIP, do_normalize=False)(tmp_path)
    assert [check.name for check in examine(broken).failed] == ["mean and deviation"]
    assert recall_at_1(broken, sample()) < sound[CLIP]
    folder = ailments.copy_of(CLIP, tmp_path)
    mended = load_encoder(folder, dtype="float32")
    assert examine(mended).verdict == "pass"
    assert recall_at_1(mended, sample()) == sound[CLIP]
