"""Mappers as the authors publish them: a checkpoint of that layout, made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from luneta.encoders.registry import load_cross_encoder
from luneta.errors import ArtifactError, ConfigError
from luneta.rerank.official import load_official
from luneta.rerank.search import Queries
from matching import library_scores, naive
from paintings import Held
from prompting import library_vectors, pictures
from reranking import encoder_of

MakeCheckpoint = Callable[[str], Path]
N_PROMPTS = 10


def mapper(text_dim: int, width: int, hidden: int = 1024 * N_PROMPTS, n_prompts: int = N_PROMPTS) -> nn.Sequential:
    """Linear, GELU, linear, GELU, linear: 1024 times as wide as there are prompts."""
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Linear(text_dim, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(),
        nn.Linear(hidden, width * n_prompts),
    )  # fmt: skip
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
    return layers


def published(layers: nn.Sequential, prefix: str = "visual.transformer.", **more: Any) -> dict[str, Any]:
    """What a training of theirs writes: the whole model, the optimizer, the epoch."""
    tensors = {f"{prefix}vpt_generator.{name}": tensor for name, tensor in layers.state_dict().items()}
    others = {"visual.conv1.weight": torch.zeros(3), "logit_scale": torch.tensor(4.6)}
    return {"epoch": 1, "name": "run", "state_dict": {**others, **tensors, **more}, "optimizer": {"state": {}}}


@pytest.mark.parametrize(
    ("family", "variant", "prefix"),
    [
        ("clip", "elip-c", "visual.transformer."),
        ("clip", "elip-c", "module.visual.transformer."),
        ("siglip", "elip-s", "visual.trunk."),
        ("siglip2", "elip-s2", "visual.trunk."),
    ],
)
def test_prompts_and_vectors_are_those_of_the_authors(
    family: str, variant: str, prefix: str, tiny_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    """10240 wide; every text's prompts among the tokens, kept by the pooling head of SigLIP, dropped by CLIP."""
    encoder = encoder_of(tiny_checkpoint(family))
    width = encoder.visual_prompts().width
    layers = mapper(encoder.spec.embedding_dim, width)
    torch.save(published(layers, prefix), tmp_path / "epoch_1.pt")
    elip = load_official(tmp_path / "epoch_1.pt", encoder, variant)
    assert (elip.guide.shape.hidden, elip.guide.shape.n_prompts) == ((10240, 10240), N_PROMPTS)
    assert not elip.guide.shape.gated
    texts = torch.from_numpy(encoder.encode_texts(["a red boat", "an old man"]))
    with torch.inference_mode():
        prompts = layers(texts).view(2, N_PROMPTS, width)
        torch.testing.assert_close(elip.guide(texts), prompts)
        images = pictures(4)
        states = elip.tower.halfway([encoder.prepare_image(image) for image in images])
        pairs = torch.tensor([[t, i] for t in range(2) for i in range(4)])
        ours = elip.seen(texts, states, pairs)
    keep = variant != "elip-c"
    theirs = torch.cat([library_vectors(encoder, images, p.expand(4, -1, -1), layer=0, keep=keep) for p in prompts])
    torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=0)
    assert np.abs(theirs[:4].numpy() - encoder.encode_images(images)).max() > 1e-3


def test_elip_b_guides_a_cross_encoder(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    """One prompt of a mapper 1024 wide, at the model's own level; what matches is text and picture seen with it."""
    matcher: Any = load_cross_encoder(tiny_checkpoint("blip2"), dtype="float32", device="cpu")
    width, dim, texts = matcher.visual_prompts().width, matcher.spec.embedding_dim, ["a red boat", "an old man"]
    layers = mapper(dim, width, hidden=1024, n_prompts=1)
    with torch.no_grad():  # as learnt: of the size of the tokens beside it
        layers[4].weight.mul_(100)
    written = published(layers, prefix="")
    torch.save({"model": written["state_dict"], "optimizer": {}, "epoch": 3}, tmp_path / "checkpoint_3.pth")
    elip = load_official(tmp_path / "checkpoint_3.pth", matcher, "elip-b")
    assert (elip.guide.shape.n_prompts, elip.guide.shape.hidden, elip.tower.insert_layer) == (1, (1024, 1024), 0)
    queries, images = Queries(texts, np.zeros((2, 7), dtype=np.float32)), [Held(str(i), p) for i, p in
                                                                          enumerate(pictures(4))]  # fmt: skip
    scores = elip.rescore(queries, elip.pictures(images), np.tile(np.arange(4), (2, 1)))
    prepared = [matcher.prepare_image(picture) for picture in pictures(4)]
    inputs, own = matcher._images.collate(prepared)["pixel_values"], matcher.look(prepared)
    for row, text in enumerate(texts):
        with torch.no_grad():
            prompt = layers(torch.from_numpy(matcher.encode_texts([text])))[:, None].expand(4, -1, -1)
        _, logits = naive(tiny_checkpoint("blip2"), inputs, [text] * 4, prompt, 0)
        plain = library_scores(tiny_checkpoint("blip2"), [text] * 4, pictures(4))
        np.testing.assert_allclose(scores[row], plain[0] + logits.softmax(dim=1)[:, 1].numpy(), atol=1e-5, rtol=0)
        assert np.abs(scores[row] - matcher.score(matcher.read([text] * 4), own)).max() > 1e-3, (
            "the prompt is not heard"
        )


def test_a_file_of_tensors_alone(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    encoder = encoder_of(tiny_checkpoint("clip"))
    layers = mapper(encoder.spec.embedding_dim, encoder.visual_prompts().width, hidden=64)
    tensors = {name: t.contiguous() for name, t in published(layers)["state_dict"].items()}
    save_file(tensors, tmp_path / "mapper.safetensors")
    torch.save(tensors, tmp_path / "mapper.pt")
    for name in ("mapper.safetensors", "mapper.pt"):
        assert load_official(tmp_path / name, encoder, "elip-c").guide.shape.hidden == (64, 64)


def test_a_mapper_in_half_precision_is_read_in_float32(tiny_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    encoder = encoder_of(tiny_checkpoint("clip"))
    layers = mapper(encoder.spec.embedding_dim, encoder.visual_prompts().width, hidden=64).half()
    torch.save(published(layers), tmp_path / "half.pt")
    guide = load_official(tmp_path / "half.pt", encoder, "elip-c").guide
    assert {p.dtype for p in guide.parameters()} == {torch.float32}


class Harmful:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return (print, ("harm",))


def test_files_that_are_none(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = encoder_of(tiny_checkpoint("clip"))
    width, dim = encoder.visual_prompts().width, encoder.spec.embedding_dim
    broken: dict[str, tuple[Any, type[Exception], str]] = {
        "no mapper": ({"state_dict": {"x": torch.zeros(1)}}, ArtifactError, "holds no mapper of ELIP"),
        "no bias": (
            {"state_dict": {"a.vpt_generator.0.weight": torch.zeros(8, dim)}}, ArtifactError, "holds no mapper",
        ),
        "deep": (
            published(mapper(dim, width, 8), **{"visual.transformer.vpt_generator_deep0.0.weight": torch.zeros(1)}),
            ArtifactError, "prompts for every block",
        ),
        "a list": ([1, 2], ArtifactError, "holds a list"),
        "other texts": (published(mapper(dim + 1, width, 8)), ConfigError, "was trained for another encoder"),
        "other tokens": (published(mapper(dim, width + 1, 8)), ConfigError, "was trained for another encoder"),
        "harm": ({"state_dict": Harmful()}, ArtifactError, "may run code"),
    }  # fmt: skip
    for name, (content, error, message) in broken.items():
        torch.save(content, tmp_path / f"{name}.pt")
        with pytest.raises(error, match=message):
            load_official(tmp_path / f"{name}.pt", encoder, "elip-c")
    assert "harm" not in capsys.readouterr().out
    (tmp_path / "cut.pt").write_bytes((tmp_path / "deep.pt").read_bytes()[:200])
    for name in ("cut.pt", "absent.pt"):
        with pytest.raises(ArtifactError):
            load_official(tmp_path / name, encoder, "elip-c")
    mixed = published(mapper(dim, width, 8))
    mixed["state_dict"]["visual.transformer.vpt_generator.2.weight"] = torch.zeros(8, 9)
    torch.save(mixed, tmp_path / "mixed.pt")
    with pytest.raises(ArtifactError, match="do not follow one another"):
        load_official(tmp_path / "mixed.pt", encoder, "elip-c")
