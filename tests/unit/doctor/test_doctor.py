"""examine(): sound encoders pass, what cannot be seen is said to be unknown, and what is measured is right."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

import ailments
import checkpoints
import worlds
from ailments import CLIP, SIGLIP, healthy, sample
from luneta import load_encoder
from luneta.cli import app
from luneta.doctor import Diagnosis, examine, model, on_data
from luneta.doctor.explanations import EXPLANATIONS
from luneta.doctor.image_recipe import measure
from luneta.errors import ConfigError, EncoderError
from luneta.types import EncoderSpec

OPENABLE = {"text padding", "maximum length", "lower-casing", "attention mask", "pooling", "resize", "interpolation",
            "mean and deviation", "weights", "logit scale and bias", "number format"}  # fmt: skip


def unknown(diagnosis: Diagnosis) -> set[str]:
    return {check.name for check in diagnosis.checks if check.verdict == "not known"}


@pytest.mark.parametrize("name", [CLIP, SIGLIP])
def test_sound_encoders_pass_everything(name: str) -> None:
    diagnosis = examine(healthy(name), sample())
    assert {check.verdict for check in diagnosis.checks} == {"pass"}, diagnosis.to_dict()
    assert {check.name for check in diagnosis.checks} == set(EXPLANATIONS)
    assert len(diagnosis.checks) == len(EXPLANATIONS)
    assert (diagnosis.verdict, diagnosis.failed, diagnosis.dataset) == ("pass", [], "cenas")


@pytest.mark.parametrize("name", [CLIP, SIGLIP])
def test_the_quick_examination_reads_no_file_and_no_data(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = healthy(name)
    monkeypatch.setattr("safetensors.safe_open", None)
    diagnosis = examine(encoder, quick=True)
    assert {check.verdict for check in diagnosis.checks} == {"pass"}
    on = examine(encoder, sample(), quick=True)
    assert [check.name for check in on.checks] == [check.name for check in diagnosis.checks]
    assert on.verdict == "pass"


@pytest.mark.parametrize("family", checkpoints.FAMILIES)
def test_every_family_is_used_as_it_was_trained(family: str, tiny_checkpoint: Callable[[str], Path]) -> None:
    """Random weights have no scale that was trained; nothing else may be found."""
    diagnosis = examine(load_encoder(tiny_checkpoint(family), dtype="float32"))
    amiss = {check.name for check in diagnosis.checks if check.verdict in ("warn", "fail")}
    assert amiss <= {"logit scale and bias"}, diagnosis.to_dict()
    assert unknown(diagnosis) == ({"interpolation"} if family == "siglip2-naflex" else set())


def test_an_encoder_that_shows_nothing_is_judged_by_its_vectors() -> None:
    diagnosis = examine(ailments.Wrapped(), sample())
    assert diagnosis.verdict == "pass"
    assert unknown(diagnosis) == (OPENABLE - {"text padding"}) | {"languages", "tokenizer", "truncated captions"}


def test_a_checked_encoder_is_opened() -> None:
    """What load_encoder wraps would raise before anything could be said."""
    diagnosis = examine(load_encoder(ailments.NotNormalised()))
    assert [check.name for check in diagnosis.failed] == ["unit length"]


def test_the_data_s_own_items_are_asked_for() -> None:
    """An encoder that takes nothing but the words of its world."""
    data = worlds.world(30, captions_per_image=2)
    encoder = ailments.OfItsWorld(data.texts)
    assert not examine(encoder, data, quick=True).failed
    with pytest.raises(EncoderError, match=r"OfItsWorld: encode_texts failed: KeyError: 'a'.*any RGB picture"):
        examine(encoder)


def test_a_batch_of_one_is_a_batch() -> None:
    check = examine(ailments.Squeezed(), quick=True)["vectors"]
    assert (check.verdict, check.measured) == ("fail", "shape (128,) for 1 texts, expected (1, 128)")


def test_preparation_that_fails() -> None:
    with pytest.raises(EncoderError, match="Unprepared: prepare_image failed: ZeroDivisionError"):
        examine(ailments.Unprepared(), quick=True)


@pytest.mark.parametrize(
    ("build", "check", "measured"),
    [
        (lambda: ailments.WrongShape(), "vectors", "shape (128, 4) for 4 texts, expected (4, 128)"),
        (lambda: ailments.NotANumber(), "finite numbers", "1 of 4 text vectors"),
        (lambda: ailments.damaged(Path()), "finite numbers", "are not finite"),
    ],
)
def test_useless_answers_end_the_examination(build: Callable[[], Any], check: str, measured: str) -> None:
    diagnosis = examine(build(), sample())
    assert diagnosis[check].verdict == "fail"
    assert measured in diagnosis[check].measured
    assert "determinism" not in [check.name for check in diagnosis.checks]


def test_damaged_weights_are_named() -> None:
    assert "vision_model.encoder.layers.0.mlp.fc1.weight" in examine(ailments.damaged(Path()))["weights"].measured


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_mixed_precision_keeps_the_order(dtype: str) -> None:
    diagnosis = examine(load_encoder(CLIP, dtype=dtype), sample(n_images=10))
    assert diagnosis.verdict == "pass", diagnosis.to_dict()
    assert diagnosis["number format"].numbers["cosine"] < 1 - 1e-9, "really computed otherwise"


def test_vectors_far_from_float32_fail() -> None:
    encoder = load_encoder(CLIP, dtype="bfloat16")
    encode = encoder.encode_images
    shift = np.random.default_rng(0).normal(0, 0.02, 128).astype(np.float32)

    def noisy(images: Sequence[Image.Image]) -> Any:
        moved = encode(images) + shift
        return moved / np.linalg.norm(moved, axis=1, keepdims=True)

    encoder.encode_images = noisy  # type: ignore[method-assign]
    assert examine(encoder, sample(n_images=10))["number format"].verdict == "fail"


# -- on data ---------------------------------------------------------------------------------------------------


def test_captions_that_are_cut_are_counted_and_named() -> None:
    data = sample()
    long = [text if i % 10 else f"{text} and {text} " * 12 for i, text in enumerate(data.texts)]
    check = examine(healthy(SIGLIP), dataclasses.replace(data, texts=long))["truncated captions"]
    assert check.verdict == "warn"
    assert check.numbers["n_truncated"] == len(range(0, len(long), 10))
    assert check.numbers["first"] == list(range(0, len(long), 10))[:20]
    assert repr(long[0][:57])[:-1] in check.measured


def test_letters_nobody_taught_are_unknown() -> None:
    data = sample()
    check = examine(
        healthy(SIGLIP), dataclasses.replace(data, texts=["赤い船" + "い" * i for i in range(data.n_texts)])
    )
    assert check["tokenizer"].verdict == "fail"
    assert check["tokenizer"].numbers["unknown_share"] > 0.2
    assert check["languages"].verdict == "pass", "the data set says that it is English"


def test_pieces_of_characters_are_bytes() -> None:
    (count,) = healthy(CLIP).anatomy().count_tokens(["船"])
    assert (count.n_tokens, count.n_bytes, count.n_unknown) == (3, 3, 0)
    (count,) = healthy(CLIP).anatomy().count_tokens(["a red boat"])
    assert (count.n_bytes, count.n_unknown, count.truncated) == (0, 0, False)


@pytest.mark.parametrize("gain", [0.0, 0.2, 3.0])
def test_share_of_positives_against_plain_counting(gain: float) -> None:
    rng = np.random.default_rng(0)
    texts, noise = rng.normal(size=(40, 8)), rng.normal(size=(40, 8))
    images = gain * texts + noise
    texts, images = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (texts, images))
    names = [f"text {i // 2}" for i in range(40)]  # two pictures share each caption
    wins = [
        float(texts[i] @ images[i] > texts[j] @ images[i]) for i in range(40) for j in range(40) if names[i] != names[j]
    ]
    check = on_data.positives_above_shuffled(names, texts, images)
    assert check.numbers["share"] == pytest.approx(np.mean(wins))
    assert check.verdict == {0.0: "fail", 0.2: "warn", 3.0: "pass"}[gain]


def test_shifted_pairs_are_chance() -> None:
    data = sample()
    shifted = dataclasses.replace(data, texts=[*data.texts[5:], *data.texts[:5]])
    assert examine(healthy(CLIP), shifted)["positives above shuffled"].verdict == "fail"


# -- measuring -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bilinear", "bicubic", "lanczos", "nearest", "box"])
@pytest.mark.parametrize("edge", [64, 73])
def test_a_recipe_is_read_off_its_pictures(name: str, edge: int) -> None:
    """Resize the shorter edge, cut out 64 x 64, normalise: written plainly with Pillow."""
    mean, deviation = np.array([0.2, 0.5, 0.7]), np.array([0.3, 0.25, 1.5])

    def read(images: Sequence[Image.Image]) -> dict[str, Any]:
        (image,) = images
        scale = edge / min(image.size)
        size = round(image.width * scale), round(image.height * scale)
        resized = image.resize(size, Image.Resampling[name.upper()])
        left, top = (size[0] - 64) // 2, (size[1] - 64) // 2
        pixels = np.asarray(resized.crop((left, top, left + 64, top + 64)), dtype=np.float64) / 255
        return {"pixel_values": ((pixels - mean) / deviation).transpose(2, 0, 1)[None]}

    recipe = measure(read)
    assert recipe is not None
    assert (recipe.resize, recipe.filter) == ("crop", name)
    assert recipe.seen == pytest.approx((0.5 * 64 / edge, 64 / edge), abs=0.02)
    assert recipe.mean == pytest.approx(mean)
    assert recipe.deviation == pytest.approx(deviation)


def test_bars_and_blind_preparations() -> None:
    def barred(images: Sequence[Image.Image]) -> dict[str, Any]:
        from PIL import ImageOps

        pixels = np.asarray(ImageOps.pad(images[0], (64, 64)), dtype=np.float64) / 255
        return {"pixel_values": pixels.transpose(2, 0, 1)[None]}

    recipe = measure(barred)
    assert recipe is not None
    assert recipe.resize == "bars"
    assert measure(lambda images: {"pixel_values": np.zeros((1, 3, 64, 64))}) is None


@pytest.mark.parametrize(
    ("scale", "bias", "verdict"),
    [(100.0, None, "pass"), (117.3, -12.9, "pass"), (1 / 0.07, None, "warn"), (10.0, -10.0, "warn"),
     (0.0, None, "fail"), (float("nan"), None, "fail"), (100.0, 3.0, "fail"), (100.0, float("inf"), "fail"),
     (None, None, "not known")],
)  # fmt: skip
def test_scales_and_biases(scale: float | None, bias: float | None, verdict: str) -> None:
    encoder = ailments.Wrapped()
    encoder.spec = EncoderSpec(name="x", embedding_dim=128, fingerprint="", logit_scale=scale, logit_bias=bias)
    assert examine(encoder, quick=True)["logit scale and bias"].verdict == verdict


def test_order_agreement_against_plain_counting() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.integers(0, 4, (3, 5)).astype(float), rng.normal(size=(3, 5))
    kept = [
        (1 + np.sign(one[q, i] - one[q, j]) * np.sign(other[q, i] - other[q, j])) / 2
        for q in range(3) for i in range(5) for j in range(i)
    ]  # fmt: skip
    assert model.order_agreement(one, other) == pytest.approx(np.mean(kept))


# -- what is shown ---------------------------------------------------------------------------------------------


def test_an_unknown_check() -> None:
    with pytest.raises(ConfigError, match=r"no check 'paddin' was made\. Did you mean text padding"):
        examine(healthy(CLIP), quick=True)["paddin"]


def test_the_terminal_says_why_and_how_to_mend() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(examine(ailments.NotNormalised()))
    shown = console.export_text()
    assert "fail: unit length" in shown
    assert "Divide each vector by its length" in shown
    assert "1 fail" in shown


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["--quiet", "doctor", *arguments])


def test_the_command(tmp_path: Path) -> None:
    folder = ailments.copy_of(SIGLIP, tmp_path)
    ailments.change(folder / "preprocessor_config.json", lambda settings: settings.update(resample=0))
    good = run("-e", SIGLIP, "--data", "cenas", "--limit", "20", "--json")
    assert good.exit_code == 0, good.output
    diagnosis = json.loads(good.stdout)
    assert (diagnosis["schema"], diagnosis["verdict"], diagnosis["dataset"]) == ("luneta.diagnosis/1", "pass", "cenas")
    assert {"name", "verdict", "measured", "numbers", "why", "mend"} == set(diagnosis["checks"][0])
    bad = run("-e", str(folder))
    assert bad.exit_code == 1
    assert "nearest neighbour" in bad.stdout
    assert run("-e", str(folder), "--quick", "--json").exit_code == 1
    lost = run("-e", str(tmp_path / "nowhere"))
    assert lost.exit_code == 2
    assert "there is no such folder" in lost.output


def test_what_is_no_encoder() -> None:
    with pytest.raises(EncoderError, match="'luneta-mini' is no encoder: expected what load_encoder returns"):
        examine("luneta-mini")  # type: ignore[arg-type]


@pytest.mark.parametrize("n_images", [1, 2])
def test_very_little_data(n_images: int) -> None:
    diagnosis = examine(healthy(CLIP), sample(n_images=n_images))
    assert diagnosis["positives above shuffled"].verdict == "not known"
    assert not diagnosis.failed


def test_pictures_that_cannot_be_opened_are_passed_over() -> None:
    data = worlds.world(12, captions_per_image=2, broken=range(1, 12))
    diagnosis = examine(healthy(CLIP), data)
    assert diagnosis["positives above shuffled"].verdict == "not known"
