"""Presets against the hub itself: they exist, they have safetensors, and they are what the table says.

Run with: pytest -m network tests/network/test_hub_encoders.py
"""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from luneta import load_encoder
from luneta.encoders.presets import BUNDLED, EncoderPreset
from luneta.encoders.registry import list_encoders

pytestmark = pytest.mark.network
ON_THE_HUB = [preset for preset in list_encoders() if preset.name not in BUNDLED]


@pytest.mark.parametrize("preset", ON_THE_HUB, ids=lambda preset: preset.name)
def test_a_preset_is_on_the_hub_as_safetensors(preset: EncoderPreset) -> None:
    from huggingface_hub import HfApi

    files = HfApi().list_repo_files(preset.checkpoint, revision=preset.revision)
    assert any(name.startswith("model") and name.endswith(".safetensors") for name in files)
    assert "preprocessor_config.json" in files


@pytest.mark.parametrize(
    "name", ["clip-b32", "siglip-b16", "siglip2-b16", "siglip2-b16-naflex", "align", "altclip", "chinese-clip-b16"]
)
def test_a_preset_loads_and_tells_colours_apart(name: str) -> None:
    encoder = load_encoder(name)
    preset = next(preset for preset in ON_THE_HUB if preset.name == name)
    assert encoder.spec.n_parameters == preset.n_parameters
    assert encoder.spec.embedding_dim == preset.embedding_dim
    captions = ["红色", "蓝色"] if preset.languages == ("zh",) else ["the colour red", "the colour blue"]
    images = [Image.new("RGB", (320, 240), colour) for colour in ("red", "blue")]
    scores = encoder.encode_texts(captions) @ encoder.encode_images(images).T
    assert np.argmax(scores, axis=1).tolist() == [0, 1]
