"""The image tower of BLIP-2 with room for prompts (the variant ELIP-B of Zhan et al., 2025).

Prompts come in behind the class token and the patches, which already know their positions, and are dropped before the
Q-Former reads the picture. How they are listened to is told in `luneta.encoders.prompting`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from luneta.encoders.precision import mixed, threads_for
from luneta.encoders.prompting import HFPromptedTower, Setting
from luneta.types import Halfway

if TYPE_CHECKING:
    from luneta.encoders.matching import HFMatcher


class HFMatchingTower(HFPromptedTower):
    """A `MatchingTower`: what `guided` gives is (n_pairs, n_tokens, width), the pictures as the Q-Former reads them."""

    def __init__(self, matcher: HFMatcher, setting: Setting, insert_layer: int) -> None:
        super().__init__(matcher.model, setting, insert_layer, keep_prompts=False)
        self._matcher = matcher

    @torch.no_grad()
    def halfway(self, prepared: Sequence[Any]) -> Halfway:
        """What `prepare_image` gave -> (n, n_tokens, width) before the block `insert_layer`."""
        states = self._matcher.begun(prepared)
        with threads_for(self._model, self.device), mixed(self._setting.dtype, self.device):
            for block in self._before:
                states = block(states)
        return Halfway(states)

    def matched(self, pictures: Halfway, prompts: Tensor, gate: Tensor, pairs: Tensor, texts: Sequence[str]) -> Tensor:
        """(n_pairs,) float32 logits that text and picture belong together; differentiable in prompts and gate."""
        logits = self._logits(pictures, prompts, gate, pairs, texts)
        return logits[:, 1] - logits[:, 0]

    @torch.inference_mode()
    def scored(
        self,
        pictures: Halfway,
        prompts: Tensor,
        gate: Tensor,
        pairs: Tensor,
        texts: Sequence[str],
        vectors: Tensor,
    ) -> Tensor:
        """(n_pairs,) float32: contrastive of the picture as it is, and matching of the picture as seen with prompts."""
        chosen, picture = pairs[:, 1].unique(return_inverse=True)  # type: ignore[no-untyped-call]
        plain = self._matcher.finished(pictures.states[chosen].to(self.device), self.insert_layer)
        queries = self._matcher.query_vectors(plain)[picture.to(self.device)]
        cosines = self._matcher.contrastive(vectors[pairs[:, 0]], queries)
        return self._matcher.combined(cosines, self._logits(pictures, prompts, gate, pairs, texts))

    def _logits(self, pictures: Halfway, prompts: Tensor, gate: Tensor, pairs: Tensor, texts: Sequence[str]) -> Tensor:
        ids, mask = self._matcher.tokens(texts)
        text = pairs[:, 0].to(self.device)
        return self._matcher.logits(self.guided(pictures, prompts, gate, pairs), ids[text], mask[text])

    # -- what differs from the other families ------------------------------------------------------------------

    def _projected(self, block: Any, states: Tensor) -> list[Tensor]:
        """Queries, keys and values of tokens, from one matrix: (n, n_heads, n_tokens, head_width) each."""
        all_three = block.self_attn.qkv(block.layer_norm1(states))
        return list(all_three.view(*states.shape[:2], 3, self.n_heads, -1).permute(2, 0, 3, 1, 4))

    def _rest(self, block: Any, states: Tensor, heard: Tensor) -> Tensor:
        attended = states + block.self_attn.projection(heard.transpose(1, 2).reshape(states.shape).contiguous())
        changed: Tensor = attended + block.mlp(block.layer_norm2(attended))
        return changed

    def _unguided(self, states: Tensor, mask: Tensor | None) -> Tensor:
        return self._matcher.finished(states, self.insert_layer)

    def _vectors(self, states: Tensor, prompts: Tensor, mask: Tensor | None) -> Tensor:
        """The pictures' own tokens at the tower's end; prompts are gone."""
        ended: Tensor = self._tower.post_layernorm(states)
        return ended.float()
