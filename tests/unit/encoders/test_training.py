"""Checkpoints opened up for training: the same vectors as the encoder, gradients everywhere, saved as they came."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from checkpoints import FAMILIES, make_checkpoint
from luneta.encoders.hf import HFEncoder
from luneta.encoders.registry import load_encoder
from luneta.encoders.towers import by_length
from luneta.encoders.training import HFTrainable
from luneta.errors import ArtifactError, ConfigError
from luneta.types import TrainableEncoder

TEXTS = ["a red boat on the beach", "two small dogs", "uma casa amarela"]
PICTURES = [Image.effect_noise((40 + 9 * i, 33), 60.0 + i).convert("RGB") for i in range(3)]


@pytest.fixture(scope="module", params=FAMILIES)
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> HFEncoder:
    folder = make_checkpoint(request.param, tmp_path_factory.mktemp("checkpoint") / request.param)
    found = load_encoder(str(folder), dtype="float32", device="cpu")
    assert isinstance(found, HFEncoder)
    return found


@pytest.fixture(scope="module")
def opened(encoder: HFEncoder) -> HFTrainable:
    found = encoder.trainable()
    assert isinstance(found, HFTrainable)
    return found


def vectors(opened: HFTrainable) -> tuple[torch.Tensor, torch.Tensor]:
    towers = opened.towers
    images = opened.image_inputs([opened.prepare_image(picture) for picture in PICTURES])
    texts = opened.text_inputs(opened.token_ids(TEXTS))
    return towers.image_vectors(towers.image_features(images)), towers.text_vectors(towers.text_features(texts))


def test_trunk_and_head_make_the_encoders_vectors(encoder: HFEncoder, opened: HFTrainable) -> None:
    assert isinstance(encoder, TrainableEncoder)
    images, texts = vectors(opened)
    np.testing.assert_allclose(images.detach().numpy(), encoder.encode_images(PICTURES), atol=2e-6)
    np.testing.assert_allclose(texts.detach().numpy(), encoder.encode_texts(TEXTS), atol=2e-6)


def test_texts_in_parts_by_length_are_those_of_the_whole_batch(
    opened: HFTrainable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors and gradients, whatever the order of the texts; no part is padded to the longest of all."""
    towers, tower = opened.towers, opened.model.text_model
    monkeypatch.setattr("luneta.encoders.towers.PART_COST", 1)
    monkeypatch.setattr("luneta.encoders.towers.N_PARTS", (1, 4))
    ids = opened.token_ids([f"{TEXTS[i % 3]}{' and a dog' * (i % 4)}" for i in range(70)])
    inputs = opened.text_inputs(ids)
    whole = {name: tensor for name, tensor in inputs.items() if name != "lengths"}
    seen: list[tuple[int, ...]] = []
    hook = tower.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    found = []
    opened.model.requires_grad_(True)
    for given in (whole, inputs):
        features = towers.text_features(given)
        (features * torch.linspace(0, 1, features.numel()).reshape(features.shape)).sum().backward()  # type: ignore[no-untyped-call]
        found.append(
            (features.detach(), {n: p.grad.clone() for n, p in tower.named_parameters() if p.grad is not None})
        )
        opened.model.zero_grad()
    opened.model.requires_grad_(False)
    hook.remove()
    torch.testing.assert_close(found[1][0], found[0][0], atol=1e-5, rtol=1e-5)
    for name, gradient in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], gradient, atol=2e-4, rtol=1e-3, msg=name)
    if "lengths" in inputs:
        lengths = sorted(len(one) for one in ids)
        assert seen[1:] == [(n, lengths[end - 1]) for n, end in zip((18, 18, 17, 17), (18, 36, 53, 70), strict=True)]
        monkeypatch.undo()
        assert [len(rows) for rows, _ in by_length(inputs["lengths"][:4])] == [4]  # not worth it
    else:
        assert seen[1:] == seen[:1]


def test_the_encoder_around_the_model_follows_it(encoder: HFEncoder) -> None:
    opened = encoder.trainable()
    around = opened.encoder()
    before = encoder.encode_texts(TEXTS)
    np.testing.assert_allclose(around.encode_texts(TEXTS), before, atol=2e-6)
    assert not around.spec.fingerprint
    with torch.no_grad():
        for parameter in opened.model.parameters():
            parameter.mul_(1.3)
    assert np.abs(around.encode_texts(TEXTS) - before).max() > 1e-3
    np.testing.assert_array_equal(encoder.encode_texts(TEXTS), before)


def test_every_parameter_that_decides_a_vector_gets_a_gradient(opened: HFTrainable) -> None:
    opened.model.requires_grad_(True)
    images, texts = vectors(opened)
    weights = torch.randn_like(images @ texts.T)
    (opened.towers.scale * (weights * (images @ texts.T)).sum()).backward()  # type: ignore[no-untyped-call]
    idle = {
        name for name, parameter in opened.model.named_parameters() if parameter.grad is None
        and not name.startswith(opened.towers.family.idle_weights or ("-",)) and name != "logit_bias"
    }  # fmt: skip
    opened.model.requires_grad_(False)
    opened.model.zero_grad()
    assert not idle


def test_each_parameter_has_a_part_and_a_depth(opened: HFTrainable) -> None:
    towers = opened.towers
    names = [name for name, _ in opened.model.named_parameters()]
    parts = {name: towers.part_of(name) for name in names}
    assert {"image", "text", "temperature", "text_head"} <= set(parts.values())
    depths = {name: towers.depth(name) for name in names}
    assert all(depths[name] == 0 for name, part in parts.items() if part in ("temperature", "image_head", "text_head"))
    for side in ("image", "text"):
        deep = [depths[name] for name, part in parts.items()
                if part == side and (".embeddings." in name or ".pre_layrnorm." in name)]  # fmt: skip
        assert all(depth == max(depths[n] for n, p in parts.items() if p == side) for depth in deep)
    assert {depths[name] for name, part in parts.items() if part == "image"} >= {1, 2, 3}  # two blocks


def test_adapters_go_into_the_attention_of_both_towers(opened: HFTrainable) -> None:
    if opened.towers.family.model_type == "align":
        with pytest.raises(ConfigError, match="no attention"):
            opened.towers.attention_layers(("image",))
        return
    layers = opened.towers.attention_layers(("image", "text"))
    modules = dict(opened.model.named_modules())
    assert all(isinstance(modules[name], torch.nn.Linear) for name in layers)
    assert {name.split(".")[0] for name in layers} == {"vision_model", "text_model"}
    assert not [name for name in layers if ".head." in name]
    n_blocks = 2 + 2  # of both towers
    assert len(layers) in (4 * n_blocks, 4 * 2 + 3 * 2)  # BERT's output projection is called dense


def test_saved_unchanged_it_gives_the_same_vectors(encoder: HFEncoder, opened: HFTrainable, tmp_path: Path) -> None:
    folder = tmp_path / "tuned"
    opened.save(folder, opened.model.state_dict(), "# card\n")
    again = load_encoder(str(folder), dtype="float32", device="cpu")
    np.testing.assert_array_equal(again.encode_texts(TEXTS), encoder.encode_texts(TEXTS))
    np.testing.assert_array_equal(again.encode_images(PICTURES), encoder.encode_images(PICTURES))
    assert (folder / "README.md").read_text() == "# card\n"
    assert [path.name for path in tmp_path.iterdir()] == ["tuned"]


def test_saving_takes_nothing_along_that_is_no_part_of_a_checkpoint(tmp_path: Path) -> None:
    source = make_checkpoint("clip", tmp_path / "clip")
    own = {path.name for path in source.iterdir()}
    for name in (
        "optimizer.pt",
        "diary.txt",
        "credentials.json",
        "model.py",
        "photos/me.jpg",
        "checkpoint-5/vocab.txt",
    ):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes(b"private")
    (source / "LICENSE").write_text("free")
    encoder = load_encoder(str(source), dtype="float32", device="cpu")
    assert isinstance(encoder, HFEncoder)
    opened = encoder.trainable()
    opened.save(tmp_path / "tuned", opened.model.state_dict(), "card")
    written = {path.relative_to(tmp_path / "tuned").as_posix() for path in (tmp_path / "tuned").rglob("*")}
    assert written == own | {"README.md", "LICENSE"}


def test_saving_replaces_a_folder_and_refuses_a_file(opened: HFTrainable, tmp_path: Path) -> None:
    folder = tmp_path / "tuned"
    folder.mkdir()
    (folder / "old.txt").write_text("old")
    opened.save(folder, opened.model.state_dict(), "card")
    assert not (folder / "old.txt").exists()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ArtifactError, match="in the way"):
        opened.save(tmp_path / "file", opened.model.state_dict(), "card")
    assert (tmp_path / "file").read_text() == "mine"


def test_dropped_patches_in_training_only(opened: HFTrainable) -> None:
    if opened.towers.family.model_type in ("align", "siglip2"):
        with pytest.raises(ConfigError, match="cannot be dropped"), opened.dropped_patches(0.5):
            pass
        return
    inputs = opened.image_inputs([opened.prepare_image(picture) for picture in PICTURES])
    seen: list[int] = []
    embeddings, n_first = opened.towers.patch_embeddings()
    whole = embeddings(**inputs)
    with torch.no_grad(), opened.dropped_patches(0.5):
        hook = embeddings.register_forward_hook(lambda module, inputs, tokens: seen.append(tokens.shape[1]))
        calm = opened.towers.image_features(inputs)
        opened.model.train()
        dropped = opened.towers.image_features(inputs)
        opened.model.eval()
        hook.remove()
    n_patches = whole.shape[1] - n_first
    assert seen == [whole.shape[1], n_first + round(n_patches / 2)]
    np.testing.assert_array_equal(opened.towers.image_features(inputs).detach(), calm)
    assert float((dropped - calm).abs().max()) > 1e-4


def test_the_scale_is_held_below_its_limit(opened: HFTrainable) -> None:
    limit = float(opened.towers.scale) / 2
    opened.towers.clamp_scale(limit)
    assert float(opened.towers.scale) == pytest.approx(limit, rel=1e-5)
    opened.towers.clamp_scale(10 * limit)
    assert float(opened.towers.scale) == pytest.approx(limit, rel=1e-5)
