"""ELIP: pictures looked at again in the light of the text that searches for them.

The vector of a text becomes prompts for the frozen image tower; a candidate's new score is the cosine of the text and
of the picture as seen with them (Zhan et al., "ELIP: Enhanced Visual-Language Foundation Models for Image Retrieval",
2025). Which family of models the encoder is of, only the encoder knows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from luneta.encoders.outputs import unit_vectors
from luneta.errors import ConfigError
from luneta.progress import track
from luneta.rerank.guide import Guide, GuideShape
from luneta.rerank.pictures import Indexes, Pictures
from luneta.rerank.recipe import ElipRecipe
from luneta.rerank.search import Queries
from luneta.types import Encoder, Halfway, ImageRef, PromptableEncoder, PromptedTower

logger = logging.getLogger("luneta")

PAIRS = {"cpu": 256, "cuda": 2048, "mps": 256}
"""Pairs of a text and a picture that go through the guided blocks together."""


@dataclass(frozen=True, eq=False)
class Elip:
    """A guide and the image tower it guides; a `Rescorer`.

    Attributes:
        encoder: whose candidates are looked at again.
        tower: its image tower, with room for prompts.
        guide: makes prompts of texts.
        keep_prompts: what pools a picture's tokens sees the prompts too.
    """

    encoder: PromptableEncoder
    tower: PromptedTower
    guide: Guide
    keep_prompts: bool = False

    @classmethod
    def untrained(cls, encoder: PromptableEncoder, recipe: ElipRecipe) -> Elip:
        """With weights of the recipe's seed; where it is gated, scores are those of the encoder alone.

        Raises:
            ConfigError: the encoder's image tower takes no prompts, or has no such block.
        """
        tower = encoder.visual_prompts(recipe.insert_layer, keep_prompts=recipe.keep_prompts)
        shape = GuideShape(
            encoder.spec.embedding_dim, tower.width, recipe.n_prompts, recipe.hidden, tower.n_guided, tower.n_heads,
            gated=recipe.gated, dropout=recipe.dropout,
        )  # fmt: skip
        with torch.random.fork_rng():
            torch.manual_seed(recipe.seed)
            guide = Guide(shape)
        return cls(encoder, tower, guide.to(tower.device).eval(), recipe.keep_prompts)

    def pictures(self, images: Sequence[ImageRef]) -> Pictures:
        """A data set's pictures, read once for many texts."""
        return Pictures(self.encoder, self.tower, images)

    def seen(self, guides: Tensor, pictures: Halfway, pairs: Tensor) -> Tensor:
        """Vectors of pictures in the light of texts; differentiable in the guide's weights.

        Args:
            guides: (n_texts, embedding_dim) vectors of the texts.
            pictures: n_pictures of them.
            pairs: (n_pairs, 2) int64 of (text, picture).

        Returns:
            (n_pairs, embedding_dim) float32 unit vectors.
        """
        return self.tower.guided(pictures, self.guide(guides.to(self.tower.device)), self.guide.gate, pairs)

    @torch.inference_mode()
    def rescore(
        self,
        queries: Queries,
        pictures: Pictures,
        candidates: Indexes,
        *,
        guides: Queries | None = None,
    ) -> NDArray[np.float32]:
        """New scores of candidates.

        Args:
            queries: n texts.
            pictures: what they search in.
            candidates: (n, k) pictures of each.
            guides: n texts in whose light the pictures are looked at instead of each query's own.

        Returns:
            (n, k) cosines; NaN for a picture that cannot be read any more.

        Raises:
            EncoderError: a vector is not finite.
        """
        light = queries if guides is None else guides
        scores = np.full(candidates.shape, np.nan, dtype=np.float32)
        with track("re-ranking", len(queries)) as advance:
            for rows in _blocks(len(queries), max(1, self._pairs // max(1, candidates.shape[1]))):
                chosen, place = np.unique(candidates[rows], return_inverse=True)
                lost = pictures.lost(chosen)
                place = place.reshape(candidates[rows].shape)
                row, column = np.nonzero(~lost[place])
                new = np.cumsum(~lost) - 1
                if len(row):
                    pairs = np.stack([row, new[place[row, column]]], axis=1)
                    vectors = self._vectors(light.vectors[rows], pictures.of(chosen[~lost]), pairs)
                    scores[rows.start + row, column] = _cosines(queries.vectors[rows][row], vectors)
                advance(len(place))
        n_lost = int(np.isnan(scores).sum())
        if n_lost:
            logger.warning("%d candidates cannot be read any more; they keep the encoder's score", n_lost)
        return scores

    @property
    def _pairs(self) -> int:
        return PAIRS.get(self.tower.device.type, 256)

    def _vectors(self, guides: NDArray[np.float32], pictures: Halfway, pairs: Indexes) -> NDArray[np.float32]:
        texts = torch.from_numpy(guides)
        parts = [
            self.seen(texts, pictures, torch.from_numpy(pairs[part])).cpu().numpy()
            for part in _blocks(len(pairs), self._pairs)
        ]
        raw = np.concatenate(parts)
        return unit_vectors(raw, [""] * len(raw), self.encoder.spec, "visual_prompts")


def promptable(encoder: Encoder) -> PromptableEncoder:
    """The encoder, if its image tower takes prompts.

    Raises:
        ConfigError: it does not.
    """
    if not isinstance(encoder, PromptableEncoder):
        raise ConfigError(
            f"{encoder.spec.name} takes no visual prompts; checkpoints of transformers whose pictures are tokens do"
        )
    return encoder


def _cosines(texts: NDArray[np.float32], images: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) of rows, summed in float64 as the ranking does: equal vectors have equal scores."""
    return np.einsum("ij,ij->i", texts, images, dtype=np.float64)  # type: ignore[no-any-return]


def _blocks(n: int, size: int) -> Iterator[slice]:
    return (slice(low, min(low + size, n)) for low in range(0, n, size))
