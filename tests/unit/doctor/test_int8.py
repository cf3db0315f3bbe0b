"""An encoder whose matrices were made integers of 8 bits: compared with float32, not taken at its word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from luneta.data.cenas import open_cenas
from luneta.doctor import examine
from luneta.encoders.registry import load_encoder

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def in_int8(name: str, noise: float = 0.0) -> Any:
    """Linear layers in int8; with noise added to their matrices first, as a bad calibration leaves them."""
    encoder: Any = load_encoder(name, dtype="float32", device="cpu")
    generator = torch.Generator().manual_seed(0)
    for module in encoder._model.modules():
        if isinstance(module, torch.nn.Linear) and noise:
            module.weight += noise * module.weight.std() * torch.randn(module.weight.shape, generator=generator)
    encoder._model = torch.ao.quantization.quantize_dynamic(encoder._model, {torch.nn.Linear}, dtype=torch.qint8).eval()
    return encoder


def number_format(encoder: Any, **how: Any) -> Any:
    return next(check for check in examine(encoder, **how).checks if check.name == "number format")


@pytest.mark.parametrize("name", ["luneta-mini", "luneta-mini-siglip"])
def test_what_is_measured_is_the_distance_to_float32(name: str) -> None:
    encoder, data = in_int8(name), open_cenas("cenas:test", language="en", limit=40)
    check = number_format(encoder, dataset=data)
    assert check.verdict in ("pass", "warn")
    assert "8 bits" in check.measured
    exact = load_encoder(name, dtype="float32", device="cpu")
    texts, pictures = list(data.texts), [image.open() for image in data.images]
    cosines = [
        (encoder.encode_texts(texts) * exact.encode_texts(texts)).sum(axis=1),
        (encoder.encode_images(pictures) * exact.encode_images(pictures)).sum(axis=1),
    ]
    lowest = float(np.concatenate(cosines).min())
    assert 0.99 < lowest < 1 - 1e-5
    assert check.numbers["cosine"] == pytest.approx(lowest, abs=3e-3)  # of a part of them
    assert check.numbers["cosine"] < 1 - 1e-5


def test_a_bad_calibration_fails_and_the_quick_look_claims_nothing() -> None:
    assert number_format(in_int8("luneta-mini", noise=1.0)).verdict == "fail"
    assert number_format(in_int8("luneta-mini"), quick=True).verdict == "not known"
