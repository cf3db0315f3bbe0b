"""ELIP: pictures looked at again in the light of the text that searches for them.

The vector of a text becomes prompts for the frozen image tower; a candidate's new score is the cosine of the text and
of the picture as seen with them (Zhan et al., "ELIP: Enhanced Visual-Language Foundation Models for Image Retrieval",
2025), or what a cross-encoder says of the text and that picture. Which family of models it is of, only the model knows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from luneta.encoders.outputs import unit_vectors
from luneta.errors import ConfigError
from luneta.progress import track
from luneta.rerank.crossing import Crossed
from luneta.rerank.guide import Guide, GuideShape
from luneta.rerank.pictures import Indexes, Pictures
from luneta.rerank.recipe import ElipRecipe
from luneta.rerank.search import Found, Queries
from luneta.types import (
    CrossEncoder,
    Encoder,
    Halfway,
    ImageRef,
    Matcher,
    MatchingTower,
    PromptableEncoder,
    PromptedTower,
)

logger = logging.getLogger("luneta")

GUIDED_AT_ONCE = {"cpu": 256, "cuda": 2048, "mps": 256}
"""Pairs of a text and a picture that are handed to the tower together."""


@dataclass(frozen=True, eq=False)
class Elip:
    """A guide and the image tower it guides; a `Rescorer`.

    Attributes:
        encoder: whose candidates are looked at again; or a cross-encoder, that looks at those of another one.
        tower: its image tower, with room for prompts.
        guide: makes prompts of texts.
        keep_prompts: what pools a picture's tokens sees the prompts too.
    """

    encoder: PromptableEncoder | Matcher
    tower: PromptedTower
    guide: Guide
    keep_prompts: bool = False

    kind = "elip"

    @classmethod
    def untrained(cls, encoder: PromptableEncoder | Matcher, recipe: ElipRecipe) -> Elip:
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

    @property
    def own_scale(self) -> bool:
        """New scores are no cosines of the encoder's."""
        return isinstance(self.encoder, Matcher)

    def read(self, queries: Queries) -> Queries:
        """Texts with the vectors that prompts are made of: an encoder's own, a cross-encoder's made here."""
        if isinstance(self.encoder, Matcher):
            return Queries(queries.texts, self.encoder.encode_texts(queries.texts))
        return queries

    def unguided(self, found: Found) -> NDArray[np.float32]:
        """(n_texts, k) scores of candidates where no prompt is listened to: the encoder's, or the cross-encoder's."""
        if not isinstance(self.encoder, Matcher):
            return found.scores
        plain = Crossed(self.encoder)
        return plain.rescore(found.queries, plain.pictures(found.dataset.images), found.candidates)

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

    def compared(self, texts: Queries, pictures: Halfway, pairs: Tensor) -> Tensor:
        """(n_pairs,) what is learnt to be high where text and picture belong together; differentiable.

        Args:
            texts: n_texts as `read` gives them.
            pictures, pairs: as in `seen`.

        Returns:
            (n_pairs,) cosines, or a cross-encoder's logits.
        """
        guides = torch.from_numpy(texts.vectors)
        if isinstance(self.encoder, Matcher):
            prompts = self.guide(guides.to(self.tower.device))
            return self._matching.matched(pictures, prompts, self.guide.gate, pairs, texts.texts)
        seen = self.seen(guides, pictures, pairs)
        cosines: Tensor = (seen * guides.to(seen.device)[pairs[:, 0].to(seen.device)]).sum(dim=1)
        return cosines

    @property
    def _matching(self) -> MatchingTower:
        return cast("MatchingTower", self.tower)

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
            candidates: (n, k) pictures of each; -1 where there is none.
            guides: n texts in whose light the pictures are looked at instead of each query's own.

        Returns:
            (n, k) cosines; NaN for a picture that cannot be read any more, and where there is none.

        Raises:
            EncoderError: a vector is not finite.
        """
        queries = self.read(queries)
        light = queries if guides is None else self.read(guides)
        scores = np.full(candidates.shape, np.nan, dtype=np.float32)
        by_picture = candidates.argsort(axis=None, kind="stable")  # what they say without a text is shared then
        by_picture = by_picture[candidates.reshape(-1)[by_picture] >= 0]
        with track("re-ranking", len(by_picture)) as advance:
            for part in _blocks(len(by_picture), self._pairs):
                row, column = np.divmod(by_picture[part], candidates.shape[1])
                chosen, picture = np.unique(candidates[row, column], return_inverse=True)
                there = ~pictures.lost(chosen)
                known = there[picture]
                if known.any():
                    row, column, picture = row[known], column[known], (there.cumsum() - 1)[picture[known]]
                    texts, text = np.unique(row, return_inverse=True)
                    pairs, found = np.stack([text, picture], axis=1), pictures.of(chosen[there])
                    scores[row, column] = self._scores(queries.of(texts), light.vectors[texts], found, pairs)
                advance(len(known))
        n_lost = int(np.isnan(scores[candidates >= 0]).sum())
        if n_lost:
            logger.warning("candidates that cannot be read any more, and keep the encoder's score: %d", n_lost)
        return scores

    @property
    def _pairs(self) -> int:
        # a cross-encoder reads all tokens of a picture, for each pair anew
        return GUIDED_AT_ONCE.get(self.tower.device.type, 256) // (8 if self.own_scale else 1)

    def _scores(
        self, queries: Queries, guides: NDArray[np.float32], pictures: Halfway, pairs: Indexes
    ) -> NDArray[np.floating]:
        which, light = torch.from_numpy(pairs), torch.from_numpy(guides)
        if isinstance(self.encoder, Matcher):
            prompts, gate = self.guide(light.to(self.tower.device)), self.guide.gate
            own = queries.texts, torch.from_numpy(queries.vectors)
            return self._matching.scored(pictures, prompts, gate, which, *own).cpu().numpy()
        raw = self.seen(light, pictures, which).cpu().numpy()
        vectors = unit_vectors(raw, [""] * len(raw), self.encoder.spec, "visual_prompts")
        return _cosines(queries.vectors[pairs[:, 0]], vectors)


def promptable(encoder: Encoder | CrossEncoder) -> PromptableEncoder | Matcher:
    """The encoder, or cross-encoder, if its image tower takes prompts.

    Raises:
        ConfigError: it does not.
    """
    if not isinstance(encoder, PromptableEncoder | Matcher):
        name = encoder.spec.name if isinstance(encoder, Encoder) else encoder.name
        raise ConfigError(f"{name} takes no visual prompts; checkpoints of transformers whose pictures are tokens do")
    return encoder


def _cosines(texts: NDArray[np.float32], images: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) of rows, summed in float64 as the ranking does: equal vectors have equal scores."""
    return np.einsum("ij,ij->i", texts, images, dtype=np.float64)  # type: ignore[no-any-return]


def _blocks(n: int, size: int) -> Iterator[slice]:
    return (slice(low, min(low + size, n)) for low in range(0, n, size))
