"""An image tower that takes prompt tokens beside a picture's own, for all families whose pictures are tokens.

How a picture's tokens listen to prompts is gated. For one of them, let Z_own and Z_prompt be the sums of
exp(query . key) over the picture's own tokens and over the prompts, and o_own and o_prompt what attention to either
alone gives. With a gate g, one number for each block and head,

    out = (Z_own o_own + g Z_prompt o_prompt) / (Z_own + |g| Z_prompt).

- g = 0 gives o_own, computed as the library computes it: the vector is the picture's own to the last bit.
- g = 1 is ordinary attention to all tokens, as prompts were inserted by Zhan et al. (ELIP, 2025); 0 < g < 1 is the same
  with log g added to the scores of the prompts.
- At g = 0 the derivative is Z_prompt / Z_own o_prompt, so that a gate that is shut learns to open in its first step. (A
  bias of minus infinity on the prompts' keys is as exact and has no gradient; one of -10 has little of either.) A
  negative gate takes away what the prompts say, as in LLaMA-Adapter (Zhang et al., 2023).

Prompts themselves listen to everything. They come after the picture's tokens: behind the embeddings attention knows no
order. Prompts are dropped before pooling, unless the pooling head is to see them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from luneta.encoders.families import Family
from luneta.encoders.precision import mixed, threads_for
from luneta.encoders.preprocessing import ImagePreparation
from luneta.errors import ConfigError
from luneta.types import Halfway

LARGEST_LEAD = 50.0
"""Of the prompts' scores over those of the picture's own tokens, as a logarithm; beyond it nothing else is heard."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How a model is used: its family, how pictures become its inputs, in which number format and where it runs."""

    family: Family
    images: ImagePreparation
    dtype: str
    device: torch.device


@dataclass(frozen=True, slots=True)
class _Own:
    """What a block makes of pictures before any prompt is listened to.

    Attributes:
        states: (n, n_read, width) that came in, of the tokens that are read further on.
        query, key, value: (n, n_heads, n_tokens, head_width); queries of those tokens only.
        heard: (n, n_heads, n_read, head_width), attention to the picture's own tokens.
        log_mass: (n, n_heads, n_read) float32, log Z_own.
    """

    states: Tensor
    query: Tensor
    key: Tensor
    value: Tensor
    heard: Tensor
    log_mass: Tensor

    def of(self, pictures: Tensor) -> _Own:
        """(n_pairs,) of the pictures."""
        return _Own(
            self.states[pictures], self.query[pictures], self.key[pictures], self.value[pictures],
            self.heard[pictures], self.log_mass[pictures],
        )  # fmt: skip


class HFPromptedTower:
    """The image tower of a model of transformers with room for prompts; a `PromptedTower`.

    Attributes:
        insert_layer: the block before which prompts come in.
        width: numbers of a token.
        n_guided: blocks from `insert_layer` on.
        n_heads: of their attention.
        device: where it runs.
    """

    def __init__(self, model: Any, setting: Setting, insert_layer: int, keep_prompts: bool) -> None:
        """
        Args:
            model: of transformers, with both towers.
            setting: how it is used.
            insert_layer: negative numbers count from the end.
            keep_prompts: the pooling head sees the prompts too.

        Raises:
            ConfigError: the tower takes no prompts, or has no such block, or no head that could see them.
        """
        name = setting.family.model_type
        if setting.family.image_pooling is None:
            raise ConfigError(f"the image tower of a {name} model takes no prompts: its pictures are no tokens")
        if keep_prompts and setting.family.image_pooling != "attention":
            raise ConfigError(f"keep_prompts needs a pooling head, and a {name} model reads its class token instead")
        blocks = list(model.vision_model.encoder.layers)
        if not -len(blocks) <= insert_layer < len(blocks):
            raise ConfigError(
                f"insert_layer is {insert_layer}, and the image tower has {len(blocks)} blocks; expected 0 to "
                f"{len(blocks) - 1}, or -1 to -{len(blocks)} counted from the end"
            )
        self.insert_layer = insert_layer % len(blocks)
        self.n_guided = len(blocks) - self.insert_layer
        self.n_heads = int(blocks[0].self_attn.num_heads)
        self.width = int(blocks[0].self_attn.embed_dim)
        self.device = setting.device
        self._model, self._tower, self._setting, self._keep = model, model.vision_model, setting, keep_prompts
        self._before, self._after = blocks[: self.insert_layer], blocks[self.insert_layer :]

    # -- the first stage ---------------------------------------------------------------------------------------

    @torch.no_grad()
    def halfway(self, prepared: Sequence[Any]) -> Halfway:
        """What `prepare_image` gave -> (n, n_tokens, width) before the block `insert_layer`."""
        inputs = {name: tensor.to(self.device) for name, tensor in self._setting.images.collate(prepared).items()}
        with threads_for(self._model, self.device), mixed(self._setting.dtype, self.device):
            mask = inputs.pop("pixel_attention_mask", None)
            states = self._tower.embeddings(**inputs)
            if hasattr(self._tower, "pre_layrnorm"):  # spelt so in all families that have it
                states = self._tower.pre_layrnorm(states)
            mask = None if mask is None else mask.bool()
            for block in self._before:
                states = block(states, _among(mask))
        return Halfway(states, mask)

    # -- the second stage --------------------------------------------------------------------------------------

    def guided(self, pictures: Halfway, prompts: Tensor, gate: Tensor, pairs: Tensor) -> Tensor:
        """Vectors of pictures, each as seen with a text's prompts; differentiable in prompts and gate.

        Args:
            pictures: n_pictures of them.
            prompts: (n_texts, n_prompts, width) float32.
            gate: (n_guided, n_heads); 0 does not listen to the prompts of a block, 1 as to any other token.
            pairs: (n_pairs, 2) int64 of (text, picture).

        Returns:
            (n_pairs, embedding_dim) float32 unit vectors.
        """
        texts, which = pairs.to(self.device).T
        mask = None if pictures.mask is None else pictures.mask.to(self.device)
        with threads_for(self._model, self.device), mixed(self._setting.dtype, self.device):
            own = self._own(self._after[0], pictures.states.to(self.device), mask).of(which)  # the same for every text
            states, prompted = own.states, prompts.to(self.device)[texts]
            mask = None if mask is None else mask[which]
            for number, block in enumerate(self._after):
                own = self._own(block, states, mask) if number else own
                said = self._projected(block, prompted)
                states = self._listening(block, own, said, gate[number])
                if self._keep or block is not self._after[-1]:
                    prompted = self._rest(block, prompted, self._answering(block, own, said, mask))
            return self._vectors(states, prompted, mask)

    def _own(self, block: Any, states: Tensor, mask: Tensor | None) -> _Own:
        query, key, value = self._projected(block, states)
        heard = F.scaled_dot_product_attention(query, key, value, attn_mask=_among(mask), scale=block.self_attn.scale)
        scores = (query @ key.transpose(2, 3)).float() * block.self_attn.scale
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None], float("-inf"))
        log_mass = scores.logsumexp(dim=3)
        # of the last block only the class token is read; attention stays that of all tokens, and so the same to the bit
        if block is self._after[-1] and self._setting.family.image_pooling == "class token":
            states, query, heard, log_mass = states[:, :1], query[:, :, :1], heard[:, :, :1], log_mass[:, :, :1]
        return _Own(states, query, key, value, heard, log_mass)

    def _listening(self, block: Any, own: _Own, said: Sequence[Tensor], gate: Tensor) -> Tensor:
        """What one block makes of the pictures' tokens when they listen to prompts (queries, keys and values)."""
        _, key, value = said
        to_prompts = (own.query @ key.transpose(2, 3)).float() * block.self_attn.scale
        lead = (to_prompts.logsumexp(dim=3) - own.log_mass).clamp(max=LARGEST_LEAD)
        share = (gate[:, None] * lead.exp())[..., None]
        heard = (own.heard + share * (to_prompts.softmax(dim=3) @ value.float())) / (1 + share.abs())
        return self._rest(block, own.states, heard)

    def _answering(self, block: Any, own: _Own, said: Sequence[Tensor], mask: Tensor | None) -> Tensor:
        """What the prompts hear of the pictures' tokens and of one another."""
        query, key, value = said
        return F.scaled_dot_product_attention(
            query, torch.cat([own.key, key], dim=2), torch.cat([own.value, value], dim=2),
            attn_mask=_among(_longer(mask, query.shape[2])), scale=block.self_attn.scale,
        )  # fmt: skip

    def _projected(self, block: Any, states: Tensor) -> list[Tensor]:
        """Queries, keys and values of tokens: (n, n_heads, n_tokens, head_width) each."""
        attention, normed = block.self_attn, block.layer_norm1(states)
        shape = (*states.shape[:2], -1, attention.head_dim)
        layers = (attention.q_proj, attention.k_proj, attention.v_proj)
        return [layer(normed).view(shape).transpose(1, 2) for layer in layers]

    def _rest(self, block: Any, states: Tensor, heard: Tensor) -> Tensor:
        """What a block does after its attention."""
        attended = states + block.self_attn.out_proj(heard.transpose(1, 2).reshape(states.shape).contiguous())
        changed: Tensor = attended + block.mlp(block.layer_norm2(attended))
        return changed

    def _vectors(self, states: Tensor, prompts: Tensor, mask: Tensor | None) -> Tensor:
        if self._setting.family.image_pooling == "class token":
            pooled = self._model.visual_projection(self._tower.post_layernorm(states[:, 0]))
        else:
            if self._keep:
                states, mask = torch.cat([states, prompts], dim=1), _longer(mask, prompts.shape[1])
            masks = () if mask is None else (mask,)
            pooled = self._tower.head(self._tower.post_layernorm(states), *masks)
        vectors = pooled.to(torch.float32)
        unit: Tensor = vectors / vectors.norm(dim=1, keepdim=True)
        return unit


def _among(mask: Tensor | None) -> Tensor | None:
    """(n, n_tokens) -> (n, 1, 1, n_tokens): which tokens may be listened to."""
    return None if mask is None else mask[:, None, None]


def _longer(mask: Tensor | None, n: int) -> Tensor | None:
    """The mask with n more tokens at the end that count."""
    return None if mask is None else F.pad(mask, (0, n), value=True)
