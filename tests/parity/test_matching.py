"""BLIP-2: both scores as the library's own model gives them; prompts in its tower as the library's own blocks do."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from checkpoints import make_checkpoint
from luneta.encoders.registry import load_cross_encoder
from luneta.errors import ConfigError
from luneta.types import Matcher
from matching import library, library_scores, load, naive
from prompting import all_pairs, pictures

MakeCheckpoint = Callable[[str], Path]
N = 6
TEXTS = ["a red boat on the beach", "an old man", "two small dogs under a tree at night, smiling"]


@pytest.fixture(params=[True, False], ids=["image token", "no image token"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.getbasetemp() / f"blip2-{request.param}", bool(request.param))


@functools.cache
def made(folder: Path, image_token: bool) -> Path:
    return make_checkpoint("blip2", folder, image_token=image_token)


def all_of(matcher: Any) -> tuple[list[str], list[Any], list[Any]]:
    """Every text with every picture: texts, pictures, and pictures as they were looked at."""
    images = pictures(N)
    seen = matcher.look([matcher.prepare_image(image) for image in images])
    texts = [text for text in TEXTS for _ in images]
    return texts, images * len(TEXTS), seen * len(TEXTS)


@pytest.mark.parametrize(
    ("options", "formula"),
    [
        ({}, lambda itc, itm, _: itc + itm),
        ({"weight": 0.05}, lambda itc, itm, _: itc + 0.05 * itm),
        ({"weight": 0.0}, lambda itc, itm, _: itc),
        ({"weight": 0.05, "counts": "logit"}, lambda itc, _, logit: itc + 0.05 * logit),
    ],
)
def test_scores_are_the_librarys(options: dict[str, Any], formula: Any, folder: Path) -> None:
    matcher = load(folder, **options)
    texts, images, seen = all_of(matcher)
    theirs = library_scores(folder, texts, images)
    assert np.ptp(theirs[0]) > 0.05, "ITC tells nothing apart"
    assert np.ptp(theirs[1]) > 0.05, "ITM tells nothing apart"
    np.testing.assert_allclose(matcher.score(matcher.read(texts), seen), formula(*theirs), atol=1e-5, rtol=0)


def test_texts_have_the_vectors_of_the_contrastive_score(folder: Path) -> None:
    matcher = load(folder)
    with torch.no_grad():
        inputs = [matcher._texts.tokenizer(text, return_tensors="pt") for text in TEXTS]
        theirs = [
            library(folder).text_projection(
                library(folder).qformer(
                    query_embeds=library(folder).embeddings(i["input_ids"]), query_length=0
                ).last_hidden_state[0, 0]
            ) for i in inputs
        ]  # fmt: skip
    expected = torch.nn.functional.normalize(torch.stack(theirs), dim=1)
    np.testing.assert_allclose(matcher.encode_texts(TEXTS), expected, atol=1e-5, rtol=0)
    assert matcher.encode_texts([]).shape == (0, matcher.spec.embedding_dim)


def test_a_text_that_names_the_token_of_pictures_is_only_text(folder: Path) -> None:
    matcher = load(folder)
    _, _, seen = all_of(matcher)
    assert np.isfinite(matcher.score(matcher.read(["<image> of a boat"]), seen[:1])).all()


# -- prompts ---------------------------------------------------------------------------------------------------


def some_prompts(n: int, tower: Any) -> Tensor:
    return torch.randn(n, 2, tower.width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_an_open_gate_is_the_librarys_attention(layer: int, folder: Path) -> None:
    matcher = load(folder)
    tower = matcher.visual_prompts(layer)
    images, texts, prompts = pictures(N), TEXTS[:2], some_prompts(2, tower)
    prepared = [matcher.prepare_image(image) for image in images]
    halfway, pairs = tower.halfway(prepared), all_pairs(2, N)
    gate = torch.ones(tower.n_guided, tower.n_heads)
    inputs = matcher._images.collate(prepared)["pixel_values"]
    states, logits = naive(
        folder, inputs[pairs[:, 1]], [texts[t] for t in pairs[:, 0]], prompts[pairs[:, 0]], layer
    )  # fmt: skip
    with torch.inference_mode():
        torch.testing.assert_close(tower.guided(halfway, prompts, gate, pairs), states, atol=1e-5, rtol=0)
        ours = tower.matched(halfway, prompts, gate, pairs, texts)
        torch.testing.assert_close(ours, logits[:, 1] - logits[:, 0], atol=1e-5, rtol=1e-5)
        shut = tower.matched(halfway, prompts, gate * 0, pairs, texts)
    assert (ours - shut).abs().max() > 0.05, "the prompts are not heard"
    itc, *_ = library_scores(folder, [texts[t] for t in pairs[:, 0]], [images[i] for i in pairs[:, 1]])
    scored = tower.scored(halfway, prompts, gate, pairs, texts, torch.from_numpy(matcher.encode_texts(texts)))
    np.testing.assert_allclose(scored, itc + logits.softmax(dim=1)[:, 1].numpy(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_shut_gate_changes_nothing_at_all(layer: int, dtype: str, folder: Path) -> None:
    matcher: Any = load_cross_encoder(folder, dtype=dtype, device="cpu")
    tower = matcher.visual_prompts(layer)
    prepared = [matcher.prepare_image(image) for image in pictures(N)]
    texts, pairs = [TEXTS[i % 3] for i in range(N)], torch.arange(N)[:, None].expand(N, 2)
    own = matcher.score(matcher.read(texts), matcher.look(prepared))
    gate, prompts = torch.zeros(tower.n_guided, tower.n_heads), 5 * some_prompts(N, tower)
    scored = tower.scored(
        tower.halfway(prepared), prompts, gate, pairs, texts, torch.from_numpy(matcher.encode_texts(texts))
    ).numpy()
    assert np.abs(scored - own).max() == 0
    with torch.inference_mode():
        shut = tower.matched(tower.halfway(prepared), prompts, gate, pairs, texts)
        gate[-1, 0] = 0.5
        other = tower.matched(tower.halfway(prepared), prompts, gate, pairs, texts)
    assert ((other - shut).abs() > 1e-3).sum() > N / 2  # one head of one block, and it is heard


def test_gate_and_prompts_get_gradients(folder: Path) -> None:
    matcher = load(folder)
    tower = matcher.visual_prompts(0)
    prompts = some_prompts(N, tower).requires_grad_(True)
    states = tower.halfway([matcher.prepare_image(image) for image in pictures(N)])
    for opening in (0.0, 0.5):
        gate = torch.full((tower.n_guided, tower.n_heads), opening, requires_grad=True)
        pairs = torch.arange(N)[:, None].expand(N, 2)
        tower.matched(states, prompts, gate, pairs, [TEXTS[0]] * N).sum().backward()
        assert gate.grad is not None
        assert (gate.grad.abs() > 1e-6).all()
    assert prompts.grad is not None
    assert (prompts.grad.abs().amax(dim=(1, 2)) > 1e-6).all()
    assert all(parameter.grad is None for parameter in matcher.model.parameters())


def test_where_prompts_come_in(folder: Path) -> None:
    matcher = load(folder)
    assert isinstance(matcher, Matcher)
    assert (matcher.visual_prompts(-1).insert_layer, matcher.visual_prompts(-1).n_guided) == (2, 1)
    with pytest.raises(ConfigError, match="has 3 blocks"):
        matcher.visual_prompts(3)
    with pytest.raises(ConfigError, match="drops prompts before its Q-Former"):
        matcher.visual_prompts(keep_prompts=True)
