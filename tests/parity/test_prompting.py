"""Prompts in an image tower: held against the library's own blocks, and exactly nothing while the gate is shut."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from luneta.encoders.registry import load_encoder
from luneta.errors import ConfigError
from luneta.types import Halfway, PromptableEncoder
from prompting import all_pairs, library_vectors, pictures

CLASS_TOKEN = ("clip", "altclip", "chinese_clip")
POOLING_HEAD = ("siglip", "siglip2", "siglip2-naflex")
N = 6

MakeCheckpoint = Callable[[str], Path]


@functools.cache
def load(folder: Path, dtype: str = "float32") -> Any:
    return load_encoder(folder, dtype=dtype, device="cpu", batch_size=N)


@pytest.fixture(params=[*CLASS_TOKEN, *POOLING_HEAD])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def halfway(encoder: Any, tower: Any) -> Halfway:
    found: Halfway = tower.halfway([encoder.prepare_image(image) for image in pictures(N)])
    return found


def some_prompts(n: int, tower: Any, seed: int = 0) -> Tensor:
    return torch.randn(n, 3, tower.width, generator=torch.Generator().manual_seed(seed))


def one_each(n: int) -> Tensor:
    return torch.arange(n)[:, None].expand(n, 2)


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_shut_gate_changes_nothing_at_all(
    family: str, layer: int, dtype: str, tiny_checkpoint: MakeCheckpoint
) -> None:
    encoder = load(tiny_checkpoint(family), dtype)
    tower = encoder.visual_prompts(layer)
    gate = torch.zeros(tower.n_guided, tower.n_heads)
    own = encoder.encode_images(pictures(N))
    with torch.inference_mode():
        guided = tower.guided(halfway(encoder, tower), 5 * some_prompts(N, tower), gate, one_each(N)).numpy()
    assert np.abs(guided - own).max() == 0
    gate[-1, 0] = 0.1
    with torch.inference_mode():
        other = tower.guided(halfway(encoder, tower), 5 * some_prompts(N, tower), gate, one_each(N)).numpy()
    assert (np.abs(other - own).max(axis=1) > 1e-5).sum() > N / 2  # one head of one block, and it is heard


@pytest.mark.parametrize(
    ("family", "keep"),
    [*((name, False) for name in (*CLASS_TOKEN, *POOLING_HEAD)), *((name, True) for name in POOLING_HEAD)],
)
@pytest.mark.parametrize("layer", [0, 1])
def test_an_open_gate_is_the_librarys_attention(
    family: str, layer: int, keep: bool, tiny_checkpoint: MakeCheckpoint
) -> None:
    encoder = load(tiny_checkpoint(family))
    tower = encoder.visual_prompts(layer, keep_prompts=keep)
    prompts = some_prompts(2, tower)
    pairs = all_pairs(2, N)
    with torch.inference_mode():
        ours = tower.guided(halfway(encoder, tower), prompts, torch.ones(tower.n_guided, tower.n_heads), pairs)
    theirs = torch.cat(
        [library_vectors(encoder, pictures(N), p.expand(N, -1, -1), layer=layer, keep=keep) for p in prompts]
    )
    assert (theirs[:N] - theirs[N:]).abs().max() > 0.01, "the reference does not hear the prompts"
    torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=0)


def test_between_shut_and_open_it_is_a_bias_on_the_prompts_keys(family: str, tiny_checkpoint: MakeCheckpoint) -> None:
    """The definition, computed for one head as it reads, in float64."""
    encoder = load(tiny_checkpoint(family))
    tower = encoder.visual_prompts(0)
    block = encoder._model.vision_model.encoder.layers[0]
    pictures_ = halfway(encoder, tower)
    prompts = some_prompts(1, tower)
    mask = pictures_.mask
    own, said = tower._own(block, pictures_.states, mask), tower._projected(block, prompts.expand(N, -1, -1))
    for opening in (0.3, 1.7, -0.6):
        gate = torch.full((tower.n_heads,), opening)
        states = tower._listening(block, pictures_.states, own, said, gate)
        query, key, value = (part.double() for part in (own.query, own.key, own.value))
        _, prompt_key, prompt_value = (part[:1].double() for part in said)
        weight = (query @ key.transpose(2, 3) * block.self_attn.scale).exp()
        weight = weight if mask is None else weight * mask[:, None, None]
        of_prompts = (query @ prompt_key.transpose(2, 3) * block.self_attn.scale).exp()
        total = weight.sum(3, keepdim=True) + abs(opening) * of_prompts.sum(3, keepdim=True)
        heard = (weight @ value + opening * (of_prompts @ prompt_value)) / total
        torch.testing.assert_close(states, tower._rest(block, pictures_.states, heard.float()), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("family", CLASS_TOKEN)
def test_a_class_token_that_is_read_alone_hears_what_it_hears_among_the_others(
    family: str, tiny_checkpoint: MakeCheckpoint
) -> None:
    encoder = load(tiny_checkpoint(family))
    tower = encoder.visual_prompts(-1)
    block, prompts = encoder._model.vision_model.encoder.layers[-1], some_prompts(N, tower)
    with torch.no_grad():
        states = halfway(encoder, tower).states
        own, said = tower._own(block, states, None), tower._projected(block, prompts)
        for opening in (0.0, 0.4, 1.0, -0.8):
            gate = torch.linspace(opening, opening / 2, tower.n_heads)  # every head its own
            among = tower._listening(block, states, own, said, gate)[:, :1]
            torch.testing.assert_close(tower._reading(block, states, prompts, gate), among, atol=1e-5, rtol=1e-5)


def test_a_shut_gate_learns_in_its_first_step(family: str, tiny_checkpoint: MakeCheckpoint) -> None:
    """Its gradient is not 0, every head of every block has one, and it is the slope of the scores."""
    encoder = load(tiny_checkpoint(family))
    tower = encoder.visual_prompts(0)
    gate = torch.zeros(tower.n_guided, tower.n_heads, requires_grad=True)
    states, prompts = halfway(encoder, tower), some_prompts(N, tower)
    weights = torch.randn(N, encoder.spec.embedding_dim, generator=torch.Generator().manual_seed(3))

    def score(opening: Tensor) -> Tensor:
        return (tower.guided(states, prompts, opening, one_each(N)) * weights).sum()

    score(gate).backward()  # type: ignore[no-untyped-call]
    assert gate.grad is not None
    assert (gate.grad.abs() > 1e-5).all()
    step = 2e-4
    for block, head in ((0, 0), (tower.n_guided - 1, 1)):
        ahead, behind = torch.zeros_like(gate), torch.zeros_like(gate)
        ahead[block, head], behind[block, head] = step, -step
        with torch.no_grad():
            slope = (score(ahead) - score(behind)) / (2 * step)
        assert float(slope) == pytest.approx(float(gate.grad[block, head]), rel=0.05, abs=0.02)


def test_prompts_get_gradients_through_the_librarys_weights(family: str, tiny_checkpoint: MakeCheckpoint) -> None:
    encoder = load(tiny_checkpoint(family))
    tower = encoder.visual_prompts(0)
    prompts = some_prompts(N, tower).requires_grad_(True)
    gate = torch.full((tower.n_guided, tower.n_heads), 0.5)
    vectors = tower.guided(halfway(encoder, tower), prompts, gate, one_each(N))
    vectors[:, 0].sum().backward()  # type: ignore[no-untyped-call]
    assert prompts.grad is not None
    assert (prompts.grad.abs().amax(dim=(1, 2)) > 1e-5).all()
    assert all(parameter.grad is None for parameter in encoder._model.parameters())


def test_what_fills_a_row_is_not_listened_to(tiny_checkpoint: MakeCheckpoint) -> None:
    """Of pictures with fewer patches than others the rest of the row may hold anything."""
    encoder = load(tiny_checkpoint("siglip2-naflex"))
    tower = encoder.visual_prompts(1)
    states = halfway(encoder, tower)
    assert states.mask is not None
    assert not states.mask.all()
    gate = torch.full((tower.n_guided, tower.n_heads), 0.5)
    disturbed = Halfway(torch.where(states.mask[:, :, None], states.states, 7.0), states.mask)
    with torch.inference_mode():
        first, second = (tower.guided(s, some_prompts(N, tower), gate, one_each(N)) for s in (states, disturbed))
    torch.testing.assert_close(first, second, atol=1e-6, rtol=0)
    with torch.inference_mode():
        bare = tower.guided(Halfway(disturbed.states), some_prompts(N, tower), gate, one_each(N))
    assert (bare - first).abs().max() > 1e-3  # without the mask it would be seen


def test_where_prompts_come_in(tiny_checkpoint: MakeCheckpoint) -> None:
    encoder = load(tiny_checkpoint("clip"))
    assert isinstance(encoder, PromptableEncoder)
    assert (encoder.visual_prompts(-1).insert_layer, encoder.visual_prompts(-2).insert_layer) == (1, 0)
    assert (encoder.visual_prompts(0).n_guided, encoder.visual_prompts(1).n_guided) == (2, 1)
    for layer in (2, -3):
        with pytest.raises(ConfigError, match="has 2 blocks; expected 0 to 1, or -1 to -2"):
            encoder.visual_prompts(layer)
    with pytest.raises(ConfigError, match="keep_prompts needs a pooling head"):
        encoder.visual_prompts(keep_prompts=True)
    with pytest.raises(ConfigError, match="align model takes no prompts"):
        load(tiny_checkpoint("align")).visual_prompts()


def test_prompts_far_louder_than_the_picture_are_no_overflow(tiny_checkpoint: MakeCheckpoint) -> None:
    encoder = load(tiny_checkpoint("clip"))
    tower = encoder.visual_prompts(0)
    block, prompts = encoder._model.vision_model.encoder.layers[0], some_prompts(N, tower)
    states = halfway(encoder, tower).states
    own = tower._own(block, states, None)
    drowned = dataclasses.replace(own, log_mass=own.log_mass - 200)  # e^88 is beyond float32
    for opening in (0.0, 1.0):
        gate = torch.full((tower.n_heads,), opening)
        found = tower._listening(block, states, drowned, tower._projected(block, prompts), gate)
        assert torch.isfinite(found).all()
