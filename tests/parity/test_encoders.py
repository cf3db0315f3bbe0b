"""Our vectors against the library's own processor and model, used as its documentation says, for every family."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer

from checkpoints import FAMILIES, TEXT_LENGTH, make_checkpoint
from luneta import load_encoder
from luneta.encoders.checkpoints import open_folder
from luneta.encoders.hf import HFEncoder
from luneta.types import StagedEncoder, Vectors

MakeCheckpoint = Callable[[str], Path]

TEXTS = [
    "a red boat on the beach",
    "Two SMALL dogs, under a Tree!",
    "a",
    "",
    "uma casa amarela perto do rio à noite",
    "一座黄色的房子在海滩上",
    "three green apples 🍏 beside a white wall, smiling " * 12,
    "o barco vermelho",
    "a red boat on the beach",
    "line one\nline two\tand a tab",
]
MASKED = ("align", "altclip", "chinese_clip")
SIGMOID = ("siglip", "siglip2", "siglip2-naflex")


def pictures() -> list[Image.Image]:
    """Smooth and noisy ones, wide, tall, square, smaller than the crop, one pixel wide."""
    rng = np.random.default_rng(3)
    found = []
    for height, width in ((48, 64), (64, 48), (32, 32), (120, 37), (9, 200), (20, 15), (41, 1), (300, 301)):
        coarse = rng.integers(0, 256, (max(2, height // 9), max(2, width // 9), 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)).astype(int)
        noisy = np.clip(smooth + rng.integers(-20, 21, smooth.shape), 0, 255)
        found.append(Image.fromarray(noisy.astype(np.uint8)))
    return found


@functools.cache
def load(folder: Path) -> Any:
    """Our encoder in float32; the same object for every test, since no test changes it."""
    return load_encoder(folder, dtype="float32")


@functools.cache
def load_library(folder: Path) -> Any:
    return AutoModel.from_pretrained(folder).eval()


def unit(output: Any) -> Vectors:
    vectors = output.pooler_output.numpy().astype(np.float64)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


@torch.inference_mode()
def library_texts(folder: Path, family: str, texts: Sequence[str]) -> Vectors:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    options: dict[str, Any] = {"truncation": True, "return_tensors": "pt", "max_length": TEXT_LENGTH}
    if family in SIGMOID:  # "important: we pass padding=max_length since the model was trained with this"
        lowered = [text.lower() for text in texts] if family == "siglip2" else list(texts)
        inputs = {"input_ids": tokenizer(lowered, padding="max_length", **options)["input_ids"]}
    elif family == "align":  # the processor's defaults
        inputs = tokenizer(list(texts), padding="max_length", **options)
    else:
        inputs = tokenizer(list(texts), padding=True, **options)
    return unit(load_library(folder).get_text_features(**inputs))


@torch.inference_mode()
def library_images(folder: Path, images: Sequence[Image.Image]) -> Vectors:
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    inputs = processor(images=list(images), return_tensors="pt")
    return unit(load_library(folder).get_image_features(**inputs))


def cosines(a: Vectors, b: Vectors) -> Vectors:
    return np.asarray(np.sum(a.astype(np.float64) * b.astype(np.float64), axis=1))


def assert_same(ours: Vectors, theirs: Vectors) -> None:
    assert ours.dtype == np.float32
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)
    assert cosines(ours, theirs).min() >= 0.99999


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_texts_agree_with_the_library(family: str, tiny_checkpoint: MakeCheckpoint) -> None:
    folder = tiny_checkpoint(family)
    theirs = library_texts(folder, family, TEXTS)
    assert (theirs @ theirs.T)[0, 1:8].max() < 0.999, "the reference cannot tell texts apart"
    assert_same(load(folder).encode_texts(TEXTS), theirs)


def test_pictures_agree_with_the_library(family: str, tiny_checkpoint: MakeCheckpoint) -> None:
    folder = tiny_checkpoint(family)
    images = pictures()
    theirs = library_images(folder, images)
    assert np.triu(theirs @ theirs.T, 1).max() < 0.999, "the reference cannot tell pictures apart"
    assert_same(load(folder).encode_images(images), theirs)


def test_a_vector_does_not_depend_on_its_batch(family: str, tiny_checkpoint: MakeCheckpoint) -> None:
    encoder = load(tiny_checkpoint(family))
    images = pictures()
    texts, vectors = encoder.encode_texts(TEXTS), encoder.encode_images(images)
    small = load_encoder(tiny_checkpoint(family), dtype="float32", batch_size=3)
    for again in (
        small.encode_texts(TEXTS),
        encoder.encode_texts(TEXTS[::-1])[::-1],
        np.concatenate([encoder.encode_texts([text]) for text in TEXTS]),
    ):
        assert cosines(texts, again).min() >= 0.99999
    for again in (
        small.encode_images(images),
        encoder.encode_images(images[::-1])[::-1],
        np.concatenate([encoder.encode_images([image]) for image in images]),
    ):
        assert cosines(vectors, again).min() >= 0.99999
    assert cosines(texts[:1], texts[8:9]).min() >= 0.99999  # the same text, among others


def test_staged_is_the_same_from_many_threads(family: str, tiny_checkpoint: MakeCheckpoint) -> None:
    encoder = load(tiny_checkpoint(family))
    assert isinstance(encoder, StagedEncoder)
    images = pictures() * 4
    with ThreadPoolExecutor(4) as pool:
        prepared = list(pool.map(encoder.prepare_image, images))
    np.testing.assert_array_equal(encoder.encode_prepared(prepared), encoder.encode_images(images))


def test_nothing_in_nothing_out(family: str, tiny_checkpoint: MakeCheckpoint) -> None:
    encoder = load(tiny_checkpoint(family))
    empty = (0, encoder.spec.embedding_dim)
    assert encoder.encode_texts([]).shape == encoder.encode_images([]).shape == empty


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_lower_precision_stays_near(family: str, dtype: str, tiny_checkpoint: MakeCheckpoint) -> None:
    exact = load(tiny_checkpoint(family))
    rough = load_encoder(tiny_checkpoint(family), dtype=dtype)
    assert rough.spec.dtype == dtype
    assert rough.spec.fingerprint != exact.spec.fingerprint
    for ours, theirs in (
        (rough.encode_texts(TEXTS), exact.encode_texts(TEXTS)),
        (rough.encode_images(pictures()), exact.encode_images(pictures())),
    ):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)
        assert 0.995 < cosines(ours, theirs).min() < 1 - 1e-12  # near, and really computed otherwise


# -- faults planted on purpose: the agreement above would break ------------------------------------------------


def misread(folder: Path, **changes: Any) -> HFEncoder:
    """An encoder whose family is described wrongly."""
    checkpoint = open_folder("misread", folder)
    family = dataclasses.replace(checkpoint.family, **changes)
    return HFEncoder(dataclasses.replace(checkpoint, family=family), dtype="float32")


@pytest.mark.parametrize("family", SIGMOID, indirect=True)
@pytest.mark.parametrize(
    "fault",
    [{"pads_to_context": False}, {"masks_padding": True}],
    ids=["padded to the longest of the batch", "attention mask"],
)
def test_sigmoid_models_read_their_padding(family: str, fault: dict[str, Any], tiny_checkpoint: MakeCheckpoint) -> None:
    folder = tiny_checkpoint(family)
    short = [TEXTS[0], TEXTS[7]]
    theirs = library_texts(folder, family, short)
    assert cosines(load(folder).encode_texts(short), theirs).min() >= 0.99999
    assert cosines(misread(folder, **fault).encode_texts(short), theirs).max() < 0.999


def test_fixed_resolution_siglip2_is_lower_cased_here(tiny_checkpoint: MakeCheckpoint) -> None:
    folder = tiny_checkpoint("siglip2")
    text = ["A RED Boat On The Beach"]
    encoder = load(folder)
    np.testing.assert_array_equal(encoder.encode_texts(text), encoder.encode_texts([text[0].lower()]))
    assert cosines(misread(folder, lowers=False).encode_texts(text), encoder.encode_texts(text)).max() < 0.999


@pytest.mark.parametrize("family", MASKED, indirect=True)
def test_padding_without_a_mask_would_be_seen(family: str, tiny_checkpoint: MakeCheckpoint) -> None:
    folder = tiny_checkpoint(family)
    uneven = [TEXTS[0], TEXTS[6]]
    theirs = library_texts(folder, family, uneven)
    assert cosines(misread(folder, masks_padding=False).encode_texts(uneven), theirs).min() < 0.999


@torch.inference_mode()
def test_align_reads_what_it_was_trained_to_read(tmp_path: Path) -> None:
    """Its position table has room for more, and the library's processor cuts at 64."""
    from transformers import AlignProcessor

    folder = make_checkpoint("align", tmp_path / "align", positions=512)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    processor = AlignProcessor(AutoImageProcessor.from_pretrained(folder, backend="pil"), tokenizer)
    begin, end = "a red boat on the beach ", "three green apples near the river at night "
    long = [begin * 8, begin * 8 + end * 6, begin * 8 + end * 40]
    assert [len(ids) > 64 for ids in tokenizer(long, truncation=True)["input_ids"]] == [False, True, True]
    theirs = unit(load_library(folder).get_text_features(**processor(text=long, truncation=True, return_tensors="pt")))
    encoder = load(folder)
    assert_same(encoder.encode_texts(long), theirs)
    assert encoder.n_truncated(long) == 2
    whole = misread(folder, context=lambda text_config, limit: limit).encode_texts(long)
    assert cosines(whole[:1], theirs[:1]).min() >= 0.99999
    assert cosines(whole[1:], theirs[1:]).max() < 0.999


# -- CLIP's end token ------------------------------------------------------------------------------------------


def test_a_cut_text_keeps_its_end_token(tiny_checkpoint: MakeCheckpoint) -> None:
    """Cut after the words, with the end token in its place: not the same as cutting the token off."""
    folder = tiny_checkpoint("clip")
    encoder = load(folder)
    assert isinstance(encoder, HFEncoder)
    word = "boat"
    fits, long = " ".join([word] * (TEXT_LENGTH - 2)), " ".join([word] * 500)
    assert (encoder.n_truncated([fits, long, "x"]), encoder.n_truncated([fits])) == (1, 0)
    assert cosines(encoder.encode_texts([fits]), encoder.encode_texts([long])).min() >= 0.99999
    assert cosines(encoder.encode_texts([fits]), encoder.encode_texts([f"{word} {word}"])).max() < 0.999


def test_oldest_checkpoints_pool_at_the_highest_id(tmp_path: Path, tiny_checkpoint: MakeCheckpoint) -> None:
    folder = make_checkpoint("clip", tmp_path / "legacy", eos_token_id=2)
    assert AutoConfig.from_pretrained(folder).text_config.eos_token_id == 2
    encoder = load(folder)
    assert_same(encoder.encode_texts(TEXTS), library_texts(folder, "clip", TEXTS))
    modern = load(tiny_checkpoint("clip"))  # the same weights, pooled at the named id
    assert cosines(encoder.encode_texts(TEXTS), modern.encode_texts(TEXTS)).min() >= 0.99999


def test_another_padding_token_changes_nothing(tmp_path: Path, tiny_checkpoint: MakeCheckpoint) -> None:
    folder = shutil.copytree(tiny_checkpoint("clip"), tmp_path / "clip")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"pad_token": "|"}))
    theirs = load(tiny_checkpoint("clip")).encode_texts(TEXTS)
    assert cosines(load(folder).encode_texts(TEXTS), theirs).min() >= 0.99999


# -- what else the specification says --------------------------------------------------------------------------


def test_scale_and_bias_are_the_models(family: str, tiny_checkpoint: MakeCheckpoint) -> None:
    folder = tiny_checkpoint(family)
    spec = load(folder).spec
    model = load_library(folder)
    if family == "align":
        assert spec.logit_scale == pytest.approx(1 / model.temperature.item())
    else:
        assert spec.logit_scale == pytest.approx(model.logit_scale.exp().item())
    assert spec.logit_bias == (pytest.approx(model.logit_bias.item()) if family in SIGMOID else None)
    assert spec.n_parameters == sum(parameter.numel() for parameter in model.parameters())
    assert (spec.backend, spec.dtype, spec.languages) == ("transformers", "float32", ())
