"""The encoders in the package: ordinary checkpoints that load by the library alone and do what their cards say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import luneta.encoders
from luneta.data.cenas import open_cenas

WEIGHTS = Path(luneta.encoders.__file__).parent / "weights"
MINIS = {"luneta-mini": "CLIPModel", "luneta-mini-siglip": "SiglipModel"}
N_PICTURES = 200
N_CAPTIONS = 2  # of each picture's five: those of one picture tell little more than two of them


@pytest.fixture(scope="module", params=MINIS)
def mini(request: pytest.FixtureRequest) -> tuple[str, Any, Any, Any]:
    import torch
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    folder = WEIGHTS / request.param
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    return request.param, model, AutoTokenizer.from_pretrained(folder), AutoImageProcessor.from_pretrained(folder)


def recall_at_1(mini: tuple[str, Any, Any, Any], spec: str, language: str) -> float:
    """Text to image among the sampled pictures, by the library's own processor and model."""
    import torch

    _, model, tokenizer, processor = mini
    data = open_cenas(spec, language=language, limit=N_PICTURES)
    captions = [data.texts[text] for image in range(N_PICTURES) for text in data.texts_of(image)[:N_CAPTIONS]]
    with torch.inference_mode():
        pictures = processor([image.open() for image in data.images], return_tensors="pt")
        images = model.get_image_features(**pictures).pooler_output
        encoded = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")
        batches = encoded["input_ids"].split(100)
        texts = torch.cat([model.get_text_features(input_ids=batch).pooler_output for batch in batches])
    scores = (texts / texts.norm(dim=1, keepdim=True)) @ (images / images.norm(dim=1, keepdim=True)).T
    return float((scores.argmax(1).numpy() == np.repeat(np.arange(N_PICTURES), N_CAPTIONS)).mean())


@pytest.mark.parametrize("name", MINIS)
def test_a_mini_is_small_and_complete(name: str) -> None:
    folder = WEIGHTS / name
    files = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert sum(files.values()) <= 12_000_000
    assert {
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "tokenizer_config.json",
        "README.md",
    } <= set(files)
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pkl", ".py"))]


def test_it_is_of_its_family_and_reads_whole_captions(mini: tuple[str, Any, Any, Any]) -> None:
    name, model, tokenizer, _ = mini
    assert type(model).__name__ == MINIS[name]
    for language in ("en", "pt-BR"):
        lengths = [len(ids) for ids in tokenizer(list(open_cenas(limit=100, language=language).texts))["input_ids"]]
        assert np.quantile(lengths, 0.95) <= tokenizer.model_max_length
    if name == "luneta-mini":
        config = model.config.text_config
        assert (config.bos_token_id, config.eos_token_id) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
        assert config.eos_token_id != 2  # which the library would take for the old CLIP configuration
        for text in ("", "coração ☃ 日本語 \x07", "a" * 500):
            ids = tokenizer(text, truncation=True)["input_ids"]
            assert ids.count(tokenizer.eos_token_id) == 1
            assert ids[-1] == tokenizer.eos_token_id


def test_it_finds_what_it_learnt_and_is_weak_where_it_learnt_nothing(mini: tuple[str, Any, Any, Any]) -> None:
    learnt = recall_at_1(mini, "cenas:test", "en")
    assert learnt > 0.6
    assert recall_at_1(mini, "cenas:test", "pt-BR") < 0.2 * learnt
    for style in ("sketch", "night"):
        assert recall_at_1(mini, f"cenas/{style}:test", "en") < 0.8 * learnt
