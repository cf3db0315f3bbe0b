"""What the library's own image tower makes of prompts that are put among its tokens: the trusted twin of our blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from paintings import painting


def pictures(n: int) -> list[Image.Image]:
    """Some wide, some tall, so that a tower that keeps the aspect ratio gets rows of other lengths."""
    sizes = ((64, 64), (96, 40), (32, 80), (50, 70))
    return [painting(seed, 64).resize(sizes[seed % len(sizes)]) for seed in range(n)]


@torch.no_grad()
def library_vectors(encoder: Any, images: Sequence[Image.Image], prompts: Tensor, *, layer: int, keep: bool) -> Tensor:
    """(n, d) unit vectors of pictures whose tokens are joined by (n, m, width) prompts before a block."""
    model, tower = encoder._model, encoder._model.vision_model
    inputs = encoder._images.collate([encoder.prepare_image(image) for image in images])
    mask = inputs.pop("pixel_attention_mask", None)
    states = tower.embeddings(**inputs)
    states = tower.pre_layrnorm(states) if hasattr(tower, "pre_layrnorm") else states
    n_own = states.shape[1]
    for number, block in enumerate(tower.encoder.layers):
        if number == layer:
            states = torch.cat([states, prompts], dim=1)
            mask = None if mask is None else F.pad(mask, (0, prompts.shape[1]), value=1)
        states = block(states, None if mask is None else mask.bool()[:, None, None])
    states = tower.post_layernorm(states)
    if hasattr(tower, "head"):
        own = states if keep else states[:, :n_own]
        pooled = tower.head(own) if mask is None else tower.head(own, mask[:, : own.shape[1]])
    else:
        pooled = model.visual_projection(states[:, 0])
    return F.normalize(pooled, dim=1)


def all_pairs(n_texts: int, n_pictures: int) -> Tensor:
    """(n_texts * n_pictures, 2)"""
    grid = np.stack(np.meshgrid(np.arange(n_texts), np.arange(n_pictures), indexing="ij"), axis=-1)
    return torch.from_numpy(grid.reshape(-1, 2))
