"""An image tower that takes prompt tokens beside a picture's own, for all families whose pictures are tokens.

How a picture's tokens listen to prompts is gated. For one of them, let Z_own and Z_prompt be the sums of
exp(query . key) over the picture's own tokens and over the prompts, and o_own and o_prompt what attention to either
alone gives. With a gate g, one number for each block and head,

    out = (Z_own o_own + g Z_prompt o_prompt) / (Z_own + |g| Z_prompt).

- g = 0 gives o_own. Where all gates are 0 the library's own blocks compute it: the vector is the picture's own to the
  last bit.
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

TOGETHER = {"cpu": 2**21, "cuda": 2**27, "mps": 2**23}
"""Numbers in the tokens of the pictures that are guided together: on a CPU no more than its caches hold."""

LARGEST_LEAD = 50.0
"""Of a prompt's score over those of the picture's own tokens, as a logarithm; beyond it nothing else is heard."""


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
        query, key, value: (n, n_heads, n_tokens, head_width).
        heard: the same, attention to the picture's own tokens.
        log_mass: (n, n_heads, n_tokens, 1) float32, log Z_own.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    heard: Tensor
    log_mass: Tensor

    def of(self, pictures: Tensor) -> _Own:
        """(n_pairs,) of the pictures."""
        return _Own(
            self.query[pictures], self.key[pictures], self.value[pictures], self.heard[pictures],
            self.log_mass[pictures],
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
        prompts, states = prompts.to(self.device), pictures.states.to(self.device)
        mask = None if pictures.mask is None else pictures.mask.to(self.device)
        with threads_for(self._model, self.device), mixed(self._setting.dtype, self.device):
            if not (self._keep or torch.is_grad_enabled() or bool(gate.any())):
                return self._unguided(states, mask)[which]
            own = said = None
            if not self._is_read(self._after[0]):  # what is the same for every text, and for every picture
                own, said = self._own(self._after[0], states, mask), self._projected(self._after[0], prompts)
            size = max(1, TOGETHER[self.device.type] // states.shape[1:].numel())
            parts = [
                self._seen(
                    states[picture], prompts[text], None if mask is None else mask[picture], gate,
                    None if own is None else own.of(picture), None if said is None else [each[text] for each in said],
                )
                for text, picture in zip(texts.split(size), which.split(size), strict=True)
            ]  # fmt: skip
        return torch.cat(parts)

    def _unguided(self, states: Tensor, mask: Tensor | None) -> Tensor:
        """Vectors of pictures as the library computes them."""
        for block in self._after:
            states = block(states, _among(mask))
        return self._vectors(states, states[:, :0], mask)

    def _seen(
        self, states: Tensor, prompted: Tensor, mask: Tensor | None, gate: Tensor, own: _Own | None,
        said: Sequence[Tensor] | None,
    ) -> Tensor:  # fmt: skip
        """Vectors of pairs.

        Args:
            states: (n_pairs, n_tokens, width) of each pair's picture.
            prompted: (n_pairs, n_prompts, width) of its text.
            mask: of the states.
            gate: of all guided blocks.
            own, said: what the first of them makes of both, where it was computed already.
        """
        for number, block in enumerate(self._after):
            if self._is_read(block):
                return self._vectors(self._reading(block, states, prompted, gate[number]), prompted, mask)
            if own is None or said is None or number:
                own, said = self._own(block, states, mask), self._projected(block, prompted)
            states = self._listening(block, states, own, said, gate[number])
            if self._keep or block is not self._after[-1]:
                prompted = self._rest(block, prompted, self._answering(block, own, said, mask))
        return self._vectors(states, prompted, mask)

    def _is_read(self, block: Any) -> bool:
        """Whether nothing but the class token is read of what the block makes."""
        return block is self._after[-1] and self._setting.family.image_pooling == "class token"

    def _own(self, block: Any, states: Tensor, mask: Tensor | None) -> _Own:
        query, key, value = self._projected(block, states)
        scores = (query @ key.transpose(2, 3)).float() * block.self_attn.scale
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None], float("-inf"))
        log_mass = scores.logsumexp(dim=3, keepdim=True)
        return _Own(query, key, value, (scores - log_mass).exp().to(value.dtype) @ value, log_mass)

    def _listening(self, block: Any, states: Tensor, own: _Own, said: Sequence[Tensor], gate: Tensor) -> Tensor:
        """What one block makes of the pictures' tokens when they listen to prompts (queries, keys and values)."""
        _, key, value = said
        scores = (own.query @ key.transpose(2, 3)).float() * block.self_attn.scale
        kept, added = _shares(scores - own.log_mass, gate[:, None, None])
        return self._rest(block, states, own.heard * kept + added.to(value.dtype) @ value)

    def _reading(self, block: Any, states: Tensor, prompted: Tensor, gate: Tensor) -> Tensor:
        """What one block makes of the class token alone: (n_pairs, 1, width).

        For one query no token needs a key or value of its own: q . (K x + b) is (K' q) . x and a number that is the
        same for every x, and values V x + c by shares a come to V (sum of a x) + c (sum of a).
        """
        attention, n_own = block.self_attn, states.shape[1]
        dtype = attention.q_proj.weight.dtype
        tokens = block.layer_norm1(torch.cat([states, prompted], dim=1)).to(dtype)
        shape = (self.n_heads, attention.head_dim, self.width)
        query = attention.q_proj(tokens[:, 0]).view(-1, *shape[:2])
        asked = torch.einsum("nhd,hdw->nhw", query, attention.k_proj.weight.view(shape))
        scores = (asked @ tokens.transpose(1, 2)).float() * attention.scale
        log_mass = scores[..., :n_own].logsumexp(dim=2, keepdim=True)
        kept, added = _shares(scores[..., n_own:] - log_mass, gate[:, None])
        shares = torch.cat([(scores[..., :n_own] - log_mass).exp() * kept, added], dim=2)
        heard = torch.einsum("nhw,hdw->nhd", shares.to(dtype) @ tokens, attention.v_proj.weight.view(shape))
        heard = heard + shares.sum(dim=2, keepdim=True) * attention.v_proj.bias.view(shape[:2])
        return self._rest(block, states[:, :1], heard[:, :, None])

    def _answering(self, block: Any, own: _Own, said: Sequence[Tensor], mask: Tensor | None) -> Tensor:
        """What the prompts hear of the pictures' tokens and of one another."""
        query, key, value = said
        n_own = own.key.shape[2]
        scores = torch.cat([query @ own.key.transpose(2, 3), query @ key.transpose(2, 3)], dim=3).float()
        if mask is not None:
            scores = scores.masked_fill(~_longer(mask, query.shape[2])[:, None, None], float("-inf"))
        share = (scores * block.self_attn.scale).softmax(dim=3).to(value.dtype)
        heard: Tensor = share[..., :n_own] @ own.value + share[..., n_own:] @ value
        return heard

    def _projected(self, block: Any, states: Tensor) -> list[Tensor]:
        """Queries, keys and values of tokens: (n, n_heads, n_tokens, head_width) each."""
        attention = block.self_attn
        normed = block.layer_norm1(states).to(attention.q_proj.weight.dtype)  # once, not for each of the three
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
                states = torch.cat([states, prompts], dim=1)
                mask = None if mask is None else _longer(mask, prompts.shape[1])
            masks = () if mask is None else (mask,)
            pooled = self._tower.head(self._tower.post_layernorm(states), *masks)
        vectors = pooled.to(torch.float32)
        unit: Tensor = vectors / vectors.norm(dim=1, keepdim=True)
        return unit


def _shares(lead: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
    """By how much what is heard of the picture's own tokens is taken, and by how much the value of every prompt.

    Args:
        lead: (..., n_prompts) scores of the prompts over log Z_own.
        gate: that of their head, to be broadcast.

    Returns:
        (..., 1) and (..., n_prompts): Z_own and g exp(score), both divided by Z_own + |g| Z_prompt.
    """
    mass = lead.clamp(max=LARGEST_LEAD).exp()
    total = 1 + gate.abs() * mass.sum(dim=-1, keepdim=True)
    return 1 / total, gate * mass / total


def _among(mask: Tensor | None) -> Tensor | None:
    """(n, n_tokens) -> (n, 1, 1, n_tokens): which tokens may be listened to."""
    return None if mask is None else mask[:, None, None]


def _longer(mask: Tensor, n: int) -> Tensor:
    """The mask with n more tokens at the end that count."""
    return F.pad(mask, (0, n), value=True)
