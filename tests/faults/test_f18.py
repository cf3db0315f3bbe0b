"""A tower that failed to load, and random weights that carry on: refused, or named."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

import ailments
from ailments import CLIP, SIGLIP, copy_of, healthy, recall_at_1, sample
from luneta import load_encoder
from luneta.cli import app
from luneta.doctor import examine
from luneta.errors import EncoderError


@pytest.mark.parametrize("prefix", ["text_model.", "vision_model.", "text_model.encoder.layers.1.", "logit_bias"])
def test_weights_that_are_not_there(prefix: str, tmp_path: Path) -> None:
    folder = copy_of(SIGLIP, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}
    assert len(kept) < len(tensors)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError, match="missing and would be random"):
        load_encoder(folder)
    refused = CliRunner().invoke(app, ["--quiet", "doctor", "-e", str(folder)])
    assert refused.exit_code == 2
    assert "would be random" in refused.output


def test_a_user_s_encoder_with_a_random_text_tower_is_named() -> None:
    """Its vectors are finite, of length 1 and always the same; only pairs show that they mean nothing."""
    encoder, data = ailments.RandomTextTower(), sample()
    diagnosis = examine(encoder, data)
    assert [check.name for check in diagnosis.failed] == ["positives above shuffled"]
    assert diagnosis["positives above shuffled"].numbers["share"] == pytest.approx(0.5, abs=0.1)
    assert recall_at_1(encoder, data) < 0.1
    mended = examine(ailments.Wrapped(), data)
    assert mended["positives above shuffled"].verdict == "pass"
    assert recall_at_1(ailments.Wrapped(), data) > 0.6


@pytest.mark.parametrize("name", [CLIP, SIGLIP])
def test_a_layer_that_is_not_the_file_s_is_named(name: str) -> None:
    check = examine(ailments.reinitialised(name)(Path()))["weights"]
    assert check.verdict == "fail"
    assert "not what the file holds" in check.measured
    assert examine(healthy(name))["weights"].verdict == "pass"
